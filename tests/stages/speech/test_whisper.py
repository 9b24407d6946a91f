from __future__ import annotations

import struct

import numpy as np
import pytest
import torch

from stages.errors import WeightsError
from stages.speech.whisper import WhisperEncoder, read_ctranslate2


@pytest.fixture(scope="module")
def encoder() -> WhisperEncoder:
    try:
        return WhisperEncoder()
    except WeightsError as error:
        pytest.skip(f"{error.where}: {error.what}")


def murmur(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, 640 * frames).astype(np.float32)


@pytest.mark.parametrize("frames", [1, 10, 50])
def test_there_is_one_row_of_512_a_frame(encoder: WhisperEncoder, frames: int):
    rows_TD = encoder.encode(murmur(frames))
    assert rows_TD.shape == (frames, encoder.width) == (frames, 512)
    assert rows_TD.dtype == np.float32
    assert np.isfinite(rows_TD).all()


def test_the_same_speech_gives_the_same_rows_and_other_speech_others(encoder: WhisperEncoder):
    np.testing.assert_array_equal(encoder.encode(murmur(10)), encoder.encode(murmur(10)))
    assert not np.allclose(encoder.encode(murmur(10)), encoder.encode(murmur(10, seed=1)), atol=1e-2)


def test_a_sound_is_felt_most_in_its_own_frame(encoder: WhisperEncoder):
    quiet, click = murmur(40) * 0.01, murmur(40) * 0.01
    click[20 * 640 : 21 * 640] += murmur(1, seed=2)
    change_T = np.linalg.norm(encoder.encode(click) - encoder.encode(quiet), axis=1)
    assert abs(int(change_T.argmax()) - 20) <= 1


def test_the_name_tells_model_and_layer(encoder: WhisperEncoder):
    assert encoder.name == "whisper-base-layer-2"
    assert len(encoder.layers) == 2


def test_more_than_30_seconds_are_refused(encoder: WhisperEncoder):
    with pytest.raises(ValueError, match="30 s"):
        encoder.hidden(torch.zeros(1, 80, 3002))


def text(value: str) -> bytes:
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def a_file(*, version: int = 6, dtype: int = 0, sizes: tuple[int, ...] = (2, 3)) -> bytes:
    values = np.arange(6, dtype=np.float32).tobytes()
    head = struct.pack("<I", version) + text("WhisperSpec") + struct.pack("<II", 3, 1)
    shape = struct.pack("<B", len(sizes)) + struct.pack(f"<{len(sizes)}I", *sizes)
    return head + text("encoder/conv1/weight") + shape + struct.pack("<BI", dtype, len(values)) + values


def test_the_tensors_of_a_file_are_read_by_name():
    tensors = read_ctranslate2(a_file())
    assert tensors["encoder/conv1/weight"].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\3\4 not a model",
        a_file()[:-1],
        a_file()[:20],
        a_file(version=5),
        a_file(dtype=77),
        a_file(sizes=(2, 4)),
        np.random.default_rng(0).bytes(5000),
    ],
    ids=["empty", "zip", "cut", "cut early", "old version", "unknown type", "wrong shape", "noise"],
)
def test_damaged_bytes_are_refused(data: bytes):
    with pytest.raises(WeightsError) as caught:
        read_ctranslate2(data)
    assert caught.value.code == "weights_unreadable"
