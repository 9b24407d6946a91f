"""`farm evaluate --generated A --truth B` as a user types it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from farm.cli import main
from jobs.errors import ExitCode

sys.path.insert(0, str(Path(__file__).parents[2] / "stages" / "evaluation"))

from nodding_actor import actor_frames, write_video


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    pytest.importorskip("mediapipe", reason="MediaPipe is not installed", exc_type=ImportError)
    pytest.importorskip("skimage", reason="scikit-image is not installed")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "actor.mkv", actor_frames("actor-a", count=10))


def evaluate(*arguments: object) -> int:
    return main(["evaluate", *map(str, arguments)])


def test_a_video_alone_cannot_be_judged(video: Path, capsys):
    assert evaluate("--generated", video) == ExitCode.USAGE
    assert "--truth" in capsys.readouterr().err


def test_a_missing_video_is_an_input_that_is_not_there(video: Path, tmp_path: Path, capsys):
    missing = tmp_path / "none.mp4"
    assert evaluate("--generated", missing, "--truth", video) == ExitCode.INPUT
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "[clip_not_found]" in shown.err
    assert str(missing) in shown.err


def test_a_place_that_cannot_be_written_is_told_before_the_work(video: Path, tmp_path: Path, capsys):
    (tmp_path / "file").write_text("in the way")
    code = evaluate("--generated", tmp_path / "none.mp4", "--truth", video, "--out", tmp_path / "file" / "x")
    assert code == ExitCode.OUTPUT
    assert "clip_not_found" not in capsys.readouterr().err


def test_the_result_is_one_document_and_a_report(video: Path, tmp_path: Path, capsys):
    out = tmp_path / "report"
    assert evaluate("--generated", video, "--truth", video, "--out", out, "--json") == ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is True
    assert document["report"] == str(out)
    pair = document["takes"][0]["pair"]
    assert (pair["lmd"], pair["ma"], pair["tcm"], pair["ssim"], pair["psnr"]) == (0.0, 1.0, 1.0, 1.0, "inf")
    assert (out / "evaluation.md").read_text().count("| LMD px | lower | 0.00 | 0.00 |") == 1
    assert json.loads((out / "evaluation.json").read_text())["takes"] == document["takes"]


def test_without_json_a_table_is_shown(video: Path, capsys):
    assert evaluate("--generated", video, "--truth", video) == ExitCode.OK
    assert "| measure | better | generated | ground truth |" in capsys.readouterr().out
