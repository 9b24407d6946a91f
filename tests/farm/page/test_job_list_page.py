"""The list of jobs: what it shows of which studio, by filter, order and page, and how it stays true."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from page_client import QUICK, RunningPage, running_page, sent
from written_farm import USER, WrittenFarm

from jobs.errors import InternalError, SegmentRejected
from jobs.farm_requests import PauseRequest, SubmitRequest, request_from_json
from jobs.lifecycle import JobEvent
from jobs.standings import Standing

HOSTILE = '<img src=x onerror=alert(1)><script>alert(2)</script>"\'><hx-partial hx-target="body">'


def listed(html: str) -> list[str]:
    return re.findall(r'<a href="/jobs/([^"?]+)">', html)


def messages(client: httpx.Client, path: str) -> Iterator[tuple[str, str]]:
    """Server-sent events: name and data."""
    with client.stream("GET", path, timeout=20) as answer:
        name, data = "", list[str]()
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data.append(line.removeprefix("data: "))
            elif not line:
                yield name, "\n".join(data)
                name, data = "", []


def test_without_a_job_the_list_says_what_to_do(page: RunningPage) -> None:
    with page.visitor() as client:
        html = client.get("/jobs").text
        assert "No jobs yet" in html
        assert 'href="/new"' in html
        assert "No farm serves" in html


def test_jobs_stand_with_state_progress_and_why(page: RunningPage, farm: WrittenFarm) -> None:
    waits, runs = farm.receive("lesson", project="school"), farm.receive("trailer", segments=8)
    farm.start(runs, *range(4))
    farm.commit(runs, *range(3))
    sentence = "Every replica is busy; 3 jobs come before it."
    farm.beat({waits: Standing(code="turn", sentence=sentence, position=3)}, replicas=2)
    with page.visitor() as client:
        html = client.get("/jobs").text
        assert listed(html) == [runs, waits]
        assert sentence in html
        assert "3 of 8 segments" in html
        assert 'aria-label="3 done, 1 being rendered, 4 waiting for motion"' in html
        assert "Farm serves, 2 renderers" in html


def test_another_studios_jobs_are_not_there(page: RunningPage, farm: WrittenFarm) -> None:
    theirs = farm.receive("secret", studio="south")
    with page.visitor() as client:
        html = client.get("/jobs?search=secret").text
        assert (listed(html), "No jobs yet" in html) == ([], True)
        answer = sent(client, "/jobs/change", {"change": "cancel", "job": theirs})
        assert "0 of 1 ticked job: cancel is asked for." in answer.text
        assert list(page.journal.asked()) == []


def test_groups_are_counted_as_jobs_come_and_go(page: RunningPage, farm: WrittenFarm) -> None:
    def counts(client: httpx.Client) -> dict[str, int]:
        html = client.get("/jobs").text
        return {name: int(count) for count, name in re.findall(r"<b>(\d+)</b> ([a-z ]+)</a>", html)}

    with page.visitor() as client:
        assert set(counts(client).values()) == {0}
        jobs = [farm.receive() for _ in range(4)]
        farm.receive(studio="south")
        farm.start(jobs[0], 0)
        farm.start(jobs[1], 0)
        farm.fail(jobs[1], InternalError("it broke"))
        assert counts(client) == {
            "all": 4,
            "running": 1,
            "waiting": 2,
            "need you": 0,
            "done": 0,
            "failed": 1,
            "ended": 0,
        }
        told = counts(client)
    # A process that starts later counts the same.
    folder = page.settings.cache.parent
    with running_page(folder) as other, other.visitor() as client:
        assert counts(client) == told


def test_filters_and_orders_are_in_the_address(page: RunningPage, farm: WrittenFarm) -> None:
    b, c, a = (
        farm.receive("bee", project="spring"),
        farm.receive("Cat"),
        farm.receive("ant", project="spring"),
    )
    farm.start(b, 0)
    farm.fail(b, InternalError("it broke"))
    with page.visitor() as client:
        for query, jobs in {
            "": [a, c, b],
            "order=oldest": [b, c, a],
            "order=name": [c, a, b],
            "order=changed": [b, a, c],
            "search=CA": [c],
            "project=spring": [a, b],
            "group=failed": [b],
            "group=waiting&order=oldest": [c, a],
            "project=default": [],
            "search=nothing": [],
        }.items():
            assert listed(client.get(f"/jobs?{query}").text) == jobs, query
        assert "No job is like that" in client.get("/jobs?search=nothing").text
        assert client.get("/jobs?order=bad").status_code == 422


@pytest.mark.parametrize("order", ["newest", "oldest", "changed", "name"])
def test_a_long_list_has_pages_that_leave_none_out(page: RunningPage, farm: WrittenFarm, order: str) -> None:
    made = [farm.receive(f"job{number % 7}", segments=1) for number in range(120)]
    with page.visitor() as client:
        path, found = f"/jobs?order={order}", list[str]()
        for _ in range(3):
            html = client.get(path).text
            found += listed(html)
            following = re.search(r'href="([^"]+)">Next page', html)
            path = following[1].replace("&amp;", "&") if following else ""
        assert path == ""
        assert sorted(found) == sorted(made)
        assert client.get("/jobs?cursor=nonsense").status_code == 422
        other = "name" if order == "newest" else "newest"
        first = re.search(r"cursor=([^\"&]+)", client.get(f"/jobs?order={order}").text)
        assert first is not None
        assert client.get(f"/jobs?order={other}&cursor={first[1]}").status_code == 422


def test_several_jobs_are_changed_at_once(page: RunningPage, farm: WrittenFarm) -> None:
    jobs = [farm.receive(), farm.receive(), farm.receive()]
    with page.visitor() as client:
        answer = sent(client, "/jobs/change", {"change": "pause", "job": jobs[:2]})
        assert "2 of 2 ticked jobs: pause is asked for." in answer.text
        asked = [request_from_json(each.body) for each in page.journal.asked()]
        assert {each.job for each in asked if isinstance(each, PauseRequest)} == set(jobs[:2])
        assert "No job is ticked" in sent(client, "/jobs/change", {"change": "pause"}).text
        assert sent(client, "/jobs/change", {"change": "explode", "job": jobs[0]}).status_code == 422
        assert [type(request_from_json(each.body)) for each in page.journal.asked()] == [PauseRequest] * 2


def test_many_jobs_are_asked_together_whether_a_farm_serves_or_not(tmp_path: Path) -> None:
    with running_page(tmp_path, limits=replace(QUICK, answer_s=2.0)) as page, page.visitor() as client:
        farm = WrittenFarm(page.settings.journal, page.settings.studios)
        jobs = [farm.receive(segments=1) for _ in range(40)]
        for serves in (False, True):
            if serves:
                farm.beat()
            begun = time.monotonic()
            answer = sent(client, "/jobs/change", {"change": "pause", "job": jobs})
            assert "40 of 40 ticked jobs" in answer.text
            assert time.monotonic() - begun < (10 if serves else 4)
            assert len(page.journal.asked()) == (80 if serves else 40)
        farm.close()


def test_a_list_is_told_what_changed_and_nothing_else(page: RunningPage, farm: WrittenFarm) -> None:
    still, runs = farm.receive("still"), farm.receive("runs")
    with page.visitor() as client:
        stream = messages(client, "/jobs/live")
        name, whole = next(stream)
        assert name == ""
        assert listed(whole) == [runs, still]
        assert next(stream)[0] == "beat"
        farm.start(runs, 0)
        farm.commit(runs, 0)
        changed = next(data for name, data in stream if not name)
        while "1 of 6 segments" not in changed:
            changed = next(data for name, data in stream if not name)
        assert listed(changed) == [runs]
        assert f'hx-target="#job-{runs.rpartition("-")[2]}"' in changed
        new = farm.receive("new")
        again = next(data for name, data in stream if not name)
        assert listed(again) == [new, runs, still]


def test_a_stream_ends_when_the_session_does(page: RunningPage) -> None:
    with page.visitor() as client, page.stranger() as other:
        stream = messages(client, "/jobs/live")
        next(stream)
        page.journal.page_sessions.end(client.cookies["farm_session"])
        assert [name for name, _ in stream][-1] == "beat"
        assert other.get("/jobs/live", headers={"HX-Request": "true"}).status_code == 401


def test_what_others_write_stays_text(page: RunningPage, farm: WrittenFarm) -> None:
    job = farm.receive("hello")
    farm.start(job, 0)
    farm.fail(job, SegmentRejected(HOSTILE, where=HOSTILE, hint=HOSTILE))
    held = farm.receive("held")
    farm.move(held, JobEvent.PAUSE_ASKED, reason=USER)
    farm.beat({held: Standing(code="turn", sentence=HOSTILE)})
    with page.visitor() as client:
        for path in ("/jobs", "/jobs/live"):
            html = client.get(path).text if path == "/jobs" else next(messages(client, path))[1]
            assert "<img" not in html
            assert "<script>alert" not in html
            assert '<hx-partial hx-target="body"' not in html
            assert "&lt;img src=x" in html
        html = client.get("/jobs", params={"search": HOSTILE, "project": HOSTILE[:60]}).text
        assert "<img" not in html
        assert f"{HOSTILE}" not in html


def test_a_job_that_no_farm_took_in_yet_stands_first(page: RunningPage, farm: WrittenFarm) -> None:
    old = farm.receive("old")
    with page.visitor() as client:
        document = {"metadata": {"name": "new"}, "spec": {"speech": "s", "subject": "builtin:actor-a"}}
        page.journal.ask(
            SubmitRequest(document=document, folder="/", studio="north").model_dump_json(), token="t"
        )
        html = client.get("/jobs").text
        assert listed(html) == ["new-2", old]
        assert "No farm serves" in html
        assert listed(client.get("/jobs?group=waiting&search=NEW").text) == ["new-2"]
        assert listed(client.get("/jobs?group=done").text) == []
