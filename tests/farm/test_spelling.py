"""A name that looks like the one in the job is found, whichever way its letters are made up."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from farm.translation import translated
from infra.fetch import fetch_file, fetch_subject_folder
from jobs.errors import FarmError
from jobs.evaluate_spec import EvaluateSpec
from jobs.evaluation_pairs import find_pairs
from jobs.folders import find_clips
from jobs.spelling import hint_where_missing
from stages.video.decoding import read_facts

FORMS = ("NFC", "NFD")


def written(hint: str) -> str:
    """The name that a hint tells to write, as a job's file is read."""
    return str(yaml.safe_load(hint[hint.index('"') : hint.rindex('"') + 1]))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["café.wav", "Ångström/Nguyễn/한국어.wav", "plain/ñ/speech.wav"])
def test_the_hint_names_what_is_there(tmp_path: Path, name: str, form: str) -> None:
    there = tmp_path / unicodedata.normalize(form, name)
    there.parent.mkdir(parents=True, exist_ok=True)
    there.touch()
    asked = tmp_path / unicodedata.normalize(FORMS[1 - FORMS.index(form)], name)
    hint = hint_where_missing(str(asked), otherwise="")
    assert hint.isascii(), "the two look alike: the letters are told apart by their numbers"
    told = written(hint)
    assert list(tmp_path.rglob(told.rpartition("/")[2])) == [there]
    assert str(there).endswith(told)


def test_folders_of_mixed_forms_are_walked(tmp_path: Path) -> None:
    (tmp_path / "é" / "e\u0301").mkdir(parents=True)
    assert written(hint_where_missing(str(tmp_path / "é" / "é"), otherwise="")) == "e\u0301"
    assert written(hint_where_missing(str(tmp_path / "e\u0301" / "é"), otherwise="")) == "é/e\u0301"


@pytest.mark.parametrize("name", ["missing.wav", "naïve.wav", "é" * 300, "\0é", "é/below/a/file"])
def test_where_nothing_looks_alike_the_usual_hint_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / "e\u0301").touch()
    assert hint_where_missing(str(tmp_path / name), otherwise="check the path") == "check the path"


def test_every_named_input_is_found(tmp_path: Path) -> None:
    folder, other = tmp_path / "Zoe\u0308", tmp_path / "Zoë"
    (folder / "clips" / "a").mkdir(parents=True)
    (folder / "speech.wav").touch()

    def evaluate(**spec: Any) -> Callable[[], object]:
        return lambda: find_pairs(EvaluateSpec.model_validate(spec), folder=tmp_path)

    def decode() -> None:
        with translated("clip"):
            read_facts(other / "speech.wav")

    pair = {"system": "ours", "generated": f"{other}/*.wav", "truth": "truth.mp4"}
    for ask in (
        lambda: fetch_file(str(other / "speech.wav"), cache=tmp_path, where="spec.speech"),
        lambda: fetch_subject_folder(str(other), cache=tmp_path),
        lambda: find_clips([f"{other}/clips/*"], held_out=[]),
        evaluate(systems={"ours": "videos"}, truth=f"{other}/clips"),
        evaluate(pairs=[pair]),
        decode,
    ):
        with pytest.raises(FarmError) as caught:
            ask()
        assert "another Unicode form" in caught.value.hint
        assert "Zoe\\u0308" in caught.value.hint


def test_videos_are_matched_by_name_whatever_its_form(tmp_path: Path) -> None:
    for name in ("truth/Zoë.mp4", "ours/Zoe\u0308.mp4"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    spec = EvaluateSpec.model_validate({"systems": {"ours": "ours"}, "truth": "truth"})
    (pair,) = find_pairs(spec, folder=tmp_path)
    assert pair.generated == (str(tmp_path / "ours/Zoe\u0308.mp4"),)
