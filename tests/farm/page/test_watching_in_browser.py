"""A take watched in Chromium while a real coordinator renders it: it plays before its end, and keeps its place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import document, uploaded
from browsing import chromium, entered, line_to
from fake_stages import FakeStages
from page_client import QUICK, RunningPage, running_page
from test_api_renders import serving_farm
from written_farm import WrittenFarm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SEGMENT_S = 2.0


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    place = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(
            executable_path=place, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        yield opened
        opened.close()


@dataclass(slots=True)
class Rendering:
    """A farm that renders slowly, and a job on it."""

    page: RunningPage
    job: str
    client: httpx.Client

    @property
    def state(self) -> str:
        return str(self.client.get(f"/v1/jobs/{self.job}").json()["state"])

    @property
    def settled(self) -> int:
        progress = self.client.get(f"/v1/jobs/{self.job}").json()["progress"]
        return 0 if progress is None else int(progress["settled"])


@pytest.fixture
def render(tmp_path: Path, write_speech: Any) -> Callable[..., Any]:
    """render(seconds=..., seconds_per_segment=...): a job that is being rendered, for the length of a block."""

    @contextmanager
    def run(*, seconds: float, seconds_per_segment: float, **spec: Any) -> Iterator[Rendering]:
        stages = FakeStages.in_folder(tmp_path / "slow", seconds_per_segment=seconds_per_segment)
        roomy = replace(QUICK, upload_bytes=10_000_000, answer_s=20.0)
        with (
            running_page(tmp_path / "farm", limits=roomy) as page,
            serving_farm(page.settings, stages),
            httpx.Client(
                base_url=page.address, headers={"Authorization": f"Bearer {page.key()}"}, timeout=30
            ) as client,
        ):
            upload = uploaded(client, write_speech(seconds=seconds).read_bytes())
            answer = client.post("/v1/jobs", json=document(upload, **spec))
            assert answer.status_code == 201, answer.text
            yield Rendering(page, answer.json()["job"], client)

    return run


def until(seen: Callable[[], bool], what: str, *, within_s: float = 180) -> None:
    end = time.monotonic() + within_s
    while not seen():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def place(video: Any) -> float:
    return float(video.evaluate("each => each.currentTime"))


def test_it_plays_before_it_is_done_and_keeps_its_place_while_it_grows(browser: Any, render: Any) -> None:
    from playwright.sync_api import expect

    with (
        render(seconds=14.2, seconds_per_segment=2.5) as running,
        browser.new_context(viewport={"width": 1280, "height": 900}) as context,
    ):
        visitor = entered(context, running.page.address, running.page.key())
        visitor.goto(f"{running.page.address}/jobs/{running.job}")
        video = visitor.locator("#video")
        expect(video).to_be_visible(timeout=60_000)
        assert running.settled < 8
        until(lambda: video.evaluate("each => each.readyState") >= 2, "the first picture is not there")
        # A page at rest shows the first picture, and asks for nothing more.
        assert video.evaluate("each => each.paused && each.currentTime === 0")
        asked: list[str] = []
        visitor.on("request", lambda request: asked.append(request.url))
        visitor.wait_for_timeout(2500)
        assert [url for url in asked if "/hls/" in url] == []
        video.evaluate("each => { each.muted = true; return each.play(); }")
        until(lambda: place(video) > 0.5, "it does not play")
        assert running.state == "running", "it played only after its end"
        places = []
        while running.state not in ("succeeded", "failed"):
            places.append(place(video))
            time.sleep(0.2)
        assert running.state == "succeeded"
        assert places == sorted(places), "it jumped while the list grew"
        assert places[-1] > SEGMENT_S, "it did not go on with what was added"
        until(lambda: place(video) > 14.1, "it does not come to its end")
        assert float(video.evaluate("each => each.duration")) == pytest.approx(14.2, abs=0.03)
        assert video.evaluate("each => each.getVideoPlaybackQuality().droppedVideoFrames") < 50
        # Whoever began with the stream stays with it; the master is there to be kept.
        assert video.evaluate("each => each.src").startswith("blob:")
        expect(visitor.get_by_role("link", name="Download")).to_have_attribute(
            "href", f"/jobs/{running.job}/masters/1"
        )
        expect(visitor.locator("#watch-title")).to_have_text("Master")
        assert visitor.said == []
        visitor.reload()
        expect(video).to_have_attribute("src", f"/jobs/{running.job}/masters/1")
        until(lambda: video.evaluate("each => each.readyState") >= 1, "the master is not there")
        assert visitor.said == []


def test_whoever_has_seen_all_there_is_waits_for_the_rest_and_is_told(browser: Any, render: Any) -> None:
    from playwright.sync_api import expect

    with (
        render(seconds=6.2, seconds_per_segment=6.0) as running,
        browser.new_context() as context,
    ):
        visitor = entered(context, running.page.address, running.page.key())
        visitor.goto(f"{running.page.address}/jobs/{running.job}")
        expect(visitor.locator("#screen-empty")).to_have_text("The picture begins with the first segment.")
        video = visitor.locator("#video")
        expect(video).to_be_visible(timeout=60_000)
        video.evaluate("each => { each.muted = true; return each.play(); }")
        expect(visitor.locator("#screen-told")).to_contain_text("You have seen all there is", timeout=20_000)
        assert 1.5 < place(video) <= SEGMENT_S + 0.1
        until(lambda: place(video) > SEGMENT_S + 0.5, "it did not go on by itself")
        expect(visitor.locator("#screen-told")).to_be_empty()
        assert visitor.said == []


def test_takes_are_chosen_by_keyboard_and_stay_chosen(browser: Any, render: Any) -> None:
    from playwright.sync_api import expect

    with (
        render(seconds=4.2, seconds_per_segment=1.5, takes=2) as running,
        browser.new_context() as context,
    ):
        visitor = entered(context, running.page.address, running.page.key())
        visitor.goto(f"{running.page.address}/jobs/{running.job}")
        first, second = (
            visitor.get_by_role("radio", name="Take 1"),
            visitor.get_by_role("radio", name="Take 2"),
        )
        expect(first).to_be_checked(timeout=60_000)
        first.focus()
        visitor.keyboard.press("ArrowDown")
        expect(second).to_be_checked()
        expect(second).to_be_focused()
        until(lambda: running.state == "succeeded", "it was not rendered")
        expect(visitor.get_by_role("link", name="Download take 2")).to_be_visible()
        # What changed around it did not choose for whoever watches.
        expect(second).to_be_checked()
        video = visitor.locator("#video")
        expect(video).to_be_visible()
        until(lambda: video.evaluate("each => each.readyState") >= 1, "take 2 is not there")
        visitor.keyboard.press("ArrowUp")
        expect(first).to_be_checked()
        expect(video).to_have_attribute("src", f"/jobs/{running.job}/masters/1")
        assert visitor.said == []


def test_a_line_that_is_cut_and_mended_does_not_end_it(browser: Any, render: Any) -> None:
    from playwright.sync_api import expect

    with (
        render(seconds=8.2, seconds_per_segment=2.5) as running,
        line_to(running.page.address) as line,
        browser.new_context() as context,
    ):
        visitor = entered(context, line.address, running.page.key())
        visitor.goto(f"{line.address}/jobs/{running.job}")
        video = visitor.locator("#video")
        expect(video).to_be_visible(timeout=60_000)
        video.evaluate("each => { each.muted = true; return each.play(); }")
        until(lambda: place(video) > 0.5, "it does not play")
        line.cut()
        until(lambda: running.state == "succeeded", "it was not rendered")
        line.mend()
        until(lambda: place(video) > 8.1, "it did not go on")


def test_what_is_no_longer_in_the_store_is_told(browser: Any, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    with running_page(tmp_path) as page, browser.new_context() as context:
        farm = WrittenFarm(page.settings.journal, page.settings.studios)
        job = farm.receive()
        farm.start(job, 0)
        farm.commit(job, 0)
        visitor = entered(context, page.address, page.key(), expects="/hls/")
        visitor.goto(f"{page.address}/jobs/{job}")
        expect(visitor.locator("#screen-told")).to_contain_text("no longer in the farm's store")
        assert visitor.said == []
        farm.close()


def test_nothing_of_it_leaves_the_pages_policy(browser: Any, render: Any) -> None:
    with render(seconds=2.2, seconds_per_segment=0.0) as running, browser.new_context() as context:
        visitor = entered(context, running.page.address, running.page.key())
        answer = visitor.goto(f"{running.page.address}/jobs/{running.job}")
        policy = answer.headers["content-security-policy"]
        assert "media-src 'self' blob:" in policy
        assert "unsafe" not in policy
        assert "worker-src" not in policy
        assert policy.count("blob:") == 1
