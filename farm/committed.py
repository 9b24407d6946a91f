"""What the store holds of a job already: each planned key is asked for, no listing is trusted."""

from __future__ import annotations

from collections.abc import Mapping

from farm.execution.inspecting import rejection, stored_inspection
from infra.storage import ObjectStore
from jobs.errors import SegmentRejected
from jobs.manifest import SegmentRecord
from jobs.plan import RenderPlan
from jobs.spec import InspectionPolicy


def committed_segment(plan: RenderPlan, *, take: int, index: int, store: ObjectStore) -> SegmentRecord | None:
    """The record of one segment, or None where it is not committed.

    Raises:
        StoreError: The store failed.
    """
    key, frames = plan.segment_key(take=take, index=index), plan.segments[index].frames
    facts = store.head(key)
    if facts is None:
        return None
    return SegmentRecord(
        index=index,
        first_frame=frames.start,
        frame_count=len(frames),
        key=key,
        sha256=facts.sha256,
        size_bytes=facts.size_bytes,
        inspection=stored_inspection(plan.inspection_key(take=take, index=index), store=store),
    )


def committed_segments(plan: RenderPlan, *, store: ObjectStore) -> dict[tuple[int, int], SegmentRecord]:
    """The records of all segments that are committed, by take and index.

    Raises:
        StoreError: The store failed.
    """
    records = {}
    for take in plan.take_numbers:
        for segment in plan.segments:
            record = committed_segment(plan, take=take, index=segment.index, store=store)
            if record is not None:
                records[take, segment.index] = record
    return records


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
