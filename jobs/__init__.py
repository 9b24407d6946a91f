"""The language a studio speaks with the farm: render jobs, plans, states, manifests and errors."""

from __future__ import annotations

from jobs.errors import ExitCode, FarmError, SpecError, SpecMistake
from jobs.framerate import FRAME_RATE, SPEECH_RATE, Span, frame_count
from jobs.manifest import Manifest
from jobs.parse import LoadedJob, load_job, parse_job
from jobs.plan import Identities, RenderPlan, Segment, Window, plan_render
from jobs.spec import Profile, RenderJob
from jobs.states import SegmentEvent, SegmentState, next_state
from jobs.version import engine_version

__all__ = [
    "FRAME_RATE",
    "SPEECH_RATE",
    "ExitCode",
    "FarmError",
    "Identities",
    "LoadedJob",
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
    "Window",
    "engine_version",
    "frame_count",
    "load_job",
    "next_state",
    "parse_job",
    "plan_render",
]
