"""The page of a job: its segments with every try and why, its masters, what can be done with it; and it stays true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from page_client import FROM_HERE, RunningPage, sent, token_in
from test_job_list_page import HOSTILE, messages
from written_farm import USER, WrittenFarm

from farm.page.segment_grid import MOST_CELLS
from farm.page.words import SEGMENT_WORDS, StateGroup, group_of, states_of
from jobs.access import Scope
from jobs.errors import InternalError, SegmentRejected
from jobs.farm_requests import (
    CancelRequest,
    PauseRequest,
    RequeueRequest,
    ResumeRequest,
    RetryRequest,
    SubmitRequest,
    WaiveRequest,
    request_from_json,
)
from jobs.lifecycle import JobEvent, JobState, SegmentState
from jobs.standings import Standing

BAD = SegmentRejected("the mouth is elsewhere", where="segment 2", hint="waive it", code="mouth_off")


def cells(html: str) -> list[tuple[str, str]]:
    """Colour and address of each cell."""
    return re.findall(
        r'<a (?:id="cell-\d+" )?class="cell is-([a-z]+)" href="/jobs/[^/"]+/segments/([\d-]+)"', html
    )


def offered(html: str) -> set[str]:
    return set(re.findall(r'name="change" value="([a-z]+)"', html))


def asked_for(page: RunningPage) -> list[object]:
    return [request_from_json(asked.body) for asked in page.journal.asked()]


@pytest.fixture
def master(tmp_path: Path) -> Path:
    path = tmp_path / "master.mp4"
    path.write_bytes(b"not really a video, but 40 bytes of one..")
    return path


def test_every_segment_has_a_cell_of_its_state(page: RunningPage, farm: WrittenFarm) -> None:
    job = farm.receive(segments=5, takes=2)
    farm.start(job, 0, 1, 2)
    farm.commit(job, 0)
    farm.give_up(job, 2, BAD)
    farm.ready(job, 3)
    with page.visitor() as client:
        html = client.get(f"/jobs/{job}").text
        found = ["committed", "leased", "quarantined", "ready", *["blocked"] * 6]
        assert cells(html) == list(zip(found, map(str, range(10)), strict=True))
        assert 'aria-label="Segment 2: given up, waiting for you"' in html
        assert "<h3>Take 2</h3>" in html
        assert "1 segment was given up" in html
        assert html.count('tabindex="-1"') >= 8  # one of each take is reached by Tab, the others by arrows


def test_ten_thousand_segments_are_few_cells(page: RunningPage, farm: WrittenFarm) -> None:
    job = farm.receive(segments=10_000)
    farm.start(job, 9_999)
    with page.visitor() as client:
        answer = client.get(f"/jobs/{job}")
        found = cells(answer.text)
        assert len(found) == MOST_CELLS
        assert found[-1] == ("leased", "9975-9999")
        assert len(answer.content) < 120_000
        part = client.get(f"/jobs/{job}/segments/9975-9999", headers={"HX-Request": "true"}).text
        assert cells(part) == [*[("blocked", str(n)) for n in range(9975, 9999)], ("leased", "9999")]


def test_a_segment_tells_every_try_and_why(page: RunningPage, farm: WrittenFarm) -> None:
    job, other = farm.receive(segments=12), farm.receive(segments=12)
    farm.start(other, 1)
    farm.spoil(other, 1, InternalError("of another job"))
    farm.start(job, 1, 11)
    farm.spoil(job, 11, InternalError("of another segment"))
    farm.spoil(job, 1, BAD)
    farm.start(job, 1)
    farm.commit(job, 1)
    with page.visitor() as client:
        part = client.get(f"/jobs/{job}/segments/1", headers={"HX-Request": "true"}).text
        assert "<html" not in part
        said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", part))
        assert "Try 1 failed the mouth is elsewhere mouth_off" in said
        assert said.index("Try 1 failed") < said.index("Try 2 started") < said.index("Try 2 succeeded")
        assert "of another" not in said
        assert "frames 50 to 99: done" in said
        assert "0123456789abcdef" in said
        whole = client.get(f"/jobs/{job}/segments/1").text
        assert "<html" in whole
        assert "Try 1 failed" in re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", whole))
        for wrong in ("12", "-1", "99999999999999999999", "3-1", "0-12"):
            assert client.get(f"/jobs/{job}/segments/{wrong}").status_code in (404, 422)


def test_what_is_offered_is_what_the_state_allows(page: RunningPage, farm: WrittenFarm) -> None:
    with page.visitor() as client:
        job = farm.receive()
        assert offered(client.get(f"/jobs/{job}").text) == {"pause", "cancel"}
        farm.start(job, 0)
        farm.move(job, JobEvent.PAUSE_ASKED, reason=USER)
        assert offered(client.get(f"/jobs/{job}").text) == {"resume", "cancel"}
        farm.give_up(job, 0, BAD)
        assert offered(client.get(f"/jobs/{job}").text) == {"resume", "cancel", "retry"}
        assert offered(client.get(f"/jobs/{job}/segments/0").text) >= {"requeue", "waive"}
        farm.fail(job, BAD)
        html = client.get(f"/jobs/{job}/segments/0").text
        assert offered(html) == {"retry"}
        assert "The mouth is elsewhere" in html
        assert "What to do: waive it." in html
    with page.visitor("north", Scope.READ) as client:
        assert offered(client.get(f"/jobs/{job}").text) == set()


def test_changes_are_those_of_the_api(page: RunningPage, farm: WrittenFarm) -> None:
    job = farm.receive()
    path, form_on = f"/jobs/{job}/change", f"/jobs/{job}"
    frames = {"first_frame": "50", "last_frame": "99"}
    with page.visitor() as client:
        for change, request in {
            "pause": PauseRequest(job=job),
            "cancel": CancelRequest(job=job),
            "retry": RetryRequest(job=job),
            "resume": ResumeRequest(job=job),
            "waive": WaiveRequest(job=job, first_frame=50, stop_frame=100),
            "requeue": RequeueRequest(job=job, first_frame=50, stop_frame=100),
        }.items():
            answer = sent(client, path, {"change": change} | frames, form_on=form_on)
            assert "it is kept" in answer.text, change
            assert asked_for(page)[-1] == request
        sent(client, path, {"change": "resume", "max_gpu_seconds": "90.5"}, form_on=form_on)
        assert asked_for(page)[-1] == ResumeRequest(job=job, max_gpu_seconds=90.5)
        count = len(asked_for(page))
        for wrong in (
            {"change": "explode"},
            {"change": "resume", "max_gpu_seconds": "much"},
            {"change": "waive", "first_frame": "9", "last_frame": "x"},
            {"change": "waive", "first_frame": "9", "last_frame": "1"},
        ):
            answer = sent(client, path, wrong, form_on=form_on)
            assert (answer.status_code, 'class="notice bad"' in answer.text) == (422, True)
        assert len(asked_for(page)) == count
        # Without scripts a form leads back to the page.
        plain = client.post(
            path,
            data={"change": "pause", "form_token": token_in(client.get(form_on).text)},
            headers=FROM_HERE,
        )
        assert (plain.status_code, plain.headers["location"]) == (303, f"/jobs/{job}")


def test_another_studios_job_is_not_there(page: RunningPage, farm: WrittenFarm, master: Path) -> None:
    job = farm.receive(studio="south")
    farm.start(job, *range(6))
    farm.commit(job, *range(6))
    farm.finish(job, master)
    with page.visitor() as client:
        for path in (
            "",
            "/live",
            "/segments/0",
            "/segments/0-3",
            "/masters/1",
            "/masters/1/manifest",
            "/hls/1/main.m3u8",
        ):
            theirs, nobodys = client.get(f"/jobs/{job}{path}"), client.get(f"/jobs/nothing-77{path}")
            assert (theirs.status_code, nobodys.status_code) == (404, 404)
            assert theirs.text.replace(job, "J").count("unknown_job") == nobodys.text.count("unknown_job") > 0
        assert sent(client, f"/jobs/{job}/change", {"change": "cancel"}).status_code == 404
        assert asked_for(page) == []


def test_a_master_is_played_and_kept(page: RunningPage, farm: WrittenFarm, master: Path) -> None:
    job = farm.receive()
    farm.start(job, *range(6))
    farm.commit(job, *range(6))
    farm.finish(job, master)
    with page.visitor() as client, page.stranger() as nobody:
        html = client.get(f"/jobs/{job}").text
        assert f'src="/jobs/{job}/masters/1"' in html
        whole = client.get(f"/jobs/{job}/masters/1")
        assert (whole.content, whole.headers["content-type"]) == (master.read_bytes(), "video/mp4")
        part = client.get(f"/jobs/{job}/masters/1", headers={"Range": "bytes=4-9"})
        assert (part.status_code, part.content) == (206, master.read_bytes()[4:10])
        assert nobody.get(f"/jobs/{job}/masters/1").status_code == 303
        assert client.get(f"/jobs/{job}/masters/2").status_code == 404


def test_what_can_be_watched_of_each_take_is_told(page: RunningPage, farm: WrittenFarm, master: Path) -> None:
    job = farm.receive(takes=2)
    with page.visitor() as client:
        assert "The picture begins with the first segment." in client.get(f"/jobs/{job}").text
        farm.start(job, *range(8))
        farm.commit(job, 0, 1, 3, 6, 7)
        html = client.get(f"/jobs/{job}").text
        # The third of the first take is missing, so the fourth cannot be watched.
        assert "4 of about 12 s can be watched" in html
        assert f'data-pieces="2" data-ended="no" data-stream="/jobs/{job}/hls/1/main.m3u8"' in html
        assert f'data-pieces="2" data-ended="no" data-stream="/jobs/{job}/hls/2/main.m3u8"' in html
        farm.commit(job, 2, 4, 5)
        assert "All of it can be watched; its master is being made" in client.get(f"/jobs/{job}").text
        farm.deliver(job, master, take=1)
        html = client.get(f"/jobs/{job}").text
        assert f'src="/jobs/{job}/masters/1"' in html
        assert f"{master.stat().st_size} bytes" in html
        farm.move(job, JobEvent.CANCEL_ASKED, reason=USER)
        farm.move(job, JobEvent.QUIET)
        html = client.get(f"/jobs/{job}").text
        assert "4 s of it were rendered" in html
        assert 'data-ended="no"' not in html


def test_the_page_is_told_of_each_segment_that_changes(
    page: RunningPage, farm: WrittenFarm, master: Path
) -> None:
    job = farm.receive(segments=3)
    with page.visitor() as client:
        stream = messages(client, f"/jobs/{job}/live")
        assert len(cells(next(stream)[1])) == 3
        farm.start(job, 1)
        changed = next(data for name, data in stream if not name)
        assert ("leased", "1") in cells(changed)
        assert 'hx-target="#cell-1"' in changed
        assert 'hx-target="#cell-0"' not in changed
        assert next(stream)[0] == "segments"
        farm.start(job, 0, 2)
        farm.commit(job, 0, 1, 2)
        farm.finish(job, master)
        seen = ""
        while f'data-file="/jobs/{job}/masters/1"' not in seen or "succeeded" not in seen:
            seen += next(data for name, data in stream if not name)


def test_it_says_why_it_waits_and_what_was_found_in_the_recording(
    page: RunningPage, farm: WrittenFarm
) -> None:
    job = farm.receive(told=("The recording is in stereo.",))
    farm.beat({job: Standing(code="turn", sentence="Every replica is busy.", position=2)})
    with page.visitor() as client:
        html = client.get(f"/jobs/{job}").text
        assert "Every replica is busy." in html
        assert "Place in line: 3." in html
        assert "The recording is in stereo." in html


def test_what_others_write_stays_text(page: RunningPage, farm: WrittenFarm) -> None:
    job = farm.receive(told=(HOSTILE,))
    farm.start(job, 0)
    farm.give_up(job, 0, SegmentRejected(HOSTILE, where=HOSTILE, hint=HOSTILE, code="mouth_off"))
    farm.fail(job, SegmentRejected(HOSTILE, where=HOSTILE, hint=HOSTILE))
    with page.visitor() as client:
        for path in (f"/jobs/{job}", f"/jobs/{job}/segments/0"):
            html = client.get(path).text
            assert "<img" not in html
            assert "<script>alert" not in html
            assert '<hx-partial hx-target="body"' not in html
            assert "&lt;img src=x" in html


def test_a_job_that_no_farm_took_in_has_a_page(page: RunningPage, farm: WrittenFarm) -> None:
    with page.visitor() as client:
        document = {
            "apiVersion": "farm/v1",
            "kind": "RenderJob",
            "metadata": {"name": "new"},
            "spec": {"speech": "uploads/x/speech", "subject": "builtin:actor-a"},
        }
        submit = SubmitRequest(document=document, folder="/nowhere", studio="north")
        number = page.journal.ask(submit.model_dump_json(), token="t")
        html = client.get(f"/jobs/new-{number}").text
        assert "known once the farm has planned the job" in html
        assert offered(html) == set()
        stream = messages(client, f"/jobs/new-{number}/live")
        assert next(stream)[0] == ""
        assert farm.take_in() == [f"new-{number}"]
        while len(cells(next(data for name, data in stream if not name))) != 6:
            pass


def test_every_state_has_a_group_and_every_segment_words() -> None:
    assert {group_of(state.value) for state in JobState} == set(StateGroup)
    assert frozenset().union(*map(states_of, StateGroup)) == {"waiting", *(state.value for state in JobState)}
    assert set(SEGMENT_WORDS) == set(SegmentState)
