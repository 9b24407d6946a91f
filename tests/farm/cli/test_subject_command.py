"""`farm subject` as a user types it: exit codes, one line per error, a table of reports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import av
import pytest

from farm.cli import main
from jobs.errors import ExitCode
from stages.builtin import builtin_subject
from stages.subject.quality import Level, Verdict
from stages.subject.quality_report import PreparationFigures, QualityReport


@pytest.fixture
def consent(tmp_path: Path) -> Path:
    path = tmp_path / "agreement.pdf"
    path.write_bytes(b"I agree")
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A black picture, which is a video all the same."""
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        out.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        out.mux(stream.encode(None))
    return path


def prepare(clip: Path, consent: Path, out: Path, *more: str) -> int:
    arguments = ["subject", "prepare", clip, "--name", "Zoe", "--consent", consent, "--out", out, *more]
    return main([str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    pytest.importorskip("mediapipe", reason="MediaPipe is not installed", exc_type=ImportError)


def test_a_missing_clip_is_an_input_that_is_not_there(tmp_path: Path, consent: Path, capsys):
    assert prepare(tmp_path / "none.mp4", consent, tmp_path / "zoe") == ExitCode.INPUT
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "[clip_not_found]" in shown.err.splitlines()[0]
    assert not (tmp_path / "zoe").exists()


def test_no_consent_is_told_before_the_clip_is_looked_for(tmp_path: Path, capsys):
    code = prepare(tmp_path / "none.mp4", tmp_path / "none.pdf", tmp_path / "zoe", "--json")
    assert code == ExitCode.CASTING
    document = json.loads(capsys.readouterr().out)
    assert document["error"]["code"] == "subject_no_consent"
    assert document["error"]["hint"]


def test_what_is_no_video_is_refused_before_it_is_read_as_a_whole(tmp_path: Path, consent: Path, capsys):
    with (tmp_path / "letter.mp4").open("wb") as file:
        file.truncate(1 << 40)
    assert prepare(tmp_path / "letter.mp4", consent, tmp_path / "zoe") == ExitCode.CASTING
    assert "[clip_not_media]" in capsys.readouterr().err
    assert not (tmp_path / "zoe").exists()


def test_an_occupied_folder_is_not_touched(tmp_path: Path, clip: Path, consent: Path, capsys):
    (tmp_path / "zoe").mkdir()
    (tmp_path / "zoe" / "letter.txt").write_text("dear")
    assert prepare(clip, consent, tmp_path / "zoe") == ExitCode.CASTING
    assert "[subject_occupied]" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "zoe").iterdir()] == ["letter.txt"]


def test_a_place_that_cannot_be_written_is_an_output(tmp_path: Path, clip: Path, consent: Path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert prepare(clip, consent, tmp_path / "file" / "zoe") == ExitCode.OUTPUT
    assert "[output_unwritable]" in capsys.readouterr().err


def write_report(folder: Path, level: Level) -> None:
    verdict = Verdict(code="too_short", level=level, measured="9 s", threshold="30 s", advice="record more")
    QualityReport(
        clip=f"{folder.name}.mp4",
        name="Zoe",
        verdicts=(verdict,),
        figures=PreparationFigures(seconds=9.0, detected=1.0),
    ).write(folder / "report", picture=None)


def test_several_reports_are_shown_as_one_table(tmp_path: Path, capsys):
    for name, level in (("first", Level.WARNING), ("second", Level.REFUSED)):
        write_report(tmp_path / name, level)
    assert main(["subject", "table", str(tmp_path / "first"), str(tmp_path / "second")]) == ExitCode.OK
    rows = capsys.readouterr().out.splitlines()
    assert [row.split("|")[1].strip() for row in rows[2:]] == ["first", "second"]
    assert "refused" in rows[3]


def test_a_folder_without_a_report_is_named(tmp_path: Path, capsys):
    assert main(["subject", "table", str(tmp_path)]) == ExitCode.CASTING
    assert "[subject_no_report]" in capsys.readouterr().err


def test_the_command_line_loads_no_science_before_it_is_needed():
    code = (
        "import sys, farm.cli; sys.exit(bool({'torch', 'cv2', 'mediapipe', 'matplotlib'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_a_photo_is_told_from_a_clip_by_its_bytes_and_becomes_a_subject(
    tmp_path: Path, consent: Path, capsys
):
    photo = tmp_path / "holiday.mp4"
    photo.write_bytes((builtin_subject("actor-c") / "reference.png").read_bytes())
    assert prepare(photo, consent, tmp_path / "zoe", "--json") == ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    assert document["untrained"] is True
    assert {verdict["code"] for verdict in document["verdicts"]} >= {
        "profile",
        "sunglasses",
        "hands",
        "donor",
    }
    assert main(["subject", "show", str(tmp_path / "zoe")]) == ExitCode.OK
    assert "stays within 10 degrees of yaw" in capsys.readouterr().out
    assert prepare(photo, consent, tmp_path / "zoe") == ExitCode.OK
    assert "a clip of the same person" in capsys.readouterr().out


def test_half_a_photo_is_refused_in_one_line(tmp_path: Path, consent: Path, capsys):
    photo = tmp_path / "half.png"
    data = (builtin_subject("actor-c") / "reference.png").read_bytes()
    photo.write_bytes(data[: len(data) // 2])
    assert prepare(photo, consent, tmp_path / "zoe") == ExitCode.CASTING
    assert "[photo_damaged]" in capsys.readouterr().err.splitlines()[0]
    assert not (tmp_path / "zoe").exists()


def test_a_photo_has_no_lag(tmp_path: Path, consent: Path, capsys):
    code = prepare(
        builtin_subject("actor-c") / "reference.png", consent, tmp_path / "zoe", "--audio-lag", "2"
    )
    assert code == ExitCode.CASTING
    assert "[photo_no_sound]" in capsys.readouterr().err
