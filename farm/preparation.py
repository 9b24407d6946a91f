"""Everything that can be found out, and can go wrong, before a replica starts: inputs, subject, weights, plan, room."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from farm.backgrounds import JobBackground, check_cut_out, picture_extras, read_job_background
from farm.captions import notes_of_captions, read_job_captions
from farm.destinations import check_destination
from farm.engine import engine_identity
from farm.execution.calls import ReplicaSetup
from farm.execution.committed import committed_segments
from farm.execution.inspecting import rejection
from farm.execution.stages import ContextFrames, SharedWeights, StageFactory, Subject, check_drawn_size
from farm.outputs import check_replaceable, store_places
from farm.translation import translated
from infra.delivery import check_bucket
from infra.fetch import fetch_file, fetch_subject_folder
from infra.storage import ObjectStore
from jobs.errors import SegmentRejected, UnknownSubject
from jobs.forms import check_form
from jobs.framerate import FRAME_RATE
from jobs.identity import sha256_of_file
from jobs.locations import builtin_name, is_s3, manifest_location
from jobs.manifest import MediaRecord, SegmentRecord
from jobs.parse import LoadedJob
from jobs.places import FoundPlaces, JobPlaces, Place, check_places, find_places
from jobs.plan import DEFAULT_STUDIO, Identities, RenderPlan, plan_render
from jobs.spec import InspectionPolicy, Profile
from stages.encode.captions import Captions
from stages.encode.profile import VideoProfile, profile_named
from stages.speech.decode import Speech, read_levelled

# Bytes that a pixel of a frame takes in the store or the master, with room to spare: a third of it was measured.
_BYTES_PER_PIXEL = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """What a job names, found and on this machine.

    Attributes:
        speech: The recording.
        track: Its audio track that the job names; None: by the rule of `stages.media.tracks`.
        gain_db: How much louder the job says that the motion hears it; None: as loud as what it was learned from.
        subject_folder: The subject package.
        subject: What the package says of itself.
        weights: Weights that all subjects share.
        context: Frames that the stages want to see beside their own.
        profile: Settings of the encoder.
        captions: What the master is captioned with.
        background: What is behind the person; None: what was there when they were recorded.
    """

    speech: Path
    track: int | str | None = None
    gain_db: int | None = None
    subject_folder: Path
    subject: Subject
    weights: SharedWeights
    context: ContextFrames
    profile: VideoProfile
    captions: Captions | None = None
    background: JobBackground | None = None


def gather_cast(loaded: LoadedJob, *, stages: StageFactory, cache: Path) -> Cast:
    """Find what the job names.

    Raises:
        FarmError: Something is missing, may not be read, or is refused.
    """
    # The cheapest first: a wrong path is told at once, not after libraries have loaded.
    check_places(loaded.places())
    speech = fetch_file(loaded.speech, cache=cache, where="spec.speech")
    captions = read_job_captions(loaded, cache=cache)
    background = read_job_background(loaded, cache=cache)
    folder = subject_folder(loaded.subject, stages=stages, cache=cache)
    with translated("shared weights"):
        weights = stages.shared_weights()
    with translated("spec.subject"):
        subject = stages.load_subject(folder)
        size = stages.picture_size(subject)
        context = stages.context_frames(subject)
    if background is not None:
        with translated("spec.subject"):
            check_cut_out(subject.name, why_not=stages.why_no_background(subject))
    profile = _profile_of(loaded, drawn=size)
    check_drawn_size(size, subject=subject, profile=profile)
    return Cast(
        speech=speech,
        track=loaded.job.spec.speech.track,
        gain_db=loaded.job.spec.speech.gain_db,
        subject_folder=folder,
        subject=subject,
        weights=weights,
        context=context,
        profile=profile,
        captions=captions,
        background=background,
    )


def _profile_of(loaded: LoadedJob, *, drawn: int) -> VideoProfile:
    """The job's, or the largest that shows pictures of `drawn` px; where none does, the smaller is refused."""
    asked = loaded.job.spec.output.profile
    with translated("spec.output.profile"):
        if asked is not None:
            return profile_named(asked.value)
        full = profile_named(Profile.FULL.value)
        return full if full.can_show(drawn) else profile_named(Profile.PREVIEW.value)


def read_job_speech(cast: Cast) -> Speech:
    """The speech of a job.

    Raises:
        InputNotFound: The recording may not be read.
        NotSpeech: It holds no usable speech.
    """
    with translated("spec.speech"):
        return read_levelled(cast.speech, track=cast.track, gain_db=cast.gain_db)


def media_record(speech: Speech) -> MediaRecord:
    """The account of a speech, as plans and manifests hold it."""
    return MediaRecord(told=speech.media.sentences(), found=speech.media.as_record())


def make_plan(
    loaded: LoadedJob, *, cast: Cast, frame_count: int, device_kind: str, owner: str = DEFAULT_STUDIO
) -> RenderPlan:
    """The plan of a job whose cast and length are known.

    Raises:
        FormUnavailable: The form cannot be computed on that kind of processor.
    """
    check_form(loaded.job.spec.output.form, device_kind=device_kind)
    identities = Identities(
        speech_sha256=sha256_of_file(cast.speech),
        subject_sha256=cast.subject.sha256,
        weights_sha256={name: sha256_of_file(path) for name, path in cast.weights.by_name().items()},
        encoder=cast.profile.describe(fps=FRAME_RATE),
        engine_version=engine_identity(),
        device_kind=device_kind,
        form=loaded.job.spec.output.form,
    )
    return plan_render(
        loaded.job,
        profile=Profile(cast.profile.name),
        frame_count=frame_count,
        identities=identities,
        motion_context=cast.context.motion,
        face_context=cast.context.faces,
        owner=owner,
        captions="" if cast.captions is None else cast.captions.identity,
        extras=picture_extras(loaded, cast.background),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """A job that is known to be possible, as far as that can be known before a replica starts.

    Attributes:
        loaded: The job.
        cast: What it names.
        speech: Its speech.
        plan: Its plan.
        setup: What its replicas must have loaded.
        records: The record of every segment that an earlier run of the plan committed or found, by take and index.
        flagged: What is not good about these.
        places: What it reads and writes.
        notes: What a person should know of its captions.
    """

    loaded: LoadedJob
    cast: Cast
    speech: Speech
    plan: RenderPlan
    setup: ReplicaSetup
    records: dict[tuple[int, int], SegmentRecord]
    flagged: list[SegmentRejected]
    places: FoundPlaces
    notes: tuple[str, ...] = ()


def prepare_job(
    loaded: LoadedJob,
    *,
    cast: Cast,
    speech: Speech,
    store: ObjectStore,
    device_kind: str,
    name: str = "",
    owner: str = DEFAULT_STUDIO,
    is_new: bool = True,
    chosen: int | None = None,
) -> Preparation:
    """Plan a job whose cast and speech are known, and find everything that would end it before its first frame.

    Whoever shows a plan, renders it, or takes the job in comes through here, so that they agree.

    Args:
        loaded: The job.
        cast: What it names.
        speech: Its speech.
        store: Where its segments are committed.
        device_kind: Kind of processor that renders.
        name: What to call it beside other jobs.
        owner: The studio whose job it is.
        is_new: An earlier run has not begun it: what lies where its masters go cannot be its own.
        chosen: The take that somebody chose since it was planned first.

    Raises:
        FarmError: The form cannot be computed, the store failed, there is no room, a file of the studio's is in the
            way, or what is committed may not be used.
    """
    places = find_places(_with_store(loaded, name=name, cast=cast, store=store.uri))
    plan = make_plan(loaded, cast=cast, frame_count=speech.frame_count, device_kind=device_kind, owner=owner)
    notes = notes_of_captions(cast.captions, frame_count=plan.frame_count, fps=plan.fps)
    if cast.background is not None:
        notes += tuple(f"the background: {sentence}" for sentence in cast.background.told)
    plan = plan if chosen is None else plan.choose(chosen)
    if is_new:
        for take in plan.rendered_takes or plan.take_numbers:
            check_master(
                loaded, take=take, known=partial(_kept_master, plan, take=take, store=store, cast=cast)
            )
    records = committed_segments(plan, store=store)
    policy = loaded.job.spec.inspection.policy
    missing = plan.segment_count - len(records)
    check_room(loaded, plan=plan, store=store, missing=missing)
    return Preparation(
        loaded=loaded,
        cast=cast,
        speech=speech,
        plan=plan,
        setup=_setup_of(loaded, cast=cast, plan=plan, store=store),
        records=records,
        flagged=flagged_before(records, policy=policy),
        places=places,
        notes=notes,
    )


def _setup_of(loaded: LoadedJob, *, cast: Cast, plan: RenderPlan, store: ObjectStore) -> ReplicaSetup:
    return ReplicaSetup(
        weights=cast.weights,
        subject=cast.subject_folder,
        store=store.uri,
        profile=cast.profile.name,
        fps=plan.fps,
        inspection=loaded.job.spec.inspection.policy,
        form=loaded.job.spec.output.form,
        device_kind=plan.identities.device_kind,
        draft=loaded.job.spec.output.draft,
        background="" if cast.background is None else cast.background.source,
        background_identity="" if cast.background is None else cast.background.identity,
    )


def check_master(loaded: LoadedJob, *, take: int, known: Callable[[], Mapping[str, int]]) -> None:
    """See that nothing but the farm's own lies where a take's master and the files beside it go, or may be replaced.

    Args:
        loaded: The job.
        take: Number of the take.
        known: Asked for sizes, by SHA-256, of files that may be replaced although no manifest names them.

    Raises:
        OutputRefused: There is a file that the farm did not write.
        OutputUnwritable: The place cannot be looked at.
    """
    location, beside = loaded.master(take=take), loaded.delivered_captions(take=take)
    files = [location, *([] if beside is None else [beside])]
    check_replaceable(
        [Place(location=each, field="spec.output.uri") for each in files],
        manifest=Place(location=manifest_location(location), field="spec.output.uri"),
        overwrite=loaded.overwrite,
        known=known,
    )


def check_room(loaded: LoadedJob, *, plan: RenderPlan, store: ObjectStore, missing: int) -> None:
    """Prove, before anything is rendered, that masters and segments can be written.

    Args:
        loaded: The job.
        plan: Its plan.
        store: Where its segments are committed.
        missing: Segments that may not be in the store yet.

    Raises:
        OutputUnwritable: The place of a master may not be written.
        StoreError: Nothing can be committed to the store.
        DiskFull: There is no room for them.
    """
    master_bytes = _expected_bytes(plan, frames=plan.frame_count)
    # While it is not known which take is rendered, each of them may be the one.
    for count, take in [*enumerate(plan.rendered_takes, start=1)] or [
        (1, take) for take in plan.take_numbers
    ]:
        # The takes lie in one folder: the last one must fit beside those before it.
        master = loaded.master(take=take)
        if is_s3(master):
            check_bucket(master, where="spec.output.uri", size_bytes=master_bytes)
        else:
            check_destination(Path(master), need_bytes=count * master_bytes, where="spec.output.uri")
            # Its name is longer.
            check_destination(Path(manifest_location(master)), where="spec.output.uri")
    share = missing / len(plan.segments)
    segment_bytes = _expected_bytes(plan, frames=int(plan.frame_count * share))
    if store.uri.startswith("/"):
        need_bytes = segment_bytes + max(1, len(plan.rendered_takes)) * master_bytes
        check_destination(Path(store.uri, "probe"), need_bytes=need_bytes, where="store")
    store.refuses_second_copies(below=plan.prefix, size_bytes=master_bytes)
    store.refuses_second_copies(below=plan.segment_folder)


def _kept_master(plan: RenderPlan, *, take: int, store: ObjectStore, cast: Cast) -> dict[str, int]:
    """The masters that earlier runs of the plan made, and its captions: they may lie there before a manifest does."""
    keys = store.list(plan.master_key(take=take).removesuffix(".mp4"))
    found = [facts for key in keys if (facts := store.head(key)) is not None]
    words = cast.captions
    return {facts.sha256: facts.size_bytes for facts in found} | (
        {} if words is None else {words.sha256: len(words.data)}
    )


def _with_store(loaded: LoadedJob, *, name: str, cast: Cast, store: str) -> JobPlaces:
    """The places of a job with those that it reads without naming them."""
    places = loaded.places(name=name)
    unnamed = [Place(location=str(cast.subject_folder), field="spec.subject", is_folder=True)]
    unnamed += [
        Place(location=str(path), field="the weights that all subjects share")
        for path in cast.weights.by_name().values()
    ]
    return places.reading([*unnamed, *store_places(store)])


def _expected_bytes(plan: RenderPlan, *, frames: int) -> int:
    return int(frames * plan.profile.size_px**2 * _BYTES_PER_PIXEL)


def subject_folder(location: str, *, stages: StageFactory, cache: Path) -> Path:
    """The folder of a subject package on this machine.

    Args:
        location: ``builtin:NAME``, or the path or ``s3://`` URI of the package.
        stages: Know the packages that ship with the project.
        cache: Folder for what comes from S3.

    Raises:
        FarmError: There is none, or it may not be read.
    """
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


def flagged_before(
    records: Mapping[tuple[int, int], SegmentRecord], *, policy: InspectionPolicy
) -> list[SegmentRejected]:
    """What an earlier run committed although its pictures were not good: that run may have had another policy.

    Raises:
        SegmentRejected: There is one, and the policy is not ``warn``.
    """
    flagged = []
    for (take, index), record in records.items():
        if record.inspection is None or not record.inspection.flagged:
            continue
        error = rejection(record.inspection, where=f"take {take}, segment {index}", committed_as=record.key)
        if policy is not InspectionPolicy.WARN:
            raise error
        flagged.append(error)
    return flagged
