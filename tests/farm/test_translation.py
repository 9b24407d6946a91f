from __future__ import annotations

import pickle

import pytest

from farm.translation import translate, translated
from jobs.errors import (
    DiskFull,
    FarmError,
    InfrastructureError,
    InputNotFound,
    NotSpeech,
    OutputUnwritable,
    Retry,
    SegmentFailed,
    StoreError,
    StoreUnavailable,
    SubjectRefused,
    UnknownSubject,
    WeightsMismatch,
)
from stages.errors import EncodeError, SpeechError, StageError, SubjectError, WeightsError


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        pytest.param(SpeechError(code="speech_empty", what="w"), NotSpeech, id="empty speech"),
        pytest.param(SpeechError(code="speech_not_found", what="w"), InputNotFound, id="no speech file"),
        pytest.param(SubjectError(code="subject_damaged", what="w"), SubjectRefused, id="damaged subject"),
        pytest.param(SubjectError(code="subject_unknown", what="w"), UnknownSubject, id="unknown subject"),
        pytest.param(
            SubjectError(code="subject_not_found", what="w"), UnknownSubject, id="no subject folder"
        ),
        pytest.param(WeightsError(code="weights_mismatch", what="w"), WeightsMismatch, id="weights"),
        pytest.param(EncodeError(code="encode_disk_full", what="w"), DiskFull, id="full disk"),
        pytest.param(
            EncodeError(code="encode_output_unwritable", what="w"), OutputUnwritable, id="unwritable master"
        ),
        pytest.param(EncodeError(code="encode_bad_segment", what="w"), SegmentFailed, id="bad segment"),
        pytest.param(StageError(code="other", what="w"), SegmentFailed, id="any other stage error"),
        pytest.param(MemoryError(), InfrastructureError, id="out of memory"),
        pytest.param(ZeroDivisionError("by zero"), SegmentFailed, id="a bug"),
    ],
)
def test_every_error_of_a_stage_becomes_one_of_the_farms(theirs: Exception, ours: type[FarmError]) -> None:
    error = translate(theirs, where="take 1, segment 3 (render)")
    assert type(error) is ours
    assert error.where
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.line(), again.hint) == (ours, error.line(), error.hint)


def test_what_a_stage_knows_is_kept() -> None:
    theirs = SpeechError(code="speech_empty", what="is zero samples long", hint="export again", where="a.wav")
    ours = translate(theirs, where="spec.speech")
    assert (ours.code, ours.message, ours.hint) == ("speech_empty", "is zero samples long", "export again")
    assert ours.where == "a.wav"


def test_a_bug_is_told_with_the_line_that_raised() -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError as error:
        ours = translate(error, where="take 1, segment 3 (render)")
    assert "ZeroDivisionError: division by zero" in ours.message
    assert "test_translation.py:" in ours.hint


def test_an_error_of_the_farm_passes_unchanged() -> None:
    error = DiskFull("no space", where="store")
    assert translate(error, where="elsewhere") is error


def test_a_bug_of_our_own_passes_the_translating_block() -> None:
    with pytest.raises(KeyError), translated("spec.speech"):
        raise KeyError("bug")


@pytest.mark.parametrize(
    ("error", "retry"),
    [
        (SpeechError(code="speech_silent", what="no sound"), Retry.NEVER),
        (SubjectError(code="subject_no_consent", what="no record"), Retry.NEVER),
        (WeightsError(code="weights_keys", what="no fit"), Retry.NEVER),
        (EncodeError(code="encode_disk_full", what="no space"), Retry.NEVER),
        (EncodeError(code="encode_failed", what="no frame"), Retry.ELSEWHERE),
        (StageError(code="render_failed", what="no frame"), Retry.ELSEWHERE),
        (MemoryError(), Retry.ELSEWHERE),
        (RuntimeError("it tripped"), Retry.ELSEWHERE),
        (StoreError("denied"), Retry.NEVER),
        (StoreUnavailable("away"), Retry.LATER),
    ],
)
def test_every_error_of_a_stage_says_whether_to_try_again(error: Exception, retry: Retry) -> None:
    assert translate(error, where="take 1").retry is retry
