"""From a job to everything there is to do, before anything is done.

The plan is a pure function of the job, the length of the speech and the identities of what goes in. The
cluster is not among its arguments, so any number of replicas renders the same plan. Windows overlap and carry
motion; segments tile the video and carry pixels. The plan's hash is the identity of a job. A segment's key names what
its pixels depend on and nothing else, so that plans whose faces are alike somewhere share what is drawn of them; which
segments a plan uses is written down in its folder (`jobs.segment_link`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from jobs.framerate import FRAME_RATE, Span
from jobs.identity import sha256_of_record
from jobs.picture_extras import PictureExtras as PictureExtras
from jobs.plan_identities import Identities as Identities
from jobs.spec import MotionAmplitudes, Profile, RenderJob

WINDOW_FRAMES = 300
WINDOW_STRIDE = 150
SEGMENT_FRAMES = 50

DEFAULT_STUDIO = "default"
"""Whose a job is where nobody says."""

_PLAN_SCHEMA = "farm.plan/v2"  # change it when the meaning of any planned field changes
_SKETCHES = "sketches-1"  # change it when takes are sketched otherwise
_SEGMENT_SCHEMA = "farm.segment/v2"  # change it when anything else decides a segment's pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Frames whose motion is predicted together; neighbours overlap and are cross-faded.

    Attributes:
        index: Place in the plan, from 0.
        frames: At most 300; only the last window of the speech is shorter.
    """

    index: int
    frames: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Frames that are drawn, encoded and committed together.

    Attributes:
        index: Place in the plan, from 0.
        frames: 50; only the last segment of the speech may be shorter.
        faces: Frames whose posed faces drawing needs: the segment and its context, cut to the speech.
        motion: Frames of merged motion that these faces need: them and their own context, cut to the speech.
        windows: Indices of the windows that the needed motion is merged from, ascending.
    """

    index: int
    frames: Span
    faces: Span
    motion: Span
    windows: range


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderPlan:
    """All the work of one job.

    Attributes:
        owner: The studio whose job it is; no other finds its segments and masters.
        project: Project of the job.
        name: Name of the job.
        profile: Quality of the master.
        seed: Seed of the job.
        takes: Number of takes, which count from 1.
        rendered_takes: Those whose pixels are rendered; none while somebody is asked which.
        motion: Amplitudes.
        fps: Frames per second.
        frame_count: Frames of each master.
        motion_context: Frames of merged motion that posed faces need on either side.
        face_context: Frames of posed faces that a segment needs on either side.
        identities: What the video is made from.
        windows: In order of time; predicted once for each take.
        segments: In order of time; they tile the video.
        plan_hash: SHA-256 of all that decides the bytes of the segments, apart from the number of the take.
        captions: Hash of the captions that go into its masters, which no segment holds; empty for none.
        extras: What is done to its pictures after they were rendered.
    """

    owner: str
    project: str
    name: str
    profile: Profile
    seed: int
    takes: int
    rendered_takes: tuple[int, ...]
    motion: MotionAmplitudes
    fps: Fraction
    frame_count: int
    motion_context: int
    face_context: int
    identities: Identities
    windows: tuple[Window, ...]
    segments: tuple[Segment, ...]
    plan_hash: str
    captions: str = ""
    extras: PictureExtras = field(default_factory=PictureExtras)

    @property
    def prefix(self) -> str:
        """The folder of the plan in the store, without a slash at the end."""
        return plan_folder(owner=self.owner, project=self.project, name=self.name, plan_hash=self.plan_hash)

    @property
    def take_numbers(self) -> range:
        """The takes, counted from 1."""
        return range(1, self.takes + 1)

    @property
    def offers_choice(self) -> bool:
        """One of its takes is rendered, or will be, and not all."""
        return len(self.rendered_takes) < self.takes

    @property
    def awaits_choice(self) -> bool:
        """Nobody has said yet which take is rendered."""
        return not self.rendered_takes

    @property
    def segment_count(self) -> int:
        """Segments of all takes that are rendered; of one take where that is not chosen yet."""
        return max(1, len(self.rendered_takes)) * len(self.segments)

    def choose(self, take: int) -> RenderPlan:
        """The plan with one take that is rendered. Where everything lies, and the plan's hash, stay as they are.

        Raises:
            ValueError: It has no such take.
        """
        if take not in self.take_numbers:
            raise ValueError(f"the plan has {self.takes} takes, and none is number {take}")
        return replace(self, rendered_takes=(take,))

    @property
    def segment_folder(self) -> str:
        """Where the store keeps the segments of the plan's owner, without a slash at the end."""
        return f"segments/{self.owner}"

    def segment_key(self, *, index: int, faces_sha256: str) -> str:
        """Where a segment is committed.

        The speech, the seed, the amplitudes and the weights that all subjects share decide nothing but the faces.

        Args:
            index: Place of the segment.
            faces_sha256: Hash of the posed faces that its pictures depend on, its own and those around them.
        """
        identities, segment = self.identities, self.segments[index]
        digest = sha256_of_record(
            {
                "schema": _SEGMENT_SCHEMA,
                "faces": faces_sha256,
                "first_frame": segment.frames.start,
                "frame_count": len(segment.frames),
                "lead": segment.frames.start - segment.faces.start,
                "profile": self.profile.value,
                "fps": [self.fps.numerator, self.fps.denominator],
                "subject": identities.subject_sha256,
                "encoder": dict(identities.encoder),
                "engine": identities.engine_version,
                "device": identities.device_kind,
                **identities.form_record,
                **self.extras.as_record(),
            }
        )
        return f"{self.segment_folder}/{digest[:2]}/{digest}.mp4"

    def sketch_key(self, *, take: int, name: str) -> str:
        """Where an object of that name is kept of what shows a take before it is rendered."""
        return f"{self.prefix}/take-{take:02d}/{_SKETCHES}/{name}"

    def link_key(self, *, take: int, index: int) -> str:
        """Where the plan's folder says which segment is used."""
        return link_key(self.prefix, take=take, index=index)

    def master_key(self, *, take: int, filled: Collection[int] = ()) -> str:
        """Where a take's master is kept in the store; with other captions, or gaps that are filled, it is another."""
        return f"{self.prefix}/take-{take:02d}/master{self._words}{_gaps(filled)}.mp4"

    def manifest_key(self, *, take: int, filled: Collection[int] = ()) -> str:
        """Where a take's manifest is kept in the store."""
        return f"{self.prefix}/take-{take:02d}/manifest{self._words}{_gaps(filled)}.json"

    @property
    def _words(self) -> str:
        return f".captions-{self.captions[:16]}" if self.captions else ""

    def as_record(self) -> dict[str, Any]:
        """The plan as plain data, for ``farm plan --json``."""
        return {
            "owner": self.owner,
            "project": self.project,
            "name": self.name,
            "profile": self.profile.value,
            "seed": self.seed,
            "takes": self.takes,
            "rendered_takes": list(self.rendered_takes),
            "fps": str(self.fps),
            "frame_count": self.frame_count,
            "motion_context": self.motion_context,
            "face_context": self.face_context,
            "identities": self.identities.as_record(),
            "plan_hash": self.plan_hash,
            "prefix": self.prefix,
            "windows": [_span_record(window.index, window.frames) for window in self.windows],
            "segments": [
                {**_span_record(segment.index, segment.frames), "windows": list(segment.windows)}
                for segment in self.segments
            ],
        }


def plan_render(
    job: RenderJob,
    *,
    profile: Profile,
    frame_count: int,
    identities: Identities,
    motion_context: int,
    face_context: int,
    owner: str = DEFAULT_STUDIO,
    fps: Fraction = FRAME_RATE,
    captions: str = "",
    extras: PictureExtras | None = None,
) -> RenderPlan:
    """Plan a job.

    Args:
        job: The job.
        profile: Quality of the master: the job's own, or what its subject decides.
        frame_count: Frames that cover the speech, see ``jobs.framerate.frame_count``.
        identities: What the video is made from.
        motion_context: Frames of merged motion that posed faces need on either side.
        face_context: Frames of posed faces that drawing a segment needs on either side.
        owner: The studio whose job it is.
        fps: Frames per second.
        captions: Hash of the captions that go into its masters; empty for none.
        extras: What is done to its pictures after they were rendered; None for nothing.

    Raises:
        ValueError: There is no frame to render, or a context is negative.
    """
    if frame_count < 1:
        raise ValueError(f"a render needs at least one frame, not {frame_count}")
    if min(motion_context, face_context) < 0:
        raise ValueError(f"contexts cannot be {motion_context} and {face_context} frames")
    windows = tuple(plan_windows(frame_count))
    extras = extras or PictureExtras()
    contexts = (motion_context, face_context)
    return RenderPlan(
        owner=owner,
        project=job.metadata.project,
        name=job.metadata.name,
        profile=profile,
        seed=job.spec.seed,
        takes=job.spec.takes,
        rendered_takes=_rendered_takes(job),
        motion=job.spec.motion,
        fps=fps,
        frame_count=frame_count,
        motion_context=motion_context,
        face_context=face_context,
        identities=identities,
        windows=windows,
        segments=tuple(plan_segments(frame_count, motion_context=motion_context, face_context=face_context)),
        plan_hash=_plan_hash(job, profile, frame_count, identities, contexts, fps, extras),
        captions=captions,
        extras=extras,
    )


def _rendered_takes(job: RenderJob) -> tuple[int, ...]:
    choice = job.spec.choose
    if choice is None:
        return tuple(range(1, job.spec.takes + 1))
    return (choice,) if isinstance(choice, int) else ()


def plan_windows(frame_count: int) -> Iterator[Window]:
    """Windows of 300 frames every 150, until the last frame is covered; short speech has one."""
    start, index = 0, 0
    while True:
        stop = min(start + WINDOW_FRAMES, frame_count)
        yield Window(index=index, frames=Span(start=start, stop=stop))
        if stop == frame_count:
            return
        start, index = start + WINDOW_STRIDE, index + 1


def plan_segments(frame_count: int, *, motion_context: int, face_context: int) -> Iterator[Segment]:
    """Segments of 50 frames that tile the video, each with the faces, motion and windows it needs."""
    whole = Span(start=0, stop=frame_count)
    for index, start in enumerate(range(0, frame_count, SEGMENT_FRAMES)):
        frames = Span(start=start, stop=min(start + SEGMENT_FRAMES, frame_count))
        faces = frames.widened(face_context, within=whole)
        motion = faces.widened(motion_context, within=whole)
        windows = _windows_touching(motion, frame_count)
        yield Segment(index=index, frames=frames, faces=faces, motion=motion, windows=windows)


def _windows_touching(frames: Span, frame_count: int) -> range:
    """Indices of the windows that share a frame with a span, by arithmetic instead of search."""
    last_window = max(0, -(-(frame_count - WINDOW_FRAMES) // WINDOW_STRIDE))
    # Window w covers [150 w, 150 w + 300): take from the first that reaches past the span's start
    # to the last that begins before its stop.
    first = max(0, (frames.start - WINDOW_FRAMES) // WINDOW_STRIDE + 1)
    last = min(last_window, (frames.stop - 1) // WINDOW_STRIDE)
    return range(min(first, last_window), last + 1)


def _plan_hash(
    job: RenderJob,
    profile: Profile,
    frame_count: int,
    identities: Identities,
    contexts: tuple[int, int],
    fps: Fraction,
    extras: PictureExtras,
) -> str:
    """Hash of what decides the bytes of a master's pictures.

    The job's name, its owner, its project and the places of its files are left out: they change where things lie, not
    what is in them. So are its captions, which no picture shows, and the number of takes, and which of them is chosen:
    asking for a second take must not render the first again. So is the inspection, which looks at pictures and changes
    none, and the scheduling, which only says when.
    """
    return sha256_of_record(
        {
            "schema": _PLAN_SCHEMA,
            "seed": job.spec.seed,
            "motion": job.spec.motion.model_dump(mode="json"),
            "profile": profile.value,
            "fps": [fps.numerator, fps.denominator],
            "frame_count": frame_count,
            "grid": [WINDOW_FRAMES, WINDOW_STRIDE, SEGMENT_FRAMES, *contexts],
            "identities": identities.as_record(),
            # What the job does not name, the recording decides.
            **({"speech": job.spec.speech.choices} if job.spec.speech.choices else {}),
            **extras.as_record(),
        }
    )


def plan_folder(*, owner: str, project: str, name: str, plan_hash: str) -> str:
    """The folder of a plan in the store, see `RenderPlan.prefix`, for whoever knows of the plan no more than this."""
    return f"renders/{owner}/{project}/{name}/{plan_hash[:16]}"


def link_key(folder: str, *, take: int, index: int) -> str:
    """Where a plan's folder says which segment is used."""
    return f"{folder}/take-{take:02d}/segment-{index:05d}.json"


def sound_key(folder: str) -> str:
    """Where a plan's folder keeps the sound of its masters, in pieces for those who watch."""
    return f"{folder}/sound.mp4"


def inspection_key(segment_key: str) -> str:
    """Where the store keeps what the inspection of a segment found."""
    return f"{segment_key.removesuffix('.mp4')}.inspection.json"


def _gaps(filled: Collection[int]) -> str:
    """What tells a file with gaps from the whole one; nothing where there are none."""
    return f".filled-{sha256_of_record(sorted(filled))[:16]}" if filled else ""


def _span_record(index: int, frames: Span) -> dict[str, Any]:
    return {"index": index, "first_frame": frames.start, "frame_count": len(frames)}
