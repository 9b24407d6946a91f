from __future__ import annotations

import json
from pathlib import Path

import pytest
from nodding_actor import actor_frames, write_video

from benchmarks.tracks import measure

pytest.importorskip("mediapipe")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr("sys.argv", ["measure", *map(str, arguments)])
    measure.main()


def test_a_clip_gets_one_line_and_is_not_measured_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    clip = write_video(tmp_path / "nodding.mp4", actor_frames("actor-b", count=30, size=384))
    lines = tmp_path / "lines.jsonl"
    run(monkeypatch, "--clips", clip, "--out", lines, "--frames", 24)
    table = capsys.readouterr().out
    figures = json.loads(lines.read_text())
    assert (figures["clip"], figures["frames"]) == ("nodding", 24)
    assert figures["shift_px"]["refined"] < figures["shift_px"]["filtered"]
    assert figures["head"]["refined"] + figures["head"]["dropped"] == 24
    monkeypatch.setattr(measure, "measure", None)
    run(monkeypatch, "--clips", clip, "--out", lines)
    assert capsys.readouterr().out == table
    assert len(lines.read_text().splitlines()) == 1


def test_a_clip_without_a_face_is_told_and_the_others_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    frames = [frame * 0 + 90 for frame in actor_frames("actor-a", count=15, size=128)]
    clip = write_video(tmp_path / "empty.mp4", frames)
    run(monkeypatch, "--clips", clip, "--out", tmp_path / "lines.jsonl")
    assert "no face was found" in capsys.readouterr().err
    assert (tmp_path / "lines.jsonl").read_text() == ""
