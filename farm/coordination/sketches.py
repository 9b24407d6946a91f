"""Takes that somebody may choose, before a pixel is rendered: their motion drawn in lines, shown, and priced."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

from farm.coordination.background import WorkKind
from farm.coordination.job_run import JobRun
from farm.coordination.state import CoordinatorState
from farm.coordination.unforeseen import callback_of
from farm.execution.calls import SketchCall, SketchRecord
from farm.execution.kept_motion import keep_window
from farm.finishing import scratch
from farm.scheduling.job import JobEntry
from farm.scheduling.messages import Broken
from farm.scheduling.units import SegmentNeeds, Stage, Unit
from farm.translation import translated
from infra.storage import ObjectStore
from jobs.errors import FarmError
from jobs.identity import sha256_of_bytes
from jobs.journal_events import SketchedTake, TakesSketched
from jobs.plan import RenderPlan
from stages.encode.profile import FRAMES_PER_SKETCH
from stages.encode.stitch import stitch
from stages.payloads import Motion
from stages.render.contact_sheet import contact_sheet, still_frames

logger = logging.getLogger(__name__)

_LOOKED_AT: Final = 200
"""Jobs, the newest, in which measurements are looked for that an earlier run of the farm made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _ShownTake:
    """A take as it lies in the store; what it costs is for the loop to say."""

    take: int
    sheet: str
    sheet_sha256: str
    playback: str
    playback_sha256: str
    missing: int


def is_sketching(entry: JobEntry, run: JobRun) -> bool:
    """Its takes are not all drawn, and nobody has chosen one."""
    return entry.is_held_for_choice and not (run.sketches.are_shown or run.sketches.is_being_shown)


def sketch_needs(run: JobRun) -> list[SegmentNeeds]:
    """What the pieces that are not drawn yet are made of, take by take."""
    return [
        SegmentNeeds(take=take, index=segment.index, windows=tuple(segment.windows))
        for take in run.plan.take_numbers
        for segment in run.plan.segments
        if Unit(take, segment.index, Stage.FACE) not in run.sketches.pieces
    ]


def sketch_call(run: JobRun, unit: Unit) -> SketchCall:
    """What draws a piece; the job is open and has the motion of its windows."""
    segment = run.plan.segments[unit.index]
    frames = segment.frames
    stills = tuple(
        (frame - frames.start, _still_key(run.plan, unit.take, place))
        for place, frame in enumerate(still_frames(run.plan.frame_count))
        if frames.start <= frame < frames.stop
    )
    return SketchCall(
        face=run.face_call(unit),
        lead=frames.start - segment.faces.start,
        frame_count=len(frames),
        key=_piece_key(run.plan, unit.take, unit.index),
        stills=stills,
    )


def keep_motion(farm: CoordinatorState, run: JobRun, window: Unit, motion: Motion, *, seconds: float) -> None:
    """Keep the motion of a window for the take that will be chosen, beside the loop."""
    run.sketches.seconds[window.take] += seconds
    keep = partial(keep_window, run.plan, window, motion, store=farm.services.store)
    farm.background.ask(keep, callback_of(farm, run.name, partial(_kept, window)), kind=WorkKind.STORE)


def take_piece(run: JobRun, unit: Unit, record: SketchRecord, *, seconds: float) -> bool:
    """A piece is drawn; True where it was the last of all takes."""
    sketches = run.sketches
    sketches.pieces[unit] = record.faces_sha256
    sketches.seconds[unit.take] += seconds
    return len(sketches.pieces) == run.plan.takes * len(run.plan.segments)


def show_takes(farm: CoordinatorState, run: JobRun, *, after_s: float = 0.0) -> None:
    """Have the pieces of each take joined with the speech, beside the loop, and tell of them."""
    run.sketches.is_being_shown = True
    work = partial(_show_all, run, dict(run.sketches.pieces), store=farm.services.store)
    then = callback_of(farm, run.name, partial(_shown, farm, run))
    farm.background.ask(work, then, kind=WorkKind.FINISH, after_s=after_s)


def sketching_sentence(run: JobRun) -> str:
    """How far the sketches of a job are that waits for a choice."""
    plan, sketches = run.plan, run.sketches
    if sketches.is_being_shown:
        return f"Its {plan.takes} takes are drawn, and are being joined with the speech."
    done, total = len(sketches.pieces), plan.takes * len(plan.segments)
    return f"The motion of its {plan.takes} takes is being drawn, {done} of {total} pieces; then one can be chosen."


def _kept(window: Unit, result: FarmError | None) -> None:
    if isinstance(result, FarmError):
        # The take that is chosen has it predicted again.
        logger.warning("%s is not kept: %s", window, result.line())


def _shown(farm: CoordinatorState, run: JobRun, result: tuple[_ShownTake, ...] | FarmError) -> None:
    entry = farm.scheduler.jobs.get(run.name)
    if farm.runs.get(run.name) is not run or entry is None or not entry.is_held_for_choice:
        run.sketches.is_being_shown = False
        return
    if isinstance(result, FarmError):
        wait_s = run.patience.wait_s(result)
        if wait_s is None:
            run.sketches.is_being_shown = False
            farm.tell(Broken(run.name, result))
            return
        farm.tell_waiting(run.name, run.patience, doing="showing its takes")
        show_takes(farm, run, after_s=wait_s)
        return
    run.patience.got_on()
    assumed_s, measured_s = farm.scheduler.cost_of(run.name), _measured_s(farm, run)
    run.sketches.is_being_shown, run.sketches.are_shown = False, True
    farm.writer.note(
        TakesSketched(
            job=run.name,
            takes=tuple(_priced(farm, entry, run, shown, each_s=measured_s or assumed_s) for shown in result),
            is_measured=measured_s is not None,
            expires_after=farm.rules.choice,
        )
    )
    farm.watcher.note(run.name, f"{run.plan.takes} takes are drawn: one of them can be chosen")


def _measured_s(farm: CoordinatorState, run: JobRun) -> float | None:
    """Seconds that a segment of the job's kind took, in this run of the farm or in earlier ones; None without any."""
    if farm.scheduler.has_measured(run.name):
        return farm.scheduler.cost_of(run.name)
    wanted, seconds, tries = _kind(run.loaded.job.as_record()), 0.0, 0
    for line in islice(reversed(tuple(farm.writer.ledger.jobs.values())), _LOOKED_AT):
        if line.tries and line.seconds and not line.is_whole and _kind(line.document) == wanted:
            seconds, tries = seconds + line.seconds, tries + line.tries
    return seconds / tries if tries else None


def _kind(document: Mapping[str, Any]) -> tuple[Any, Any]:
    """What decides how long a segment takes: what draws it, and how large it is."""
    spec = document["spec"]
    return spec["subject"], spec.get("output", {}).get("profile")


def _priced(
    farm: CoordinatorState, entry: JobEntry, run: JobRun, shown: _ShownTake, *, each_s: float
) -> SketchedTake:
    limits = (entry.request.max_replicas, farm.rules.terms(entry.request.studio).max_replicas, shown.missing)
    replicas = min(limit for limit in (farm.scheduler.replica_count or 1, *limits) if limit is not None)
    rounds = -(-shown.missing // max(1, replicas))
    return SketchedTake(
        take=shown.take,
        sheet=shown.sheet,
        sheet_sha256=shown.sheet_sha256,
        playback=shown.playback,
        playback_sha256=shown.playback_sha256,
        sketch_seconds=round(run.sketches.seconds[shown.take], 3),
        segments=shown.missing,
        price_seconds=round(each_s * shown.missing, 3),
        wait_seconds=round(each_s * rounds, 3),
    )


def _show_all(run: JobRun, faces: Mapping[Unit, str], *, store: ObjectStore) -> tuple[_ShownTake, ...]:
    with scratch() as folder:
        return tuple(_show(run, take, faces, store=store, folder=folder) for take in run.plan.take_numbers)


def _show(
    run: JobRun, take: int, faces: Mapping[Unit, str], *, store: ObjectStore, folder: Path
) -> _ShownTake:
    plan = run.plan
    playback_key = plan.sketch_key(take=take, name="playback.mp4")
    path = folder / f"take-{take:02d}.mp4"
    pieces = (store.get(_piece_key(plan, take, segment.index)) for segment in plan.segments)
    with translated(playback_key):
        made = stitch(
            pieces,
            speech_path=run.cast.speech,
            heard=run.speech.heard,
            output=path,
            fps=plan.fps / FRAMES_PER_SKETCH,
            metadata={"title": plan.name, "synthetic": "true", "take": str(take)},
        )
    store.put_if_absent(playback_key, path, sha256=made.sha256)
    sheet, sheet_key = _sheet(plan, take, store=store), plan.sketch_key(take=take, name="sheet.jpg")
    store.put_if_absent(sheet_key, sheet)
    missing = [
        segment
        for segment in plan.segments
        if not _is_rendered(plan, segment.index, faces[Unit(take, segment.index, Stage.FACE)], store=store)
    ]
    return _ShownTake(
        take=take,
        sheet=sheet_key,
        sheet_sha256=sha256_of_bytes(sheet),
        playback=playback_key,
        playback_sha256=made.sha256,
        missing=len(missing),
    )


def _sheet(plan: RenderPlan, take: int, *, store: ObjectStore) -> bytes:
    frames = still_frames(plan.frame_count)
    stills = [store.get(_still_key(plan, take, place)) for place in range(len(frames))]
    with translated(plan.name):
        return contact_sheet(stills, frames=frames, fps=plan.fps)


def _is_rendered(plan: RenderPlan, index: int, faces_sha256: str, *, store: ObjectStore) -> bool:
    return store.head(plan.segment_key(index=index, faces_sha256=faces_sha256)) is not None


def _piece_key(plan: RenderPlan, take: int, index: int) -> str:
    return plan.sketch_key(take=take, name=f"piece-{index:05d}.mp4")


def _still_key(plan: RenderPlan, take: int, place: int) -> str:
    return plan.sketch_key(take=take, name=f"still-{place}.jpg")
