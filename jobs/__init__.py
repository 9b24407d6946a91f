"""The language a studio speaks with the farm: render and train jobs, plans, states, manifests and errors."""

from __future__ import annotations

from jobs.errors import ExitCode, FarmError, SpecError, SpecMistake
from jobs.framerate import FRAME_RATE, SPEECH_RATE, Span, frame_count
from jobs.manifest import Manifest
from jobs.parse import LoadedJob, LoadedTraining, load_job, load_training, parse_job, parse_training
from jobs.plan import Identities, RenderPlan, Segment, Window, plan_render
from jobs.spec import Profile, RenderJob
from jobs.states import SegmentEvent, SegmentState, next_state
from jobs.train_spec import TrainJob
from jobs.version import engine_version

__all__ = [
    "FRAME_RATE",
    "SPEECH_RATE",
    "ExitCode",
    "FarmError",
    "Identities",
    "LoadedJob",
    "LoadedTraining",
    "Manifest",
    "Profile",
    "RenderJob",
    "RenderPlan",
    "Segment",
    "SegmentEvent",
    "SegmentState",
    "Span",
    "SpecError",
    "SpecMistake",
    "TrainJob",
    "Window",
    "engine_version",
    "frame_count",
    "load_job",
    "load_training",
    "next_state",
    "parse_job",
    "parse_training",
    "plan_render",
]
