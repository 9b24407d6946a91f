"""Who gets in by the page, for how long, and what no other site can have a browser do."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import time

import pytest
from page_client import FROM_HERE, RunningPage, sent, token_in
from written_farm import WrittenFarm

from farm.page.static_files import STATIC_FILES, VENDORED
from jobs.access import Scope
from jobs.farm_requests import PauseRequest, request_from_json

PAGES = (
    "/jobs",
    "/jobs?search=nothing",
    "/jobs/hello-1",
    "/jobs/hello-1/segments/0",
    "/new",
    "/subjects",
    "/farm",
    "/admin",
)


def asked_for(page: RunningPage) -> list[object]:
    return [request_from_json(asked.body) for asked in page.journal.asked()]


def test_a_key_opens_the_page_and_logging_out_closes_it(page: RunningPage) -> None:
    with page.stranger() as client:
        turned_away = client.get("/jobs?group=failed")
        assert turned_away.status_code == 303
        assert turned_away.headers["location"] == "/login?next=/jobs%3Fgroup%3Dfailed"
        form = client.get(turned_away.headers["location"])
        assert 'name="next" value="/jobs?group=failed"' in form.text
        entered = client.post(
            "/login", data={"key": page.key(), "next": "/jobs?group=failed"}, headers=FROM_HERE
        )
        assert (entered.status_code, entered.headers["location"]) == (303, "/jobs?group=failed")
        assert "No job is like that" not in client.get("/jobs").text
        session = client.cookies["farm_session"]
        left = client.post(
            "/logout", data={"form_token": token_in(client.get("/jobs").text)}, headers=FROM_HERE
        )
        assert left.headers["location"] == "/login"
        assert "farm_session" not in client.cookies
        # Whoever kept the cookie has nothing.
        assert client.get("/jobs", cookies={"farm_session": session}).status_code == 303


def test_the_cookie_is_for_this_site_alone_and_no_script_reads_it(page: RunningPage) -> None:
    with page.stranger() as client:
        plain = client.post("/login", data={"key": page.key()}, headers=FROM_HERE).headers["set-cookie"]
        assert plain.startswith("farm_session=")
        for word in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"):
            assert word in plain
        assert "Secure" not in plain
        by_proxy = FROM_HERE | {"X-Forwarded-Proto": "https"}
        safe = client.post("/login", data={"key": page.key()}, headers=by_proxy).headers["set-cookie"]
        assert safe.startswith("__Host-farm_session=")
        assert "Secure" in safe
        assert "Domain" not in safe


@pytest.mark.parametrize(
    "wrong", ["", "moda_", "north", "moda_" + "0" * 12 + "_" + "A" * 43, "<script>alert(1)</script>"]
)
def test_what_is_no_key_opens_nothing(page: RunningPage, wrong: str) -> None:
    with page.stranger() as client:
        answer = client.post("/login", data={"key": wrong}, headers=FROM_HERE)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        assert "This key is not known here" in answer.text
        assert "<script>alert" not in answer.text


def test_a_session_ends_with_its_key(page: RunningPage) -> None:
    # So long that two sessions begin before it also where other tests take the processor.
    key, end = page.key(), time.time() + 6.0
    soon = page.key("north", Scope.READ, expires_at=end)
    with page.visitor(key=key) as client, page.visitor(key=soon) as short:
        assert client.get("/jobs").status_code == short.get("/jobs").status_code == 200
        page.journal.keys.revoke(page.journal.keys.all()[0].key_id, by="a test")
        assert client.get("/jobs").status_code == 303
        time.sleep(max(0.0, end + 0.1 - time.time()))
        assert short.get("/jobs").status_code == 303
        part = short.get("/jobs/live", headers={"HX-Request": "true"})
        assert (part.status_code, part.headers["hx-redirect"]) == (401, "/login")


def test_nothing_that_is_kept_opens_a_session(page: RunningPage) -> None:
    with page.visitor() as client:
        session = client.cookies["farm_session"]
        hashed = hashlib.sha256(session.encode()).hexdigest()
        assert page.journal.page_sessions.key_of(session) is not None
        assert page.journal.page_sessions.key_of(hashed) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {},
    ],
)
def test_forms_of_other_sites_are_refused(page: RunningPage, headers: dict[str, str]) -> None:
    with page.visitor() as client:
        token = token_in(client.get("/jobs").text)
        for path in ("/login", "/logout", "/jobs/change", "/new", "/uploads", "/admin/keys", "/nowhere"):
            answer = client.post(path, data={"form_token": token, "key": page.key()}, headers=headers)
            assert (answer.status_code, "foreign_form" in answer.text) == (403, True)
        assert client.get("/jobs").status_code == 200


def test_the_origin_is_enough_where_browsers_say_no_more(page: RunningPage) -> None:
    with page.stranger() as client:
        answer = client.post("/login", data={"key": page.key()}, headers={"Origin": page.address})
        assert answer.status_code == 303


def test_a_form_needs_the_token_of_its_session(page: RunningPage, farm: WrittenFarm) -> None:
    job = farm.receive()
    with page.visitor() as client, page.visitor() as other:
        theirs = token_in(other.get("/jobs").text)
        for token in ("", "0" * 64, theirs):
            fields = {"form_token": token, "change": "pause", "job": job}
            answer = client.post("/jobs/change", data=fields, headers=FROM_HERE)
            assert answer.status_code == 403
        assert asked_for(page) == []
        assert sent(client, "/jobs/change", {"change": "pause", "job": job}).status_code == 200
    assert asked_for(page) == [PauseRequest(job=job)]


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "jobs", "/a\r\nb"],
)
def test_nobody_is_led_away_after_the_log_in(page: RunningPage, wanted: str) -> None:
    with page.stranger() as client:
        answer = client.post("/login", data={"key": page.key(), "next": wanted}, headers=FROM_HERE)
        assert answer.headers["location"] == "/"


@pytest.mark.parametrize("path", ["/login", "/jobs", "/nowhere", "/static/page.css", "/jobs/live"])
def test_every_answer_binds_the_browser(page: RunningPage, path: str) -> None:
    with page.visitor() as client, client.stream("GET", path) as answer:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        if not path.startswith("/static"):
            assert answer.headers["cache-control"] == "no-store"


def test_no_page_has_a_script_or_a_style_of_its_own(page: RunningPage, farm: WrittenFarm) -> None:
    farm.receive()
    with page.visitor("north", *Scope) as client:
        for path in ("/login", *PAGES):
            html = client.get(path).text
            assert (
                re.findall(r"<script(?![^>]* src=)[^>]*>|<style|\sstyle=|\son[a-z]+=|javascript:", html) == []
            )


def test_a_key_without_the_scope_sees_what_it_may(page: RunningPage, farm: WrittenFarm) -> None:
    job = farm.receive()
    with page.visitor("north", Scope.READ) as client:
        html = client.get("/jobs").text
        assert job in html
        assert "New job" not in html
        answer = sent(client, "/jobs/change", {"change": "pause", "job": job})
        assert (answer.status_code, "scope_missing" in answer.text) == (403, True)
    for scope, begins in zip(Scope, ("/jobs", "/new", "/admin", "/farm"), strict=True):
        with page.visitor("north", scope) as client:
            assert client.get("/").headers["location"] == begins
            assert client.get(begins).status_code == 200
            assert client.get("/jobs").status_code == (200 if scope is Scope.READ else 403)


def test_the_api_stands_at_its_own_addresses_as_before(page: RunningPage) -> None:
    with page.visitor() as client:
        assert client.get("/v1/health").status_code == 200
        # A session is for the page alone.
        assert client.get("/v1/jobs").json()["code"] == "no_key"
        assert client.get("/v1/nowhere").json()["code"] == "unknown_address"
        assert client.get("/openapi.json").json()["info"]["title"] == "MODA Farm"
        lost = client.get("/nowhere")
        assert (lost.status_code, "there is no such page" in lost.text) == (404, True)
        assert client.get("/static/../all_pages.py").status_code == 404
        assert client.get("/static/..%2fall_pages.py").status_code == 404


def test_files_are_kept_by_browsers_until_they_change(page: RunningPage) -> None:
    with page.stranger() as client:
        (address,) = re.findall(r'href="(/static/page.css[^"]*)"', client.get("/login").text)
        answer = client.get(address)
        assert answer.headers["content-encoding"] == "gzip"
        assert "immutable" in answer.headers["cache-control"]
        assert answer.text == client.get(address, headers={"Accept-Encoding": "identity"}).text


def test_what_others_wrote_is_what_their_package_holds() -> None:
    for name, asset in VENDORED.items():
        assert hashlib.sha256(STATIC_FILES[name].content).hexdigest() == asset.sha256


def test_while_the_journal_is_away_a_person_is_told(page: RunningPage, farm: WrittenFarm) -> None:
    with page.visitor() as client:
        database = page.settings.journal
        with sqlite3.connect(database) as journal:
            journal.execute("ALTER TABLE page_sessions RENAME TO elsewhere")
        answer = client.get("/jobs")
        assert answer.status_code in (500, 503)
        assert database not in answer.text
        with sqlite3.connect(database) as journal:
            journal.execute("ALTER TABLE elsewhere RENAME TO page_sessions")
        assert client.get("/jobs").status_code == 200
