"""How much of a video an edit changes: `python -m benchmarks.edited_speech [--seconds 60]`.

The shipped networks, in one process: the faces of a speech, of the same speech with one word of its middle replaced at
the same length, of the edit at a gain of its own, and of the speech with ten seconds added. A segment is rendered again
where its posed faces, or those around it that its renderer looks at, differ in any bit.

Legend: S samples at 16 kHz, T frames.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from farm.execution.stages import FaceComposer, MotionPredictor, RealStages
from jobs.plan import Segment, plan_segments, plan_windows
from stages.moda.merge import merge_windows
from stages.payloads import SAMPLE_RATE, SAMPLES_PER_FRAME, Motion, PosedFace
from stages.speech.context import speech_slice
from stages.speech.decode import read_speech
from stages.speech.level import apply_gain, gain_to_training_level, speech_level_db
from stages.tables import markdown_table

Floats = NDArray[np.float32]

_WORD_S = 0.4
_ADDED_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceMaker:
    """The shipped networks, loaded for one subject."""

    stages: RealStages
    motion: MotionPredictor
    composer: FaceComposer
    subject: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Faces:
    """The faces of one speech, segment by segment, and what they cost.

    Attributes:
        segments: each with the faces around it that its renderer looks at.
        plan: which frames each holds.
    """

    segments: Sequence[PosedFace]
    plan: Sequence[Segment]
    motion_seconds: float
    face_seconds: float

    def changed_segments(self, other: Faces) -> list[int]:
        """Segments that are not equal, bit for bit, to those of another speech; those past its end included."""
        before = [face.sha256 for face in other.segments]
        return [
            index
            for index, face in enumerate(self.segments)
            if index >= len(before) or face.sha256 != before[index]
        ]

    def changed_frames(self, other: Faces) -> list[int]:
        """Frames that are in both, and differ."""
        found = []
        for segment, mine, theirs in zip(self.plan, self.segments, other.segments, strict=False):
            lead = segment.frames.start - segment.faces.start
            stop = min(lead + len(segment.frames), theirs.frame_count)
            mine, theirs = mine.slice(lead, stop), theirs.slice(lead, stop)
            differs_T = (mine.mesh_TN3 != theirs.mesh_TN3).any(axis=(1, 2))
            differs_T |= (mine.torso_TN3 != theirs.torso_TN3).any(axis=(1, 2))
            found += [segment.frames.start + int(frame) for frame in np.flatnonzero(differs_T)]
        return found


def make_faces(samples_S: Floats, *, gain_db: int, maker: FaceMaker) -> Faces:
    """The faces of a speech, as the coordinator has them made."""
    samples_S = samples_S.copy()
    apply_gain(samples_S, gain_db=gain_db)
    frame_count = -(-len(samples_S) // SAMPLES_PER_FRAME)
    context = maker.stages.context_frames(maker.subject)
    started = time.perf_counter()
    windows = {
        window.frames.start: _motion(samples_S, window.frames.start, len(window.frames), maker)
        for window in plan_windows(frame_count)
    }
    composing = time.perf_counter()
    plan = tuple(plan_segments(frame_count, motion_context=context.motion, face_context=context.faces))
    segments = [
        maker.composer.compose(
            merge_windows(windows, start=segment.motion.start, stop=segment.motion.stop),
            lead=segment.faces.start - segment.motion.start,
            frame_count=len(segment.faces),
            subject=maker.subject,
            head=1.0,
            blink=1.0,
            torso=1.0,
        )
        for segment in plan
    ]
    return Faces(
        segments=segments,
        plan=plan,
        motion_seconds=composing - started,
        face_seconds=time.perf_counter() - composing,
    )


def _motion(samples_S: Floats, first_frame: int, frame_count: int, maker: FaceMaker) -> Motion:
    slice_S = speech_slice(
        samples_S,
        first_frame=first_frame,
        frame_count=frame_count,
        context_frames=maker.stages.context_frames(maker.subject).speech,
    )
    return maker.motion.predict_window(
        slice_S, first_frame=first_frame, frame_count=frame_count, subject=maker.subject, seed=7, take=1
    )


def edited(samples_S: Floats) -> Floats:
    """The speech with one word of its middle replaced by what is said near its beginning."""
    word_S = samples_S[SAMPLE_RATE : SAMPLE_RATE + round(_WORD_S * SAMPLE_RATE)]
    middle = len(samples_S) // 2
    changed_S = samples_S.copy()
    changed_S[middle : middle + len(word_S)] = word_S
    return changed_S


def _open(subject: str) -> FaceMaker:
    stages = RealStages()
    weights = stages.shared_weights()
    return FaceMaker(
        stages=stages,
        motion=stages.load_motion(weights=weights.motion, device="cpu"),
        composer=stages.load_composer(weights=weights.composer, device="cpu"),
        subject=stages.load_subject(stages.builtin_subjects()[subject]),
    )


def _row(name: str, faces: Faces, before: Faces) -> list[str]:
    changed, segments = faces.changed_frames(before), faces.changed_segments(before)
    span = f"{changed[0]} to {changed[-1]}" if changed else "none"
    spent = f"{faces.motion_seconds:.1f} + {faces.face_seconds:.1f}"
    return [name, f"{len(segments)} of {len(faces.segments)}", f"{len(changed)}: {span}", spent]


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speech", type=Path, default=Path("examples/hello.wav"))
    parser.add_argument("--subject", default="actor-a", help="of those that ship")
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    maker = _open(options.subject)
    longer_S = np.resize(
        read_speech(options.speech).samples_S, (options.seconds + _ADDED_S) * SAMPLE_RATE
    ).astype(np.float32)
    speech_S = longer_S[: options.seconds * SAMPLE_RATE]
    edit_S = edited(speech_S)
    gain_db, own_db = (gain_to_training_level(speech_level_db(each_S)) for each_S in (speech_S, edit_S))
    before = make_faces(speech_S, gain_db=gain_db, maker=maker)
    speeches = {
        "the same again": (speech_S, gain_db),
        "one word, the gain kept": (edit_S, gain_db),
        f"one word, {own_db - gain_db:+d} dB of its own": (edit_S, own_db),
        "one word, one dB more": (edit_S, gain_db + 1),
        f"{_ADDED_S} s at its end": (longer_S, gain_db),
    }
    rows = [
        _row(name, make_faces(samples_S, gain_db=gain, maker=maker), before)
        for name, (samples_S, gain) in speeches.items()
    ]
    columns = ["edit", "segments rendered", "frames changed", "motion + faces, s"]
    sys.stdout.write(markdown_table(columns, rows) + "\n")


if __name__ == "__main__":
    main()
