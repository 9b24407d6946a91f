"""Where the time of a segment goes: `python -m benchmarks.segment_time [--subject NAME] [--segments N]`.

A replica's work on segments of 50 frames of the shipped example, in this process: posed faces in, committed bytes out.
Each line is one step with all that it calls, in milliseconds of processor time for each frame; steps that are indented
are part of the one above. What competes is timed alternately by `benchmarks.form_time`.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from benchmarks.edited_speech import FaceMaker, make_faces
from farm.execution.calls import ReplicaSetup, SegmentCall
from farm.execution.loaded import LoadedStage, SubjectCache
from farm.execution.stages import RealStages
from farm.execution.work_watch import WorkWatch
from farm.scheduling.units import Stage
from jobs.forms import NetworkForm
from jobs.plan import Segment, inspection_key
from stages.builtin import builtin_subject
from stages.payloads import FRAMES_PER_SECOND, PosedFace
from stages.speech.decode import read_speech
from stages.speech.level import gain_to_training_level, speech_level_db
from stages.tables import markdown_table

_STEPS: Final = (
    ("the segment", "loaded.py", "perform"),
    ("  choosing references", "references.py", "choose_references"),
    ("  candidates", "candidates.py", "make"),
    ("    control points", "control_mesh.py", "points"),
    ("    raster", "control_mesh.py", "raster"),
    ("    outlines", "contours.py", "of"),
    ("    fields", "field.py", "field_of"),
    ("    moving pixels", "field.py", "move"),
    ("    outlines of what is moved", "contours.py", "draw"),
    ("    over the plate", "candidates.py", "over"),
    ("    soft edges", "candidates.py", "of"),
    ("    pasting", "candidates.py", "paste"),
    ("  condition image", "condition.py", "paint"),
    ("  network with its input and output", "_repair.py", "repaired"),
    ("    trunk and heads", "", "tell"),
    ("    full resolution, 16 and 8 bits", "repair_tail.py", "picture"),
    ("  inspection, every frame", "movement.py", "look_at"),
    ("  inspection, eight frames", "inspector.py", "judge"),
    ("  to planes", "colour.py", "rgb_to_yuv420"),
    ("  verification", "segment.py", "verify_segment"),
)
"""What a step is called, the end of its file's name, and its function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step.

    Attributes:
        name: What it is; two spaces in front for each level.
        calls_per_frame: How often it is called.
        milliseconds: Of one frame.
    """

    name: str
    calls_per_frame: float
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a renderer replica is given: a setup, the segments of a speech, and their posed faces."""

    setup: ReplicaSetup
    plan: Sequence[Segment]
    faces: Sequence[PosedFace]

    @classmethod
    def of(
        cls, speech: Path, *, subject: str, store: Path, profile: str, form: NetworkForm = NetworkForm.EXACT
    ) -> Work:
        """The work of a speech and a subject that ships with the project."""
        stages, folder = RealStages(), builtin_subject(subject)
        weights = stages.shared_weights()
        maker = FaceMaker(
            stages=stages,
            motion=stages.load_motion(weights=weights.motion, device="cpu"),
            composer=stages.load_composer(weights=weights.composer, device="cpu"),
            subject=stages.load_subject(folder),
        )
        samples_S = read_speech(speech).samples_S
        faces = make_faces(samples_S, gain_db=gain_to_training_level(speech_level_db(samples_S)), maker=maker)
        setup = ReplicaSetup(
            weights=weights,
            subject=folder,
            store=str(store),
            profile=profile,
            fps=Fraction(FRAMES_PER_SECOND),
            form=form,
        )
        return cls(setup=setup, plan=faces.plan, faces=faces.segments)

    def loaded(self) -> LoadedStage:
        """A renderer that is ready for it."""
        cache = SubjectCache(stage=Stage.RENDER, stages=RealStages(), device="cpu", keep=1)
        loaded, _ = cache.get(self.setup)
        loaded.prepare(self.setup)
        return loaded

    def perform(self, loaded: LoadedStage, index: int, *, key: str) -> None:
        """Draw, encode, verify, inspect and commit one segment."""
        segment = self.plan[index]
        call = SegmentCall(
            face=self.faces[index],
            lead=segment.frames.start - segment.faces.start,
            index=index,
            first_frame=segment.frames.start,
            frame_count=len(segment.frames),
            key=f"{key}.mp4",
            inspection_key=inspection_key(f"{key}.mp4"),
        )
        loaded.perform(call, setup=self.setup, watch=WorkWatch())


def profile(work: Work, *, segments: int) -> list[Step]:
    """The steps of some segments, after one that warms up."""
    loaded = work.loaded()
    work.perform(loaded, 0, key="warm-up")
    profiler, frames = cProfile.Profile(time.process_time), 0
    for index in range(segments):
        profiler.enable()
        work.perform(loaded, index % len(work.plan), key=f"segments/{index}")
        profiler.disable()
        frames += len(work.plan[index % len(work.plan)].frames)
    loaded.close()
    return _steps(pstats.Stats(profiler), frames=frames)


def _steps(stats: pstats.Stats, *, frames: int) -> list[Step]:
    found: dict[tuple[str, str], tuple[int, float]] = {}
    for (file, _, function), (_, calls, _, seconds, _) in stats.stats.items():  # type: ignore[attr-defined]  # untyped
        place = (Path(file).name, function)
        # Of functions with one name in a file the one that takes longest is meant: the others are called by it.
        found[place] = max(found.get(place, (0, 0.0)), (calls, seconds), key=lambda each: each[1])
    steps = []
    for name, file, function in _STEPS:
        calls, seconds = max(
            (spent for (path, called), spent in found.items() if called == function and path.endswith(file)),
            key=lambda spent: spent[1],
            default=(0, 0.0),
        )
        if calls:
            steps.append(Step(name=name, calls_per_frame=calls / frames, milliseconds=1e3 * seconds / frames))
    within = sum(step.milliseconds for step in steps if _level(step) == 1)
    rest = Step(name="  x264 and all else", calls_per_frame=1.0, milliseconds=steps[0].milliseconds - within)
    return [*steps, rest]


def _level(step: Step) -> int:
    return (len(step.name) - len(step.name.lstrip())) // 2


def markdown(steps: Sequence[Step]) -> str:
    """The table."""
    whole = steps[0].milliseconds
    rows = [
        [
            step.name.replace("  ", "&nbsp;&nbsp;"),
            f"{step.calls_per_frame:.2f}",
            f"{step.milliseconds:.2f}",
            f"{step.milliseconds / whole:.1%}",
        ]
        for step in steps
    ]
    return markdown_table(["step", "calls a frame", "ms a frame", "share"], rows)


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--speech", type=Path, default=Path("examples/hello.wav"))
    parser.add_argument("--subject", default="actor-a", help="one that ships with the project")
    parser.add_argument("--profile", default="full", choices=["full", "preview"])
    parser.add_argument("--form", default="exact", choices=list(NetworkForm))
    parser.add_argument("--segments", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as store:
        work = Work.of(
            options.speech,
            subject=options.subject,
            store=Path(store),
            profile=options.profile,
            form=NetworkForm(options.form),
        )
        steps = profile(work, segments=options.segments)
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(step) for step in steps], indent=2) + "\n")
    sys.stdout.write(markdown(steps) + "\n")


if __name__ == "__main__":
    main()
