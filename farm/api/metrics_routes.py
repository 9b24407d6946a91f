"""/metrics: the figures of the whole farm and of the process that answers, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from anyio import to_thread
from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from farm.api.access import NEEDS_METRICS
from farm.api.context import ApiContext, Context
from farm.api.job_answers import Presence
from farm.api.problems import documented
from farm.api.request_metrics import RequestMetrics
from farm.api.studio_jobs import StudioJobs
from jobs.lifecycle import JobState, SegmentState

router = APIRouter(tags=["metrics"], dependencies=[NEEDS_METRICS])

_RENDER_POOL: Final = "render"


@router.get("/metrics", response_class=PlainTextResponse, responses=documented())
async def metrics(context: Context) -> Response:
    """The figures of the whole farm and of this process, for Prometheus."""
    shown = _Shown(await _figures_of(context), context.requests)
    return Response(generate_latest(shown), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmFigures:
    """What there is to measure of the whole farm.

    Attributes:
        jobs: In each state.
        segments: In each state, of jobs that have not ended.
        commits: Segments that were committed since this process began.
        events: Entries of the journal.
        unanswered: Requests that no farm has answered yet.
        pending: Messages to receivers that are still to be sent.
        presence: What was heard of the farm last.
        began_at: When that run of it began, in seconds since 1970; None where nobody ever served.
    """

    jobs: Mapping[JobState, int]
    segments: Mapping[SegmentState, int]
    commits: int
    events: int
    unanswered: int
    pending: int
    presence: Presence
    began_at: float | None


async def _figures_of(context: ApiContext) -> FarmFigures:
    journal, followed = context.journal, context.followed
    presence = await StudioJobs(context, "").presence()
    began_at = await to_thread.run_sync(journal.epoch_began_at, presence.epoch)
    unanswered = await to_thread.run_sync(journal.unanswered)
    pending = await to_thread.run_sync(journal.outbox.pending)
    await followed.refresh()
    return FarmFigures(
        jobs=followed.counts.jobs(),
        segments=followed.counts.unfinished,
        commits=followed.counts.commits,
        events=followed.sequence,
        unanswered=unanswered,
        pending=pending,
        presence=presence,
        began_at=began_at,
    )


class _Shown(Collector):
    """One answer; made anew for each, so that two that are made at once share nothing."""

    def __init__(self, figures: FarmFigures, requests: RequestMetrics) -> None:
        self._figures, self._requests = figures, requests

    def collect(self) -> Iterator[Metric]:
        """Every metric."""
        yield from _of_work(self._figures)
        yield from _of_serving(self._figures)
        yield from self._requests.collect()


def _of_work(figures: FarmFigures) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("farm_jobs", "Jobs that a farm has taken in, by state.", labels=["state"])
    for job_state in JobState:
        jobs.add_metric([job_state.value], figures.jobs.get(job_state, 0))
    yield jobs
    segments = GaugeMetricFamily(
        "farm_segments", "Segments of jobs that have not ended, by state.", labels=["state"]
    )
    for segment_state in SegmentState:
        segments.add_metric([segment_state.value], figures.segments.get(segment_state, 0))
    yield segments
    yield CounterMetricFamily(
        "farm_segment_commits",
        "Segments that were committed since this process began to follow the farm.",
        value=figures.commits,
    )
    yield GaugeMetricFamily(
        "farm_requests_unanswered",
        "New jobs and changes that were asked for, and that no farm has answered yet.",
        value=figures.unanswered,
    )
    yield GaugeMetricFamily(
        "farm_webhook_deliveries_pending",
        "Messages to receivers that are still to be sent, or to be sent again.",
        value=figures.pending,
    )
    yield CounterMetricFamily("farm_journal_events", "Entries of the journal.", value=figures.events)


def _of_serving(figures: FarmFigures) -> Iterator[Metric]:
    presence = figures.presence
    yield GaugeMetricFamily("farm_served", "1 while a farm serves, otherwise 0.", value=presence.is_served)
    heard = GaugeMetricFamily(
        "farm_heartbeat_timestamp", "When a farm was heard of last, since 1970.", unit="seconds"
    )
    if presence.since is not None:
        heard.add_metric([], presence.since.timestamp())
    yield heard
    began = GaugeMetricFamily(
        "farm_run_start_timestamp", "When the run of the farm that was heard of began.", unit="seconds"
    )
    if figures.began_at is not None:
        began.add_metric([], figures.began_at)
    yield began
    replicas = GaugeMetricFamily(
        "farm_replicas", "Replicas that have joined, by pool; 0 while no farm serves.", labels=["pool"]
    )
    joined = presence.standings.replicas if presence.is_served else 0
    replicas.add_metric([_RENDER_POOL], joined)
    yield replicas
