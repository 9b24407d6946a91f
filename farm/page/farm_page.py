"""/farm: who serves, since when, with how much, and what waits for it, by studio; live."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from anyio import to_thread
from fastapi import APIRouter, Response
from markupsafe import Markup

from farm.api.context import ApiContext, Context
from farm.api.job_answers import Presence
from farm.api.studio_jobs import StudioJobs
from farm.ledger import LedgerJob
from farm.page.bars import Bar, bar_of_counts
from farm.page.frame import page_of, presence_shown
from farm.page.live import LivePart, live
from farm.page.sessions import AnyVisitor, Visitor
from farm.page.templates import filled
from jobs.access import Scope
from jobs.lifecycle import SegmentState
from jobs.priority import Tier
from jobs.standings import Standing

router = APIRouter(prefix="/farm")

_SETTLED: Final = (SegmentState.COMMITTED, SegmentState.WAIVED)
_TIERS: Final = tuple(tier.value for tier in Tier if tier is not Tier.TRAINING)
_WAITS: Final[Mapping[str, str]] = {
    "running": "Nothing: replicas work on all of it",
    "turn": "Its turn",
    "motion": "Its motion",
    "planning": "Its plan",
    "sketching": "Its takes, which are being drawn",
    "choice": "Your word: one of its takes is to be chosen",
    "finishing": "Its master, which is being joined and delivered",
    "backoff": "Something that does not answer; it is tried again",
    "fresh_replica": "A fresh replica",
    "job_limit": "One of the replicas that the job may have",
    "studio_limit": "One of the replicas that the studio may have",
    "no_capacity": "A replica that takes work",
    "budget": "A larger budget, from you",
    "quarantine": "Your word on segments that were given up",
    "on_hold": "Your word: it is on hold",
    "paused": "Your word: it is paused",
    "stopping": "Its end: it is being cancelled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StudioQueue:
    """What a studio has in the farm and is not over.

    Attributes:
        tiers: Jobs of each urgency, the most urgent first.
        segments_left: Of jobs that are planned.
        bar: Its jobs by group of states.
    """

    studio: str
    jobs: int
    tiers: tuple[tuple[str, int], ...]
    segments_left: int
    bar: Bar


@router.get("")
async def farm_page(context: Context, visitor: AnyVisitor) -> Response:
    """The farm."""
    now = await _look(context, visitor)
    return await page_of(context, visitor, "farm.html", section="farm", live=now.whole())


@router.get("/live")
async def live_farm(context: Context, visitor: AnyVisitor) -> Response:
    """The same as a stream."""
    return live(context, visitor, lambda: _look(context, visitor))


async def _look(context: ApiContext, visitor: Visitor) -> LivePart:
    presence = await StudioJobs(context, visitor.key.studio).presence()
    await context.followed.refresh()
    began_at = await to_thread.run_sync(context.journal.epoch_began_at, presence.epoch)
    sees_all = visitor.may(Scope.ADMIN)
    unfinished = [
        job
        for job in context.followed.jobs.values()
        if not job.state.is_terminal and (sees_all or job.studio == visitor.key.studio)
    ]
    shown = {
        "serving": filled(
            "serving.html",
            presence=presence,
            began_at=None if began_at is None else datetime.fromtimestamp(began_at, UTC),
            sees_all=sees_all,
        ),
        "queues": filled("queues.html", queues=_queues(unfinished), sees_all=sees_all),
        "waits": filled("waits.html", waits=_waits(presence, unfinished)),
    }

    def whole() -> Markup:
        return Markup("").join(shown.values())

    return LivePart(whole=whole, elements=shown, outside={"presence": presence_shown(presence)})


def _queues(unfinished: Iterable[LedgerJob]) -> list[StudioQueue]:
    by_studio: dict[str, list[LedgerJob]] = {}
    for job in unfinished:
        by_studio.setdefault(job.studio, []).append(job)
    return [_queue(studio, jobs) for studio, jobs in sorted(by_studio.items())]


def _queue(studio: str, jobs: list[LedgerJob]) -> StudioQueue:
    tiers = Counter(map(_tier_of, jobs))
    settled = sum(job.segments.count(state) for job in jobs for state in _SETTLED)
    return StudioQueue(
        studio=studio,
        jobs=len(jobs),
        tiers=tuple((tier, tiers[tier]) for tier in _TIERS if tiers[tier]),
        segments_left=sum(len(job.segments) for job in jobs) - settled,
        bar=bar_of_counts(Counter(job.state.value for job in jobs)),
    )


def _tier_of(job: LedgerJob) -> str:
    if '"tier"' not in job.document_json:  # most are told without reading their documents
        return Tier.NORMAL
    return str(job.document["spec"].get("scheduling", {}).get("tier", Tier.NORMAL))


def _waits(presence: Presence, unfinished: Iterable[LedgerJob]) -> list[tuple[int, str]]:
    """How many jobs wait for what, as the farm said it last."""
    if not presence.is_served:
        return []
    told: Mapping[str, Standing] = presence.standings.jobs
    counts = Counter(told[job.name].code for job in unfinished if job.name in told)
    return [(counts[code], words) for code, words in _WAITS.items() if counts[code]]
