"""A judge of a few lines, with the real interface: what a "video" says is what happens.

A file holds ``LMD`` and a number, or ``broken`` (no video), ``deadly`` (kills its process), ``deadly once``. Every call
leaves a note in a folder, whatever process it comes to.
"""

from __future__ import annotations

import os
import secrets
import signal
from dataclasses import dataclass
from pathlib import Path

from farm.evaluation.judge import JudgeOptions, PairFiles
from farm.evaluation.records import PairRecord, TakeRecord
from stages.errors import SubjectError
from stages.evaluation.figures import PairFigures, SyncFigures, VideoFigures
from stages.metrics.blinking import Blinking
from stages.metrics.head_motion import HeadMotion


@dataclass(frozen=True)
class FakeJudge:
    notes: Path

    def judge(self, files: PairFiles, *, options: JudgeOptions, plots: Path | None) -> PairRecord:
        deaths = len(list(self.notes.glob(f"{files.takes[0].name}-*")))
        (self.notes / f"{files.takes[0].name}-{secrets.token_hex(4)}").touch()
        takes = []
        for path in files.takes:
            text = path.read_text()
            if text == "broken":
                raise SubjectError(code="clip_not_media", what="this is no video", where=str(path))
            if text == "deadly" or (text == "deadly once" and deaths == 0):
                os.kill(os.getpid(), signal.SIGKILL)
            takes.append(take(files, lmd=float(text.removeprefix("LMD ")) if text.startswith("LMD") else 1.0))
        if plots is not None:
            (plots / "tracks.png").write_bytes(b"picture")
        return PairRecord(takes=tuple(takes))

    def calls(self, name: str = "") -> int:
        return len(list(self.notes.glob(f"{name}*")))


def take(files: PairFiles, *, lmd: float) -> TakeRecord:
    return TakeRecord(
        generated=video(files.takes[0], niqe=7.0),
        truth=video(files.truth, niqe=5.0),
        pair=PairFigures(
            frames=50,
            face_frames=50,
            lmd=lmd,
            lmd_v=lmd / 2,
            ma=0.5,
            ma_outer=0.8,
            opening_correlation=0.7,
            psnr=float("inf"),
            mouth_psnr=None,
            ssim=1.0,
            tcm=None,
            sharpness_share=1.0,
            flicker_share=None,
        ),
        notes=("a note",),
    )


def video(path: Path, *, niqe: float) -> VideoFigures:
    return VideoFigures(
        file=str(path),
        width=64,
        height=64,
        fps=25.0,
        frames=50,
        face_share=1.0,
        niqe=niqe,
        sharpness=1.0,
        flicker=None,
        frozen_share=0.0,
        black_share=0.0,
        identity=None,
        sync=SyncFigures(offset=0, confidence=4.0, distance=8.0, judge="none"),
        head=HeadMotion(
            yaw_spread=0, pitch_spread=0, roll_spread=0, yaw_speed=0, pitch_speed=0, roll_speed=0
        ),
        blinks=Blinking(count=0, per_minute=0.0, mean_seconds=None),
    )
