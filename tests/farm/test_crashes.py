"""Tracebacks are kept in files: whole enough, without secrets, not too many, and never at the cost of the error."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from raising import RAISING

from farm.crashes import (
    MOST_FILES,
    caught,
    keep_traceback,
    last_line,
    name_file,
    one_line,
    point_to,
    said_by,
    text_of,
    traceback_of,
)
from farm.translation import translate
from jobs.errors import FarmError, InfrastructureError, InternalError, SegmentFailed
from jobs.farm_error import TRACEBACK_CHARACTERS


class Mute(RuntimeError):
    """An exception that cannot even say what it is."""

    def __str__(self) -> str:
        raise ValueError("no words")


def raised(kind: str) -> Exception:
    with caught() as outcome:
        RAISING[kind]()
    assert outcome.error is not None
    return outcome.error


@pytest.mark.parametrize("kind", RAISING)
def test_an_exception_is_one_bounded_line_and_a_bounded_traceback(kind: str) -> None:
    error = raised(kind)
    assert len(said_by(error)) < 500
    assert said_by(error).isprintable()
    assert said_by(error).startswith(kind)
    text = traceback_of(error)
    assert len(text) <= TRACEBACK_CHARACTERS
    assert text.startswith("Traceback")
    assert "raising.py" in text
    assert kind in text
    assert "hunter2" not in said_by(error) + text


@pytest.mark.parametrize("kind", RAISING)
def test_the_farm_s_error_for_it_is_small_and_survives_a_journey(kind: str) -> None:
    ours = translate(raised(kind), where="take 1, segment 3 (render)")
    body = pickle.dumps(ours)
    assert len(body) < 100_000
    again = pickle.loads(body)
    assert type(again) is (InfrastructureError if kind == "MemoryError" else SegmentFailed)
    assert again.traceback == ours.traceback != ""
    assert again.line() == ours.line()
    assert "\n" not in ours.line()
    assert "Traceback" not in str(again.as_record())
    internal = translate(raised(kind), where="render", otherwise=InternalError)
    assert type(internal) is (InfrastructureError if kind == "MemoryError" else InternalError)


def test_an_exception_that_cannot_say_what_it_is_is_named_all_the_same() -> None:
    assert said_by(Mute()) == "Mute"
    assert text_of(Mute()) == ""
    assert last_line(Mute()) == "Mute"
    ours = translate(Mute(), where="render")
    assert ours.message == "Mute"
    assert "Mute" in ours.traceback


def test_an_exception_that_raises_itself_without_end_is_named_all_the_same() -> None:
    class Endless(Exception):
        def __str__(self) -> str:
            raise Endless

    assert said_by(Endless()) == "Endless"


def test_text_from_anywhere_becomes_one_line_that_can_be_written_down() -> None:
    assert one_line("a\nb\x1b[2Jc \udcff") == "a b [2Jc \\udcff"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql://farm:hunter2@db/farm", "hunter2"),
        ("could not connect: password=hunter2 host=db", "hunter2"),
        ("AWS_SECRET_ACCESS_KEY=abc/def+ghi", "abc/def"),
        ("{'aws_secret_access_key': 'abcdef'}", "abcdef"),
        ("AWS_SESSION_TOKEN: abcdef", "abcdef"),
        ("RAY_AUTH_TOKEN=abcdef", "abcdef"),
        ("x" * 380 + " postgresql://farm:hunter2hunter2@db/farm", "hunter2"),
        ("postgresql://farm:hunt/er2@db/farm", "er2"),
        ("password='a hunter2 b'", "hunter2"),
        ("Authorization: Bearer abcdef", "abcdef"),
        ("https://s3/x?X-Amz-Signature=abcdef&x=1", "abcdef"),
    ],
)
def test_no_secret_gets_into_a_line_or_a_file(text: str, secret: str, tmp_path: Path) -> None:
    try:
        raise RuntimeError(text)
    except RuntimeError as error:
        ours = translate(error, where="store", otherwise=InternalError)
    file = name_file(ours, cache=tmp_path, what="render")
    assert file is not None
    written = file.read_text().replace(f'raise RuntimeError("{text}")', "")
    assert secret not in ours.line() + ours.hint + written


def test_the_middle_of_a_long_traceback_is_left_out() -> None:
    error = FarmError("m", traceback="head " + "x" * 50_000 + " tail")
    assert len(error.traceback) == TRACEBACK_CHARACTERS
    assert error.traceback.startswith("head x")
    assert error.traceback.endswith("x tail")
    assert "are left out" in error.traceback


def test_only_the_newest_files_stay_and_no_file_of_others_goes(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    files = [keep_traceback(f"text {number}", folder=tmp_path, what="a job/..") for number in range(60)]
    kept = sorted(path for path in tmp_path.iterdir() if path.name != "notes.txt")
    assert kept == [path for path in files[-MOST_FILES:] if path]
    assert all("a-job-.." in path.name for path in kept)
    assert (tmp_path / "notes.txt").exists()


def test_an_error_names_its_file_once_and_another_can_name_the_same(tmp_path: Path) -> None:
    error = translate(raised("RuntimeError"), where="render", otherwise=InternalError)
    file = name_file(error, cache=tmp_path, what="render")
    assert file is not None
    assert error.hint.count(str(file)) == 1
    assert error.as_record()["traceback_file"] == str(file)
    assert name_file(error, cache=tmp_path, what="render") is None
    other = SegmentFailed("it failed twice", hint=error.hint)
    point_to(other, error.traceback_file)
    assert other.hint == error.hint
    assert pickle.loads(pickle.dumps(other)).traceback_file == str(file)


def test_where_nothing_can_be_written_the_error_is_told_without_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "crashes").write_text("in the way")
    monkeypatch.setattr("farm.crashes.tempfile.mkdtemp", lambda **_: str(tmp_path / "crashes"))
    error = translate(raised("RuntimeError"), where="render", otherwise=InternalError)
    hint = error.hint
    assert name_file(error, cache=tmp_path, what="render") is None
    assert (error.hint, error.traceback_file) == (hint, "")
    assert not list(tmp_path.glob("**/*.part"))
