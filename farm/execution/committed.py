"""What the store holds of a plan: the links of its folder, and the segments that they name."""

from __future__ import annotations

from farm.execution.inspecting import stored_inspection
from infra.storage import ObjectStore
from jobs.errors import ObjectNotFound, SegmentDivergence
from jobs.manifest import SegmentRecord
from jobs.plan import RenderPlan, inspection_key
from jobs.segment_link import SegmentLink
from jobs.spec import InspectionPolicy

SegmentName = tuple[int, int]
"""Take and index of a segment."""


def keep_link(link: SegmentLink, *, key: str, store: ObjectStore) -> SegmentLink:
    """Write down which segment a plan uses; what was written first stays, and is returned.

    Raises:
        SegmentDivergence: The plan uses another segment there: its faces were not the same before.
        StoreError: The store failed.
    """
    try:
        store.put_if_absent(key, link.to_json())
    except SegmentDivergence as error:
        kept = SegmentLink.from_json(store.get(key), where=key)
        if kept.key == link.key:
            return kept
        raise SegmentDivergence(
            f"its posed faces differ from those that an earlier attempt had: {link.key}, not {kept.key}",
            where=key,
            hint="keep both machines' logs: motion or faces are not deterministic; delete the link to render it anew",
        ) from error
    return link


def committed_segment(plan: RenderPlan, *, take: int, index: int, store: ObjectStore) -> SegmentRecord | None:
    """The record of a segment that an earlier run of the plan committed or found; None where there is none.

    Raises:
        StoreError: The store failed, or holds something else.
    """
    key = plan.link_key(take=take, index=index)
    try:
        data = store.get(key)
    except ObjectNotFound:
        return None
    link = SegmentLink.from_json(data, where=key)
    return _linked_segment(plan, link, index=index, store=store)


def committed_segments(plan: RenderPlan, *, store: ObjectStore) -> dict[SegmentName, SegmentRecord]:
    """The records of all segments that earlier runs of the plan committed or found, by take and index.

    Raises:
        StoreError: The store failed, or holds something else.
    """
    records = {}
    for take in plan.rendered_takes:
        for segment in plan.segments:
            record = committed_segment(plan, take=take, index=segment.index, store=store)
            if record is not None:
                records[take, segment.index] = record
    return records


def find_segment(
    plan: RenderPlan, *, take: int, index: int, key: str, policy: InspectionPolicy, store: ObjectStore
) -> SegmentRecord | None:
    """The record of a segment that some plan rendered from the same faces; the plan uses it from here on.

    One that is flagged is found only where the policy is ``warn``: elsewhere it is rendered again, and judged.

    Args:
        plan: The plan that wants it.
        take, index: Its place there.
        key: Its key, see `RenderPlan.segment_key`.
        policy: What happens to segments whose pictures are not good.
        store: Where segments are committed.

    Returns:
        None where it has to be rendered.

    Raises:
        SegmentDivergence: As `keep_link`.
        StoreError: The store failed, or holds something else.
    """
    record = _linked_segment(plan, SegmentLink(key=key, found=True), index=index, store=store)
    if record is None:
        return None
    is_flagged = record.inspection is not None and record.inspection.flagged
    if is_flagged and policy is not InspectionPolicy.WARN:
        return None
    link = keep_link(SegmentLink(key=key, found=True), key=plan.link_key(take=take, index=index), store=store)
    return record.model_copy(update={"found": link.found})


def _linked_segment(
    plan: RenderPlan, link: SegmentLink, *, index: int, store: ObjectStore
) -> SegmentRecord | None:
    facts = store.head(link.key)
    if facts is None:
        return None
    frames = plan.segments[index].frames
    return SegmentRecord(
        index=index,
        first_frame=frames.start,
        frame_count=len(frames),
        key=link.key,
        sha256=facts.sha256,
        size_bytes=facts.size_bytes,
        inspection=stored_inspection(inspection_key(link.key), store=store),
        found=link.found,
    )
