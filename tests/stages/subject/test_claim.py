from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stages.errors import SubjectError
from stages.subject.claim import Claim, check_consent, file_sha256, keep_consent, take_folder

CLAIM = Claim(clip="/clips/a.mp4", clip_sha256="1" * 64, name="Zoë", consent_sha256="2" * 64, audio_lag=None)


def code_of(error: pytest.ExceptionInfo[SubjectError]) -> str:
    return error.value.code


def test_the_same_inputs_go_on_with_their_folder(tmp_path: Path):
    folder = tmp_path / "zoe"
    take_folder(folder, CLAIM).with_work(seconds=3, processor_seconds=2, peak_memory_mb=9).save(folder)
    held = take_folder(folder, replace(CLAIM, clip="/moved/a.mp4"))
    assert (held.seconds, held.processor_seconds, held.peak_memory_mb) == (3, 2, 9)


@pytest.mark.parametrize(
    "changed",
    [
        {"clip_sha256": "3" * 64},
        {"name": "Max"},
        {"consent_sha256": "3" * 64},
        {"audio_lag": 0},
        {"audio_track": 1},
        {"version": 0},
    ],
)
def test_a_folder_of_other_inputs_is_refused_with_a_hint(tmp_path: Path, changed: dict[str, object]):
    take_folder(tmp_path / "zoe", CLAIM)
    with pytest.raises(SubjectError) as caught:
        take_folder(tmp_path / "zoe", replace(CLAIM, **changed))
    assert code_of(caught) == "subject_occupied"
    assert caught.value.hint


def test_a_folder_with_anything_else_in_it_is_left_alone(tmp_path: Path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(SubjectError) as caught:
        take_folder(tmp_path, CLAIM)
    assert code_of(caught) == "subject_occupied"
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_damaged_claim_is_not_taken_over(tmp_path: Path):
    (tmp_path / "preparation.json").write_text("{")
    with pytest.raises(SubjectError) as caught:
        take_folder(tmp_path, CLAIM)
    assert code_of(caught) == "subject_occupied"


@pytest.mark.parametrize("content", [None, b"", b" \n"])
def test_no_consent_is_no_consent(tmp_path: Path, content: bytes | None):
    record = tmp_path / "consent.pdf"
    if content is not None:
        record.write_bytes(content)
    with pytest.raises(SubjectError) as caught:
        check_consent(record)
    assert code_of(caught) == "subject_no_consent"


def test_the_record_is_kept_as_it_is(tmp_path: Path):
    record = tmp_path / "Signed.PDF"
    record.write_bytes(b"I agree")
    folder = tmp_path / "zoe"
    folder.mkdir()
    kept = keep_consent(record, folder)
    assert kept == "consent.pdf"
    assert file_sha256(folder / kept) == check_consent(record)


def test_a_clip_that_is_not_there_is_said_so(tmp_path: Path):
    with pytest.raises(SubjectError) as caught:
        file_sha256(tmp_path / "none.mp4")
    assert code_of(caught) == "clip_not_found"


def test_a_lag_that_was_told_in_whole_frames_is_still_read(tmp_path: Path):
    replace(CLAIM, audio_lag=3).save(tmp_path)
    held = Claim.load(tmp_path)
    assert held is not None
    assert held.same_inputs(replace(CLAIM, audio_lag=3.0))
