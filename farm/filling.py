"""Gaps in a take: segments that the master does without, and the picture that stands still in their place.

The last frame of the nearest segment before a gap is shown; at the start of the video, the first frame of the next.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from farm.translation import translated
from infra.storage import ObjectStore
from jobs.errors import RenderError
from jobs.manifest import FilledRecord, SegmentRecord
from jobs.plan import RenderPlan
from stages.encode.fill import still_segment
from stages.encode.profile import VideoProfile


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
