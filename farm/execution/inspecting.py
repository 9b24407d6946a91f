"""From what the stages found in a segment to its record, its place in the store, and the error that rejects it."""

from __future__ import annotations

import logging

from infra.storage import ObjectStore
from jobs.errors import SegmentDivergence, SegmentRejected
from jobs.inspection import CheckRecord, InspectionRecord
from stages.inspection.checks import Inspected

logger = logging.getLogger(__name__)


def inspection_record(inspected: Inspected) -> InspectionRecord:
    """The inspection as it is stored."""
    return InspectionRecord(
        sampled_frames=inspected.sampled_frames,
        redetection=inspected.redetection,
        fitted_limits=inspected.fitted_limits,
        checks=[
            CheckRecord(
                check=judgement.check,
                value=judgement.value,
                at_least=judgement.good.at_least,
                at_most=judgement.good.at_most,
                passed=judgement.passed,
            )
            for judgement in inspected.judgements
        ],
    )


def rejection(found: InspectionRecord, *, where: str = "", committed_as: str = "") -> SegmentRejected:
    """The error for a segment that was flagged, naming each check, its value and its limits.

    Args:
        found: What was found.
        where: The segment.
        committed_as: Key of the segment where an earlier run committed it all the same.
    """
    what = "; ".join(check.finding() for check in found.flagged)
    hint = (
        "compare the renderer's weights and the reference image of the subject with a copy, or train it longer;"
        " spec.inspection.policy: warn renders it all the same"
    )
    if committed_as:
        what += "; it was committed with policy warn"
        hint = f"delete {committed_as} and its .inspection.json to render it anew, or set spec.inspection.policy: warn"
    return SegmentRejected(what, where=where, hint=hint)


def keep_inspection(found: InspectionRecord, *, key: str, store: ObjectStore) -> None:
    """Store what was found; the first record of a segment stays.

    Raises:
        StoreError: The store failed.
    """
    try:
        store.put_if_absent(key, found.to_json())
    except SegmentDivergence:
        # The pictures are the same; what was found can differ where one machine has no detector.
        logger.info("%s: what an earlier attempt found stays", key)


def stored_inspection(key: str, *, store: ObjectStore) -> InspectionRecord | None:
    """What was found in a committed segment; None where nothing is stored.

    Raises:
        StoreError: The store failed, or holds something else.
    """
    if store.head(key) is None:
        return None
    return InspectionRecord.from_json(store.get(key), where=key)
