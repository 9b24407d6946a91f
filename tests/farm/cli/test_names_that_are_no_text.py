"""Names on a command line may be any bytes: Python hands them over as text that cannot be written as UTF-8."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farm.cli import main
from jobs.errors import ExitCode

pytest.importorskip("mediapipe", reason="MediaPipe is not installed", exc_type=ImportError)


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "consent.pdf").write_bytes(b"I agree")
    return ["--consent", str(tmp_path / "consent.pdf"), "--out", str(tmp_path / "zoe"), "--json"]


def test_a_clip_of_any_name_is_told_of(tmp_path: Path, arguments: list[str], capsys):
    clip = tmp_path / "\udcff.mp4"
    clip.write_text("no clip")
    assert main(["subject", "prepare", str(clip), "--name", "zoe", *arguments]) == ExitCode.CASTING
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["where"]) == ("clip_not_media", str(clip))


def test_a_subject_is_called_what_can_be_written(tmp_path: Path, arguments: list[str], capsys):
    (tmp_path / "clip.mp4").write_text("no clip")
    assert (
        main(["subject", "prepare", str(tmp_path / "clip.mp4"), "--name", "\udcff", *arguments])
        == ExitCode.CASTING
    )
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "subject_no_name"
