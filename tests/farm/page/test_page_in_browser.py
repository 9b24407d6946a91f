"""The page in Chromium: live, by keyboard, on a phone, for everybody, with a line that is cut, with hostile texts."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import SCHEMES, WIDTHS, chromium, line_to
from browsing import entered as entered_anywhere
from page_client import RunningPage
from test_job_list_page import HOSTILE
from written_farm import WrittenFarm

from jobs.access import Scope
from jobs.errors import SegmentRejected
from jobs.standings import Standing

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BAD = SegmentRejected("the mouth is elsewhere", where="segment 2", hint="waive it", code="mouth_off")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    place = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=place, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def expect() -> Any:
    chromium()
    from playwright.sync_api import expect

    return expect


def context_of(browser: Any, width: int = 1280, scheme: str = "light", **more: Any) -> Any:
    return browser.new_context(
        viewport={"width": width, "height": WIDTHS.get(width, 800)},
        color_scheme=scheme,
        locale="en-GB",
        **more,
    )


def entered(context: Any, address: str, key: str) -> Any:
    # What a written farm says it rendered lies in no store; test_watching_in_browser.py has a farm that renders.
    return entered_anywhere(context, address, key, expects="/hls/")


def filled_farm(farm: WrittenFarm, tmp_path: Path) -> dict[str, str]:
    """Jobs in many states; gives their names."""
    master = tmp_path / "master.mp4"
    master.write_bytes(b"no video")
    runs = farm.receive("runs", segments=30, takes=2, told=("The recording is in stereo.",))
    farm.start(runs, *range(8))
    farm.commit(runs, *range(5))
    held = farm.receive("held", segments=6)
    farm.start(held, *range(6))
    farm.commit(held, 0, 1, 3)
    farm.give_up(held, 2, BAD)
    done = farm.receive("done")
    farm.start(done, *range(6))
    farm.commit(done, *range(6))
    farm.finish(done, master)
    failed = farm.receive("failed")
    farm.start(failed, 0)
    farm.give_up(failed, 0, BAD)
    farm.fail(failed, BAD)
    waits = farm.receive("waits")
    farm.receive(studio="south")
    farm.beat(
        {waits: Standing(code="turn", sentence="Every replica is busy; 2 jobs come before it.", position=2)}
    )
    return {"runs": runs, "held": held, "done": done, "failed": failed, "waits": waits}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_screen_is_for_everybody(
    page: RunningPage, farm: WrittenFarm, browser: Any, tmp_path: Path, width: int, scheme: str
) -> None:
    pytest.importorskip("axe_playwright_python", reason="make browser installs axe-playwright-python")
    from axe_playwright_python.sync_playwright import Axe

    jobs = filled_farm(farm, tmp_path)
    _, webhook = page.journal.webhooks.add(studio="north", url="https://a.example/hook", label="", types=[])
    screens = [
        "/jobs",
        "/jobs?search=nothing",
        f"/jobs/{jobs['runs']}",
        f"/jobs/{jobs['held']}/segments/2",
        f"/jobs/{jobs['done']}",
        f"/jobs/{jobs['failed']}",
        f"/new?like={jobs['done']}",
        "/subjects",
        "/farm",
        "/admin",
        f"/admin/webhooks/{webhook.webhook_id}",
        "/nowhere",
    ]
    found: list[str] = []
    with context_of(browser, width, scheme, reduced_motion="reduce") as context:
        door = context.new_page()
        door.goto(f"{page.address}/login")
        visitor = entered(context, page.address, page.key("north", *Scope))
        for looked_at, path in [(door, "/login"), *((visitor, path) for path in screens)]:
            if path != "/login":
                looked_at.goto(page.address + path)
                looked_at.wait_for_timeout(250)
            looked_at.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
            overflow = looked_at.evaluate("document.documentElement.scrollWidth - innerWidth")
            if overflow > 0:
                found.append(f"{path} is {overflow} px too wide")
            result = Axe().run(looked_at, options={"resultTypes": ["violations"]})
            found += [
                f"{path} {violation['id']}: {node['html'][:140]} {node.get('failureSummary', '')[:200]}"
                for violation in result.response["violations"]
                if violation["impact"] in ("serious", "critical")
                for node in violation["nodes"]
            ]
        found += [told for told in visitor.said if "404" not in told and "MEDIA" not in told.upper()]
    assert found == []


def test_segments_turn_green_and_ticks_stay(
    page: RunningPage, farm: WrittenFarm, browser: Any, expect: Any
) -> None:
    job = farm.receive(segments=4)
    with context_of(browser) as context:
        visitor = entered(context, page.address, page.key())
        row = visitor.locator("tr", has_text=job)
        row.get_by_role("checkbox").check()
        farm.start(job, 0, 1)
        farm.commit(job, 0, 1)
        expect(row).to_contain_text("2 of 4 segments")
        expect(row.get_by_role("checkbox")).to_be_checked()
        new = farm.receive("later")
        expect(visitor.locator("tbody tr")).to_have_count(2)
        expect(visitor.locator("tbody tr").first).to_contain_text(new)
        expect(row.get_by_role("checkbox")).to_be_checked()
        visitor.get_by_role("link", name=job, exact=True).click()
        expect(visitor.locator(".cells .is-committed")).to_have_count(2)
        farm.start(job, 2, 3)
        expect(visitor.locator(".cells .is-leased")).to_have_count(2)
        visitor.get_by_text("The job as it was handed in").click()
        visitor.get_by_role("link", name="Segment 2: being rendered").click()
        expect(visitor.locator("#segment")).to_contain_text("Try 1 started")
        farm.commit(job, 2, 3)
        expect(visitor.locator(".cells .is-committed")).to_have_count(4)
        expect(visitor.locator("#segment")).to_contain_text("Try 1 succeeded")
        # What changes does not close what somebody has opened.
        expect(visitor.locator("#job-facts pre")).to_be_visible()
        assert visitor.url.endswith("/segments/2")
        assert visitor.said == []


def test_what_cannot_be_undone_is_asked_first(
    page: RunningPage, farm: WrittenFarm, browser: Any, expect: Any
) -> None:
    job = farm.receive()
    with context_of(browser) as context:
        visitor = entered(context, page.address, page.key())
        visitor.goto(f"{page.address}/jobs/{job}")
        visitor.get_by_role("button", name="Cancel").click()
        dialog = visitor.get_by_role("dialog")
        expect(dialog).to_contain_text(f"Cancel {job}?")
        dialog.get_by_role("button", name="No, leave it").click()
        expect(dialog).to_be_hidden()
        assert list(page.journal.asked()) == []
        visitor.get_by_role("button", name="Cancel").click()
        dialog.get_by_role("button", name="Yes").click()
        expect(visitor.locator("#notice")).to_contain_text("it is kept")
        assert len(page.journal.asked()) == 1
        assert visitor.said == []


def test_a_line_that_is_cut_is_shown_and_mended(
    page: RunningPage, farm: WrittenFarm, browser: Any, expect: Any
) -> None:
    job = farm.receive(segments=4)
    with line_to(page.address) as line, context_of(browser) as context:
        visitor = entered(context, line.address, page.key())
        farm.start(job, 0)
        farm.commit(job, 0)
        row, banner = visitor.locator("tr", has_text=job), visitor.locator("#connection")
        expect(row).to_contain_text("1 of 4 segments")
        expect(banner).to_be_hidden()
        line.cut()
        expect(banner).to_be_visible(timeout=25_000)
        farm.start(job, 1, 2)
        farm.commit(job, 1, 2)
        line.mend()
        expect(banner).to_be_hidden(timeout=25_000)
        expect(row).to_contain_text("3 of 4 segments", timeout=25_000)


def test_a_stream_that_cannot_begin_is_begun_again(
    page: RunningPage, farm: WrittenFarm, browser: Any, expect: Any
) -> None:
    job = farm.receive(segments=4)
    failures = ["a page", "no page", "cut"]

    def answer(route: Any) -> None:
        failure = failures.pop(0) if failures else ""
        if failure == "cut":
            route.abort()
        elif failure:
            route.fulfill(
                status=503 if failure == "a page" else 502, body="<h1>not now</h1>", content_type="text/html"
            )
        else:
            route.continue_()

    with context_of(browser) as context:
        context.route("**/jobs/live", answer)
        visitor = entered(context, page.address, page.key())
        expect(visitor.locator("#connection")).to_be_visible()
        farm.start(job, 0)
        farm.commit(job, 0)
        expect(visitor.locator("#connection")).to_be_hidden(timeout=30_000)
        expect(visitor.locator("tr", has_text=job)).to_contain_text("1 of 4 segments")
        assert failures == []
        assert visitor.get_by_text("not now").count() == 0


def test_the_main_journey_needs_no_mouse(
    page: RunningPage, farm: WrittenFarm, browser: Any, expect: Any
) -> None:
    job = farm.receive(segments=40)
    farm.start(job, *range(3))
    farm.commit(job, *range(3))
    with context_of(browser) as context:
        visitor = entered(context, page.address, page.key())

        def tab_to(selector: str) -> None:
            for _ in range(40):
                visitor.keyboard.press("Tab")
                if visitor.evaluate("selector => document.activeElement.matches(selector)", selector):
                    return
            raise AssertionError(f"Tab does not come to {selector}")

        visitor.keyboard.press("Tab")
        assert visitor.evaluate("document.activeElement.className") == "skip"
        visitor.keyboard.press("Enter")
        tab_to(f'tbody a[href="/jobs/{job}"]')
        visitor.keyboard.press("Enter")
        visitor.wait_for_url(f"**/jobs/{job}")
        tab_to("a.cell")
        visitor.keyboard.press("ArrowRight")
        visitor.keyboard.press("ArrowRight")
        assert visitor.evaluate("document.activeElement.id") == "cell-2"
        visitor.keyboard.press("ArrowDown")
        assert visitor.evaluate(
            "document.activeElement.offsetTop > document.getElementById('cell-0').offsetTop"
        )
        visitor.keyboard.press("Home")
        visitor.keyboard.press("Enter")
        expect(visitor.locator("#segment-title")).to_be_focused()
        expect(visitor.locator("#segment")).to_contain_text("Try 1 succeeded")
        # One Tab leads past all cells.
        visitor.locator("#cell-0").focus()
        visitor.keyboard.press("Tab")
        assert not visitor.evaluate("document.activeElement.matches('a.cell')")


def test_times_are_those_of_whoever_looks(page: RunningPage, farm: WrittenFarm, browser: Any) -> None:
    farm.receive()
    shown = set()
    key = page.key()
    for zone in ("Asia/Tokyo", "America/New_York"):
        with context_of(browser, timezone_id=zone) as context:
            visitor = entered(context, page.address, key)
            time_shown = visitor.locator("tbody time").first
            assert re.fullmatch(r"just now|\d+ min\.? ago", time_shown.inner_text())
            shown.add(time_shown.get_attribute("title"))
    assert len(shown) == 2


def test_hostile_texts_do_nothing(page: RunningPage, farm: WrittenFarm, browser: Any, tmp_path: Path) -> None:
    job = farm.receive(told=(HOSTILE,))
    farm.start(job, 0)
    farm.give_up(job, 0, SegmentRejected(HOSTILE, where=HOSTILE, hint=HOSTILE, code="mouth_off"))
    farm.fail(job, SegmentRejected(HOSTILE, where=HOSTILE, hint=HOSTILE))
    waits = farm.receive("waits")
    farm.beat({waits: Standing(code="turn", sentence=HOSTILE)})
    page.journal.keys.create(
        studio="north", label=HOSTILE[:100], scopes=[Scope.READ], expires_at=None, by=HOSTILE
    )
    with context_of(browser) as context:
        visitor = entered(context, page.address, page.key("north", *Scope))
        for path in ("/jobs", f"/jobs/{job}", f"/jobs/{job}/segments/0", f"/jobs/{waits}", "/admin", "/farm"):
            visitor.goto(page.address + path)
            # The stream puts the texts in once more, by script.
            visitor.wait_for_timeout(1200)
            assert visitor.locator("img[src=x]").count() == 0
            assert visitor.locator("script:not([src])").count() == 0
        assert visitor.said == []


def test_a_recording_is_uploaded_by_form(
    page: RunningPage, farm: WrittenFarm, browser: Any, expect: Any, tmp_path: Path
) -> None:
    recording = tmp_path / "Hello, you <b>.wav"
    recording.write_bytes(bytes(100_000))
    with context_of(browser, 390, has_touch=True) as context:
        visitor = entered(context, page.address, page.key())
        visitor.get_by_role("link", name="New job").first.click()
        visitor.get_by_label("Recording").set_input_files(recording)
        expect(visitor.locator("#upload-state")).to_contain_text("is uploaded")
        expect(visitor.get_by_label("Name", exact=True)).to_have_value("Hello-you-b")
        visitor.get_by_text("actor-c").click()
        visitor.get_by_label("Takes", exact=True).fill("200")
        visitor.get_by_role("button", name="Hand it in").click()
        expect(visitor.locator("#mistakes")).to_be_focused()
        expect(visitor.get_by_label("Takes", exact=True)).to_have_attribute("aria-invalid", "true")
        expect(visitor.get_by_role("radio", name="actor-c")).to_be_checked()
        visitor.get_by_label("Takes", exact=True).fill("2")
        visitor.get_by_role("button", name="Hand it in").click()
        visitor.wait_for_url("**/jobs/Hello-you-b-1")
        farm.take_in()
        expect(visitor.locator(".cells .cell")).to_have_count(12)


def test_a_key_that_is_revoked_leads_to_the_log_in(
    page: RunningPage, farm: WrittenFarm, browser: Any
) -> None:
    with context_of(browser) as context:
        visitor = entered(context, page.address, page.key())
        time.sleep(0.5)
        page.journal.keys.revoke(page.journal.keys.all()[0].key_id, by="a test")
        # It takes a second; once, on a machine that did much else, it was not there after twenty.
        visitor.wait_for_url("**/login", timeout=60_000)


def test_a_key_that_is_revoked_before_the_stream_begins_leads_to_the_log_in_too(
    page: RunningPage, farm: WrittenFarm, browser: Any
) -> None:
    def too_late(route: Any) -> None:
        for key in page.journal.keys.all():
            page.journal.keys.revoke(key.key_id, by="a test")
        route.continue_()

    with context_of(browser) as context:
        context.route(re.compile("/live"), too_late)
        visitor = context.new_page()
        visitor.goto(f"{page.address}/login")
        visitor.get_by_label("Key").fill(page.key())
        visitor.keyboard.press("Enter")
        visitor.wait_for_url("**/jobs")
        visitor.wait_for_url("**/login", timeout=20_000)
