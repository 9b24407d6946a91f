"""Everything that can be found out, and can go wrong, before a replica starts: inputs, subject, weights, plan, room."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from farm.destinations import check_destination
from farm.engine import engine_identity
from farm.execution.stages_factory import ContextFrames, SharedWeights, StageFactory, Subject
from farm.translation import translated
from infra.delivery import check_bucket
from infra.fetch import fetch_file, fetch_subject_folder
from jobs.errors import UnknownSubject
from jobs.framerate import FRAME_RATE
from jobs.identity import sha256_of_file
from jobs.locations import builtin_name, is_s3
from jobs.parse import LoadedJob
from jobs.plan import Identities, RenderPlan, plan_render
from stages.encode.profile import VideoProfile, profile_named
from stages.speech.decode import Speech, read_speech

# Bytes that a pixel of a frame takes in the store or the master, with room to spare: a third of it was measured.
_BYTES_PER_PIXEL = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """What a job names, found and on this machine.

    Attributes:
        speech: The recording.
        subject_folder: The subject package.
        subject: What the package says of itself.
        weights: Weights that all subjects share.
        context: Frames that the stages want to see beside their own.
        profile: Settings of the encoder.
    """

    speech: Path
    subject_folder: Path
    subject: Subject
    weights: SharedWeights
    context: ContextFrames
    profile: VideoProfile


def gather_cast(loaded: LoadedJob, *, stages: StageFactory, cache: Path) -> Cast:
    """Find what the job names.

    Raises:
        FarmError: Something is missing, may not be read, or is refused.
    """
    # The cheapest first: a wrong path is told at once, not after libraries have loaded.
    speech = fetch_file(loaded.speech, cache=cache, where="spec.speech")
    folder = _subject_folder(loaded.subject, stages=stages, cache=cache)
    with translated("spec.output.profile"):
        profile = profile_named(loaded.job.spec.output.profile.value)
    with translated("shared weights"):
        weights = stages.shared_weights()
    with translated("spec.subject"):
        subject = stages.load_subject(folder)
    return Cast(
        speech=speech,
        subject_folder=folder,
        subject=subject,
        weights=weights,
        context=stages.context_frames(),
        profile=profile,
    )


def read_job_speech(cast: Cast) -> Speech:
    """The speech of a job.

    Raises:
        InputNotFound: The recording may not be read.
        NotSpeech: It holds no usable speech.
    """
    with translated("spec.speech"):
        return read_speech(cast.speech)


def make_plan(loaded: LoadedJob, *, cast: Cast, frame_count: int, device_kind: str) -> RenderPlan:
    """The plan of a job whose cast and length are known."""
    identities = Identities(
        speech_sha256=sha256_of_file(cast.speech),
        subject_sha256=cast.subject.sha256,
        weights_sha256={name: sha256_of_file(path) for name, path in cast.weights.by_name().items()},
        encoder=cast.profile.describe(fps=FRAME_RATE),
        engine_version=engine_identity(),
        device_kind=device_kind,
    )
    return plan_render(
        loaded.job, frame_count=frame_count, identities=identities, motion_context=cast.context.motion
    )


def check_room(loaded: LoadedJob, *, plan: RenderPlan, store: str, missing: int) -> None:
    """Prove, before anything is rendered, that masters and segments can be written.

    Args:
        loaded: The job.
        plan: Its plan.
        store: Address of the store.
        missing: Segments that are not in the store yet.

    Raises:
        OutputUnwritable: The place of a master or the store may not be written.
        DiskFull: There is no room for them.
    """
    master_bytes = _expected_bytes(plan, frames=plan.frame_count)
    for take in plan.take_numbers:
        # The takes lie in one folder: the last one must fit beside those before it.
        _check_place(loaded.master(take=take), need_bytes=take * master_bytes, where="spec.output.uri")
    share = missing / len(plan.segments)
    segment_bytes = _expected_bytes(plan, frames=int(plan.frame_count * share))
    _check_place(
        f"{store.rstrip('/')}/probe", need_bytes=segment_bytes + plan.takes * master_bytes, where="store"
    )


def _check_place(location: str, *, need_bytes: int, where: str) -> None:
    if is_s3(location):
        check_bucket(location, where=where)
    else:
        check_destination(Path(location), need_bytes=need_bytes, where=where)


def _expected_bytes(plan: RenderPlan, *, frames: int) -> int:
    return int(frames * plan.profile.size_px**2 * _BYTES_PER_PIXEL)


def _subject_folder(location: str, *, stages: StageFactory, cache: Path) -> Path:
    name = builtin_name(location)
    if name is None:
        return fetch_subject_folder(location, cache=cache)
    with translated("spec.subject"):
        known = stages.builtin_subjects()
    if name in known:
        return known[name]
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = (
        f"did you mean 'builtin:{nearest[0]}'?"
        if nearest
        else f"there is: {', '.join(sorted(known)) or 'none'}"
    )
    raise UnknownSubject(f"no subject '{name}' ships with the farm", where="spec.subject", hint=hint)
