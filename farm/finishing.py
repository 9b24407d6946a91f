"""From committed segments to what the studio gets: one master and one manifest per take."""

from __future__ import annotations

import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

from farm.destinations import write_whole
from farm.execution.stages import Subject
from farm.preparation import Cast, check_master, media_record
from farm.render_report import FinishedTake
from farm.translation import translated
from infra.delivery import deliver
from infra.storage import ObjectStore
from jobs.captions_spec import captions_location
from jobs.errors import Cancelled, DiskFull, RenderError, SegmentDivergence
from jobs.locations import is_s3, manifest_location, take_location
from jobs.manifest import (
    CaptionsRecord,
    FilledRecord,
    Manifest,
    MasterRecord,
    MotionLimitsRecord,
    SegmentRecord,
    SpeechRecord,
    SubjectRecord,
)
from jobs.parse import LoadedJob
from jobs.plan import RenderPlan
from stages.encode.captions import Captions
from stages.encode.fill import still_segment
from stages.encode.profile import VideoProfile
from stages.encode.stitch import StitchedMaster, stitch
from stages.speech.decode import Speech

logger = logging.getLogger(__name__)

# Nobody calls a folder of their own like this: those that are old are removed.
_SCRATCH = ".moda-farm-scratch-"
# No master takes a day to join and deliver; what is older was left by a process that was killed.
_LEFTOVER_AGE_S = 24 * 3600
_CAPTIONS_TYPES: Final = {"srt": "application/x-subrip", "vtt": "text/vtt"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finisher:
    """Finishes the takes of one job whose segments are committed or given up."""

    loaded: LoadedJob
    plan: RenderPlan
    cast: Cast
    speech: Speech
    store: ObjectStore
    is_stopped: Callable[[], bool] = bool
    """Asked before a master gets its name: whether nobody wants it any more."""

    def finish(
        self, *, take: int, segments: Sequence[SegmentRecord], filled: Collection[int] = ()
    ) -> FinishedTake:
        """Stitch a take, deliver it with its manifest, and keep both in the store.

        Args:
            take: Number of the take, from 1.
            segments: The record of every committed segment of the take, in order.
            filled: Indices, within the take, of the segments it does without: a picture stands still there, and the
                manifest says so.

        Raises:
            FarmError: A segment is gone or damaged, or something cannot be written; no part of a master is left.
                `RenderError` where no segment at all is committed.
        """
        location = self.loaded.master(take=take)
        pieces = FilledTake(
            self.plan, segments=segments, filled=filled, store=self.store, profile=self.cast.profile
        )
        with _local_place(location) as path:
            with translated(location):
                made = stitch(
                    pieces.read(),
                    speech_path=self.cast.speech,
                    heard=self.speech.heard,
                    output=path,
                    fps=self.plan.fps,
                    metadata=self._metadata(take),
                    captions=self._captions(),
                    when_whole=partial(self._keep, take=take, filled=filled),
                )
            if is_s3(location):
                deliver(path, location, content_type="video/mp4")
        self._deliver_captions(take)
        master = MasterRecord(
            uri=location if is_s3(location) else self._as_written(take),
            sha256=made.sha256,
            size_bytes=made.size_bytes,
            frame_count=made.frame_count,
            fps=str(self.plan.fps),
            size_px=made.width,
        )
        manifest = self._manifest(
            take=take, segments=segments, filled=pieces.records(), master=master
        ).to_json()
        _deliver_data(manifest, manifest_location(location), content_type="application/json")
        _keep_manifest(manifest, key=self.plan.manifest_key(take=take, filled=filled), store=self.store)
        return FinishedTake(
            take=take,
            master=location,
            manifest=manifest_location(location),
            sha256=made.sha256,
            size_bytes=made.size_bytes,
            captions=self.loaded.delivered_captions(take=take),
        )

    def _keep(self, path: Path, made: StitchedMaster, *, take: int, filled: Collection[int]) -> None:
        """Keep a whole master in the store, and see that it may have its name."""
        # A second run of the plan proves here that its master has the same bytes.
        self.store.put_if_absent(self.plan.master_key(take=take, filled=filled), path, sha256=made.sha256)
        if self.is_stopped():
            where = self.loaded.master(take=take)
            raise Cancelled("it was stopped before its master was delivered", where=where)
        # Only now: somebody may have put a file there since the job was planned.
        words = self.cast.captions
        ours = {made.sha256: made.size_bytes} | ({} if words is None else {words.sha256: len(words.data)})
        check_master(self.loaded, take=take, known=lambda: ours)

    def _captions(self) -> Captions | None:
        """The captions as the master's track has them."""
        words = self.cast.captions
        return None if words is None else words.within(frame_count=self.plan.frame_count, fps=self.plan.fps)

    def _deliver_captions(self, take: int) -> None:
        """Put the captions beside a take's master, as they were handed in."""
        location, words = self.loaded.delivered_captions(take=take), self.cast.captions
        if location is not None and words is not None:
            _deliver_data(words.data, location, content_type=_CAPTIONS_TYPES[words.form])

    def _captions_record(self, master: MasterRecord) -> CaptionsRecord | None:
        asked, words = self.loaded.job.spec.output.captions, self.cast.captions
        if asked is None or words is None:
            return None
        return CaptionsRecord(
            uri=captions_location(master.uri, asked.known_form),
            sha256=words.sha256,
            size_bytes=len(words.data),
            form=words.form,
            language=words.language,
            cue_count=len(words.cues),
        )

    def _manifest(
        self,
        *,
        take: int,
        segments: Sequence[SegmentRecord],
        filled: Sequence[FilledRecord],
        master: MasterRecord,
    ) -> Manifest:
        identities = self.plan.identities
        return Manifest(
            engine_version=identities.engine_version,
            device_kind=identities.device_kind,
            job=self.loaded.job.shown_as(self.plan.profile).as_record(),
            plan_hash=self.plan.plan_hash,
            seed=self.plan.seed,
            take=take,
            takes=self.plan.takes,
            speech=SpeechRecord(
                sha256=identities.speech_sha256,
                source_rate=self.speech.source_rate,
                source_samples=self.speech.source_sample_count,
                frame_count=self.speech.frame_count,
                media=media_record(self.speech),
            ),
            subject=SubjectRecord(
                name=self.cast.subject.name,
                sha256=identities.subject_sha256,
                consent=self.cast.subject.consent,
                untrained=not self.cast.subject.is_trained,
                motion_limits=_limits_record(self.cast.subject),
            ),
            weights_sha256=dict(identities.weights_sha256),
            encoder=dict(identities.encoder),
            segments=list(segments),
            filled=list(filled),
            master=master,
            captions=self._captions_record(master),
            draft=bool(self.plan.extras.draft),
            background="" if self.cast.background is None else self.cast.background.identity,
        )

    def _metadata(self, take: int) -> dict[str, str]:
        """What the file says of itself: nothing that differs between two runs of one plan."""
        return {
            "title": self.plan.name,
            "synthetic": "true",
            "subject": self.cast.subject.name,
            "take": str(take),
            "plan": self.plan.plan_hash[:16],
            "engine": f"moda-farm {self.plan.identities.engine_version}",
            **({"draft": "true"} if self.plan.extras.draft else {}),
        }

    def _as_written(self, take: int) -> str:
        """The master's place as the job spells it: the folders of this machine are nobody else's business."""
        return take_location(self.loaded.job.master_uri, take=take)


def _limits_record(subject: Subject) -> MotionLimitsRecord | None:
    limits = subject.motion_limits
    return None if limits is None else MotionLimitsRecord.model_validate(limits.as_record())


@contextmanager
def _local_place(location: str) -> Iterator[Path]:
    if not is_s3(location):
        yield Path(location)
        return
    with scratch() as folder:
        yield folder / "master.mp4"


def _deliver_data(data: bytes, location: str, *, content_type: str) -> None:
    if not is_s3(location):
        write_whole(Path(location), data, where=location)
        return
    with scratch() as folder:
        path = folder / "data"
        path.write_bytes(data)
        deliver(path, location, content_type=content_type)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on this machine, for the length of the block, for what goes to a bucket.

    Raises:
        DiskFull: There is no room for it.
        OutputUnwritable: It cannot be made, or something in it cannot be written or read.
    """
    try:
        _sweep(Path(tempfile.gettempdir()))
        with tempfile.TemporaryDirectory(prefix=_SCRATCH, ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    except OSError as error:
        hint = "what goes to a bucket is written here first: set TMPDIR to a folder with room, or free some in it"
        raise DiskFull.or_unwritable(error, where="TMPDIR", hint=hint) from error


def _sweep(place: Path) -> None:
    """Remove what processes that were killed left of such folders; those of other users stay."""
    for path in place.glob(f"{_SCRATCH}*"):
        with suppress(OSError):  # another process sweeps too
            facts = path.lstat()
            is_ours = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid()
            if is_ours and time.time() - facts.st_mtime > _LEFTOVER_AGE_S:
                shutil.rmtree(path)


def _keep_manifest(data: bytes, *, key: str, store: ObjectStore) -> None:
    """The store keeps the first manifest: another job may render the same plan to another place."""
    try:
        store.put_if_absent(key, data)
    except SegmentDivergence:
        logger.info("%s: the manifest of an earlier job with the same plan stays", key)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gap:
    """A segment to fill, and the committed one whose picture is shown."""

    neighbour: SegmentRecord
    shows: Literal["first", "last"]


class FilledTake:
    """The segments of one take, in order, gaps included. Use for one take."""

    def __init__(
        self,
        plan: RenderPlan,
        *,
        segments: Sequence[SegmentRecord],
        filled: Collection[int],
        store: ObjectStore,
        profile: VideoProfile,
    ) -> None:
        """Look at what there is and what is missing.

        Args:
            plan: The plan of the job.
            segments: Records of the committed segments of the take, in order.
            filled: Indices of the segments that the take does without.
            store: Holds the committed segments.
            profile: Encoder settings of the job.

        Raises:
            RenderError: There is no committed segment at all.
            ValueError: Together they are not the segments of the plan.
        """
        indices = sorted([record.index for record in segments] + list(filled))
        if indices != [segment.index for segment in plan.segments]:
            raise ValueError("committed and filled segments together must be those of the plan")
        if not segments:
            raise RenderError(
                "no segment of the take was rendered: there is no picture to fill it with",
                where=plan.name,
                code="nothing_rendered",
                hint="submit the job again: a new job tries every segment, a retry leaves out what was waived",
            )
        self._plan, self._store, self._profile = plan, store, profile
        self._records = {record.index: record for record in segments}
        self._gaps = {index: self._gap(index) for index in sorted(filled)}

    def records(self) -> list[FilledRecord]:
        """What the manifest says of the gaps."""
        found = []
        for index, gap in self._gaps.items():
            frames, beside = self._plan.segments[index].frames, gap.neighbour
            offset = beside.frame_count - 1 if gap.shows == "last" else 0
            found.append(
                FilledRecord(
                    index=index,
                    first_frame=frames.start,
                    frame_count=len(frames),
                    shown_frame=beside.first_frame + offset,
                )
            )
        return found

    def read(self) -> Iterator[bytes]:
        """The bytes of every segment, one at a time.

        Raises:
            StoreError: A committed segment is gone or damaged.
            SegmentFailed: One beside a gap cannot be decoded.
        """
        for segment in self._plan.segments:
            gap = self._gaps.get(segment.index)
            if gap is None:
                yield self._store.get(self._records[segment.index].key)
                continue
            with translated(gap.neighbour.key):
                still = still_segment(
                    self._store.get(gap.neighbour.key),
                    shows=gap.shows,
                    frame_count=len(segment.frames),
                    fps=self._plan.fps,
                    profile=self._profile,
                )
            yield still

    def _gap(self, index: int) -> _Gap:
        before = max((each for each in self._records if each < index), default=None)
        if before is not None:
            return _Gap(neighbour=self._records[before], shows="last")
        return _Gap(neighbour=self._records[min(self._records)], shows="first")
