from __future__ import annotations

import errno
import pickle
import re
from collections.abc import Iterator

import pytest

from jobs import errors
from jobs.errors import DiskFull, ExitCode, FarmError, OutputUnwritable, SpecError, SpecMistake


def every_kind(kind: type[FarmError] = FarmError) -> Iterator[type[FarmError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from every_kind(child)


OURS = [kind for kind in every_kind() if kind.__module__ in {"jobs.errors", "jobs.farm_error"}]
MISTAKES = (
    SpecMistake(
        path="spec.motion.haed",
        code="unknown_field",
        message="is unknown",
        hint="did you mean 'head'?",
        line=9,
    ),
    SpecMistake(path="", code="empty", message="is empty"),
)


def an_error(kind: type[FarmError]) -> FarmError:
    if issubclass(kind, SpecError):
        return kind(mistakes=MISTAKES, where="hello.yaml", hint="look again", code="own_code")
    return kind("something happened", where="spec.speech", hint="do this", code="own_code")


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_error_survives_a_journey_between_processes(kind: type[FarmError]) -> None:
    error = an_error(kind)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert copy.as_record() == error.as_record()
    assert str(copy) == str(error)


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.default_code for kind in OURS]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


def test_the_tree_in_the_docstring_is_the_tree_of_the_code() -> None:
    drawn = re.findall(r"^[ │├└─]*([A-Z]\w+)(?:  |$)", errors.__doc__ or "", flags=re.MULTILINE)
    assert sorted(drawn) == sorted(kind.__name__ for kind in OURS)


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (errors.SpecError, 2),
        (errors.SettingsError, 2),
        (errors.InputNotFound, 3),
        (errors.NotSpeech, 3),
        (errors.UnknownSubject, 4),
        (errors.SubjectRefused, 4),
        (errors.WeightsMismatch, 4),
        (errors.OutputUnwritable, 5),
        (errors.DiskFull, 5),
        (errors.StoreError, 5),
        (errors.SegmentDivergence, 5),
        (errors.SegmentFailed, 6),
        (errors.ReplicaLost, 7),
        (errors.ClusterUnavailable, 7),
        (errors.JournalFenced, 7),
        (errors.JournalCorrupt, 7),
        (errors.NotEnded, 10),
        (errors.InternalError, 70),
        (errors.TokenTaken, 2),
        (errors.TrainingFailed, 8),
        (errors.DataUnusable, 8),
        (errors.PairFailed, 9),
        (errors.Cancelled, 130),
    ],
)
def test_exit_codes_do_not_change_under_scripts(kind: type[FarmError], number: int) -> None:
    assert kind.exit_code == number


def test_every_exit_code_says_what_it_means() -> None:
    assert all(code.meaning for code in ExitCode)
    assert ExitCode.OK == 0


def test_an_error_reads_as_one_line_with_code_and_place() -> None:
    error = errors.InputNotFound("no such file", where="spec.speech", hint="check the path")
    assert error.line() == "[input_not_found] spec.speech: no such file"
    assert FarmError("odd").line() == "[farm_error] odd"


def test_a_spec_error_prints_every_mistake_on_a_line_of_its_own() -> None:
    lines = str(SpecError(mistakes=MISTAKES, where="hello.yaml")).splitlines()
    assert lines == [
        "[bad_spec] hello.yaml: the job has 2 mistakes",
        "  spec.motion.haed (line 9): is unknown; did you mean 'head'?",
        "  the job: is empty",
    ]


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.EACCES, OutputUnwritable)],
    ids=["full", "quota", "permission"],
)
def test_a_refused_write_becomes_the_right_error(number: int, kind: type[FarmError]) -> None:
    error = DiskFull.or_unwritable(
        OSError(number, "Refused", "/x"), where="spec.output.uri", hint="elsewhere"
    )
    assert type(error) is kind
