"""What Prometheus reads: the right figures, for the keys that may see them, and labels that nobody can multiply."""

from __future__ import annotations

import logging
import re
import sqlite3
import time
from collections.abc import Iterable
from itertools import product
from pathlib import Path

import httpx
import pytest
from api_client import Api, running_api, settings_in, submitted
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from stand_in_farm import StandInFarm

from farm.page.all_pages import make_page
from jobs.access import Scope
from jobs.errors import NotSpeech
from jobs.lifecycle import JobState, SegmentState
from jobs.standings import Standings

PATHS = (
    *("/{}", "/v1/{}", "/v1//{}", "/v1/jobs/{}", "/v1/jobs/?{}", "/v1/jobs/{}/masters/{}", "/v1/errors/{}"),
    *("/v1/keys/%2e%2e%2f{}", "/metrics/{}", "/openapi.json?{}"),
    *("/static/{}", "/jobs/{}", "/jobs/{}/segments/{}"),
)

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(api: Api) -> list[Metric]:
    with api.client("house", Scope.METRICS) as client:
        answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return list(text_string_to_metric_families(answer.text))


def figures_of(families: Iterable[Metric]) -> Figures:
    figures = {}
    for family in families:
        for sample in family.samples:
            at = (sample.name, frozenset(sample.labels.items()))
            assert at not in figures, "told twice"
            figures[at] = sample.value
    return figures


def figure(api: Api, name: str, **labels: str) -> float | None:
    return figures_of(scraped(api)).get((name, frozenset(labels.items())))


def by_state(api: Api, name: str) -> dict[str, float]:
    """Those that are not 0."""
    found = {
        dict(labels)["state"]: value for (at, labels), value in figures_of(scraped(api)).items() if at == name
    }
    return {state: value for state, value in found.items() if value}


def test_a_farm_of_which_nothing_was_heard_yet_has_figures(api: Api) -> None:
    families = {family.name: family for family in scraped(api)}
    for name, family in families.items():
        assert family.documentation.endswith("."), name
        assert family.type in ("gauge", "counter", "histogram"), name
        assert name.startswith("farm_"), name
    assert {sample.labels["state"] for sample in families["farm_jobs"].samples} == {s.value for s in JobState}
    assert {sample.labels["state"] for sample in families["farm_segments"].samples} == {
        s.value for s in SegmentState
    }
    assert families["farm_heartbeat_timestamp_seconds"].samples == []
    assert families["farm_run_start_timestamp_seconds"].samples == []
    figures = figures_of(families.values())
    assert figures["farm_served", frozenset()] == 0
    assert figures["farm_replicas", frozenset({("pool", "render")})] == 0
    assert figures["farm_journal_events_total", frozenset()] == 0


def test_counts_follow_a_job_through_its_states(api: Api, farm: StandInFarm) -> None:
    with api.client() as north, api.client("south") as south:
        job, lost = submitted(north), submitted(south)
        assert by_state(api, "farm_jobs") == {"queued": 2}
        assert by_state(api, "farm_segments") == {"blocked": 2}
        farm.succeed(job)
        assert by_state(api, "farm_jobs") == {"queued": 1, "succeeded": 1}
        assert by_state(api, "farm_segments") == {"blocked": 1}, "of jobs that have not ended"
        assert figure(api, "farm_segment_commits_total") == 1
        farm.fail(lost, NotSpeech("is silent", where="spec.speech"))
        assert by_state(api, "farm_jobs") == {"failed": 1, "succeeded": 1}
        assert by_state(api, "farm_segments") == {}
        submitted(north)
        assert by_state(api, "farm_jobs") == {"failed": 1, "succeeded": 1, "queued": 1}
        entries = sum(1 for _ in api.journal.read())
        assert figure(api, "farm_journal_events_total") == entries


def test_a_process_that_begins_later_has_the_same_counts(api: Api, farm: StandInFarm) -> None:
    with api.client() as client:
        for title in ("a", "b", "c"):
            farm.succeed(submitted(client, title))
        submitted(client, "d")
    with running_api(api.settings) as other:
        for name in ("farm_jobs", "farm_segments"):
            assert by_state(other, name) == by_state(api, name)


def test_it_is_told_who_serves_since_when_and_with_how_much(api: Api) -> None:
    begun = time.time()
    epoch = api.journal.begin_epoch("a test")
    api.journal.beat(epoch, Standings(owner="render-host", replicas=3).model_dump_json())
    figures = figures_of(scraped(api))
    assert figures["farm_served", frozenset()] == 1
    assert figures["farm_replicas", frozenset({("pool", "render")})] == 3
    for name in ("farm_run_start_timestamp_seconds", "farm_heartbeat_timestamp_seconds"):
        assert begun - 1 < figures[name, frozenset()] < time.time() + 1


def test_what_no_farm_answered_and_what_no_receiver_took_is_counted(tmp_path: Path) -> None:
    with running_api(settings_in(tmp_path)) as api, api.client() as client:
        # Nobody has that name.
        api.journal.webhooks.add(studio="north", url="https://receiver.invalid/x", label="", types=[])
        job = submitted(client)
        assert figure(api, "farm_requests_unanswered") == 1
        assert figure(api, "farm_webhook_deliveries_pending") == 0
        farm = StandInFarm(api.settings.journal)
        try:
            until = time.monotonic() + 10
            # A message each: it is received, planned, and moved three times.
            while figure(api, "farm_webhook_deliveries_pending") != 5:
                assert time.monotonic() < until
                time.sleep(0.05)
            assert client.get(f"/v1/jobs/{job}").json()["state"] == "queued"
            assert figure(api, "farm_requests_unanswered") == 0
        finally:
            farm.stop()


def test_nobody_reads_it_without_a_key_for_it(api: Api) -> None:
    bare = httpx.get(f"{api.server.address}/metrics")
    assert (bare.status_code, bare.json()["code"]) == (401, "no_key")
    with api.client("north", Scope.READ, Scope.WRITE, Scope.ADMIN) as client:
        answer = client.get("/metrics")
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    with api.client("house", Scope.METRICS) as client:
        assert client.get("/metrics").status_code == 200
        for path in ("/v1/jobs", "/v1/events", "/v1/keys"):
            assert client.get(path).status_code == 403, path


def test_requests_are_counted_by_their_addresses_as_the_api_is_written(api: Api, farm: StandInFarm) -> None:
    with api.client() as client:
        job = submitted(client)
        for _ in range(3):
            assert client.get(f"/v1/jobs/{job}").status_code == 200
        assert client.get("/v1/jobs/nothing-9").status_code == 404
        assert client.delete(f"/v1/jobs/{job}").status_code == 405
        assert client.get("/openapi.json").status_code == 200
        assert client.post("/v1/jobs", content=b"x" * 50_000).status_code == 413
        with client.stream("GET", "/v1/events") as stream:
            assert stream.status_code == 200
            figures = figures_of(scraped(api))

    def requests(method: str, route: str, status: int) -> float | None:
        labels = {"method": method, "route": route, "status": str(status)}
        return figures.get(("farm_http_requests_total", frozenset(labels.items())))

    assert requests("POST", "/v1/uploads", 201) == 1
    assert requests("POST", "/v1/jobs", 201) == 1
    assert requests("GET", "/v1/jobs/{job}", 200) == 3
    assert requests("GET", "/v1/jobs/{job}", 404) == 1
    assert requests("DELETE", "/v1/jobs/{job}", 405) == 1
    assert requests("GET", "/openapi.json", 200) == 1
    assert requests("GET", "/v1/events", 200) == 1, "counted once its answer begins: it may take for ever"
    assert requests("POST", "none", 413) == 1
    job_labels = frozenset({("method", "GET"), ("route", "/v1/jobs/{job}")})
    assert figures["farm_http_request_duration_seconds_count", job_labels] == 4
    assert 0 < figures["farm_http_request_duration_seconds_sum", job_labels] < 20


def test_what_the_farm_itself_fails_at_is_counted_once(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, logger="uvicorn.error")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("nobody foresaw it")

    monkeypatch.setattr("farm.api.studio_jobs.StudioJobs.page", fail)
    with api.client() as client:
        assert client.get("/v1/jobs").status_code == 500
    assert figure(api, "farm_http_requests_total", method="GET", route="/v1/jobs", status="500") == 1
    with sqlite3.connect(api.settings.journal) as database:
        database.execute("ALTER TABLE heartbeats RENAME TO elsewhere")
    database.close()
    with api.client("house", Scope.METRICS) as client:
        assert client.get("/metrics").status_code == 503
    with sqlite3.connect(api.settings.journal) as database:
        database.execute("ALTER TABLE elsewhere RENAME TO heartbeats")
    database.close()
    assert figure(api, "farm_http_requests_total", method="GET", route="/metrics", status="503") == 1


def test_nobody_can_make_labels(tmp_path: Path) -> None:
    """Whatever is asked for, by whatever method, of the API and of the page."""
    with running_api(settings_in(tmp_path), make_page=make_page) as api:

        def ask_everything(mark: str) -> None:
            with httpx.Client(base_url=api.server.address) as client:
                for path, method in product(PATHS, ("GET", "HEAD", "POST", "PUT", f"METHOD{mark}")):
                    client.request(method, path.replace("{}", f"secret-{mark}"))

        ask_everything("1")
        scraped(api)
        before = figures_of(scraped(api))
        for mark in ("2", "3", "4"):
            ask_everything(mark)
        after = figures_of(scraped(api))
    assert after.keys() == before.keys()
    values = {value for _, labels in after for _, value in labels}
    assert not [value for value in values if re.search(r"secret|METHOD|north|house", value)]
    assert {"/v1/jobs/{job}", "/jobs/{job}", "/static/{name}", "/openapi.json", "none", "other"} <= values
