"""A first job by browser alone: `farm serve` as anybody starts it, a real recording, a real master that plays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browsing import chromium, entered

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[3]
RENDERED_MS = 400_000


@contextmanager
def real_farm(folder: Path) -> Iterator[tuple[str, str]]:
    """`farm serve` in a process of its own; gives its address and the first key."""
    kept = {
        f"FARM_{name}": str(folder / name.lower()) for name in ("CACHE", "STORE", "STUDIOS", "QUARANTINE")
    }
    kept["FARM_JOURNAL"] = str(folder / "farm.sqlite")
    with subprocess.Popen(
        [sys.executable, "-m", "farm", "serve", "--port", "0", "--replicas", "1"],
        cwd=ROOT,
        env=os.environ | kept | {"PYTHONUNBUFFERED": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=(folder / "log").open("w"),
    ) as process:
        try:
            assert process.stdout is not None
            key = process.stdout.readline().strip()
            assert key.startswith("moda_"), (folder / "log").read_text()
            address = (folder / "log").read_text().split("serving at ")[1].split()[0]
            yield address, key
        finally:
            process.terminate()
            process.wait(60)


def test_from_a_recording_to_a_master_that_plays(tmp_path: Path) -> None:
    place = chromium()
    from playwright.sync_api import expect, sync_playwright

    with real_farm(tmp_path) as (address, key), sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=place, args=["--no-sandbox"])
        page = entered(browser.new_context(viewport={"width": 1280, "height": 900}), address, key)
        page.get_by_role("link", name="Make the first job").click()
        page.get_by_label("Recording").set_input_files(ROOT / "examples" / "hello.wav")
        expect(page.locator("#upload-state")).to_contain_text("is uploaded")
        page.get_by_label("Size of the picture").select_option("preview")
        page.get_by_role("button", name="Hand it in").click()
        page.wait_for_url("**/jobs/hello-1")
        expect(page.locator(".cells .cell")).to_have_count(6, timeout=RENDERED_MS)
        expect(page.locator(".cells .is-committed").first).to_be_visible(timeout=RENDERED_MS)
        video = page.locator("video")
        expect(video).to_be_visible(timeout=RENDERED_MS)
        video.evaluate("each => { each.muted = true; return each.play(); }")
        for _ in range(300):
            if video.evaluate("each => each.currentTime") > 0.2:
                break
            page.wait_for_timeout(100)
        assert video.evaluate("each => each.currentTime") > 0.2
        expect(page.locator("#job-head .state")).to_have_text("running")
        expect(page.locator(".cells .is-committed")).to_have_count(6, timeout=RENDERED_MS)
        expect(page.locator("#job-head .state")).to_have_text("succeeded", timeout=RENDERED_MS)
        for _ in range(300):
            if video.evaluate("each => each.ended"):
                break
            page.wait_for_timeout(100)
        for _ in ("the stream, to its end", "the master, on a page that is opened anew"):
            assert video.evaluate("each => each.duration") == pytest.approx(10.76, abs=0.05)
            assert video.evaluate("each => [each.videoWidth, each.videoHeight]") == [256, 256]
            page.reload()
            expect(video).to_have_attribute("src", "/jobs/hello-1/masters/1")
            for _ in range(50):
                if video.evaluate("each => each.readyState >= 2"):
                    break
                page.wait_for_timeout(200)
        page.get_by_role("link", name="Segment 3: done").click()
        expect(page.locator("#segment")).to_contain_text("How its pictures were judged")

        # Another like it, which is not wanted after all.
        page.get_by_text("The job as it was handed in").click()
        page.get_by_role("link", name="Make another like it").click()
        page.get_by_label("Seed").fill("8")
        page.get_by_label("Takes", exact=True).fill("9")
        page.get_by_role("button", name="Hand it in").click()
        page.wait_for_url("**/jobs/hello-2")
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("dialog").get_by_role("button", name="Yes").click()
        expect(page.locator("#job-head .state")).to_have_text("cancelled", timeout=60_000)
        page.goto(f"{address}/farm")
        expect(page.locator("#serving")).to_contain_text("Yes")
        assert page.said == []
        browser.close()
