"""Who serves and what waits; keys and receivers of webhooks, as far as the key of the session may."""

from __future__ import annotations

import re

import httpx
import pytest
from page_client import FROM_HERE, RunningPage, token_in
from test_job_list_page import HOSTILE, messages
from written_farm import WrittenFarm

from farm.page.farm_page import _WAITS
from farm.scheduling.why import WaitCode
from jobs.access import Scope
from jobs.standings import Standing
from jobs.webhooks import MessageType


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def posted(client: httpx.Client, path: str, fields: dict[str, str | list[str]]) -> httpx.Response:
    token = token_in(client.get("/admin").text)
    return client.post(path, data=fields | {"form_token": token}, headers=FROM_HERE)


def test_the_farm_is_told_with_the_studios_own_queue(page: RunningPage, farm: WrittenFarm) -> None:
    mine, theirs = farm.receive(segments=10), farm.receive(studio="south")
    farm.start(mine, 0, 1)
    farm.commit(mine, 0)
    waits = Standing(code="turn", sentence="", position=0)
    farm.beat({mine: waits, theirs: waits}, replicas=3)
    with page.visitor() as client, page.visitor("north", *Scope) as admin:
        said = text_of(client.get("/farm").text)
        assert "Yes since" in said
        assert "Renderers 3" in said
        assert "Its turn 1 job" in said
        assert "1 running 1 normal 9" in said
        assert "south" not in said
        assert "render-host" not in said
        said = text_of(admin.get("/farm").text)
        assert "south" in said
        assert "render-host, process 7" in said
        assert "Its turn 2 jobs" in said


def test_a_farm_that_is_away_is_told_so(page: RunningPage, farm: WrittenFarm) -> None:
    with page.visitor() as client:
        stream = messages(client, "/farm/live")
        assert "none was ever here" in next(stream)[1]
        farm.beat(replicas=4)
        while "Renderers" not in (told := text_of(next(data for name, data in stream if not name))):
            pass
        assert "4" in told


def test_every_reason_to_wait_has_words() -> None:
    assert {code.value for code in WaitCode} - {"over"} <= set(_WAITS)


def test_keys_are_made_shown_once_and_revoked(page: RunningPage) -> None:
    with page.visitor("north", *Scope) as admin:
        made = posted(
            admin,
            "/admin/keys",
            {"studio": "west", "label": "edit suite", "scope": ["read", "write"], "days": "30"},
        )
        assert made.status_code == 201
        key = re.search(r'value="(moda_[^"]+)"', made.text)
        assert key is not None
        assert key[1] not in admin.get("/admin").text
        known = page.journal.keys.find(key[1])
        assert known is not None
        assert (known.studio, known.scopes, known.label) == ("west", {Scope.READ, Scope.WRITE}, "edit suite")
        assert known.expires_at is not None
        with page.visitor(key=key[1]) as west:
            assert west.get("/jobs").status_code == 200
            answer = posted(admin, f"/admin/keys/{known.key_id}/revoke", {})
            assert (answer.status_code, answer.headers["location"]) == (303, "/admin")
            assert west.get("/jobs").status_code == 303
        said = text_of(admin.get("/admin").text)
        assert "edit suite revoked by key" in said


@pytest.mark.parametrize(
    "wrong",
    [
        {"studio": "../up", "scope": ["read"]},
        {"studio": "", "scope": ["read"]},
        {"studio": "west", "scope": []},
        {"studio": "west", "scope": ["root"]},
        {"studio": "west", "scope": ["read"], "label": "a" * 101},
        {"studio": "west", "scope": ["read"], "label": "a\x00b"},
    ],
)
def test_a_wrong_key_is_not_made_and_what_was_written_stays(
    page: RunningPage, wrong: dict[str, str | list[str]]
) -> None:
    with page.visitor("north", *Scope) as admin:
        before = len(page.journal.keys.all())
        answer = posted(admin, "/admin/keys", wrong)
        assert answer.status_code == 422
        assert 'class="notice bad"' in answer.text
        assert len(page.journal.keys.all()) == before


def test_only_an_admin_sees_and_makes_keys(page: RunningPage) -> None:
    with page.visitor() as client, page.visitor("south", Scope.ADMIN) as admin:
        html = client.get("/admin").text
        assert "Make a key" not in html
        assert "Webhooks of north" in html
        assert posted(client, "/admin/keys", {"studio": "north", "scope": ["admin"]}).status_code == 403
        known = page.journal.keys.all()[0]
        assert posted(client, f"/admin/keys/{known.key_id}/revoke", {}).status_code == 403
        assert "Webhooks of" not in admin.get("/admin").text
        assert posted(admin, "/admin/keys/nobody/revoke", {}).status_code == 404
        assert posted(admin, "/admin/webhooks", {"url": "https://a.example"}).status_code == 403


def test_receivers_are_added_told_of_and_removed(page: RunningPage, farm: WrittenFarm) -> None:
    with page.visitor() as client, page.visitor("south") as other:
        made = posted(
            client,
            "/admin/webhooks",
            {
                "url": "https://93.184.215.14/hook",
                "label": "archive",
                "type": ["job.moved", "take.delivered"],
            },
        )
        assert made.status_code == 201, text_of(made.text)
        secret = re.search(r'value="(whsec_[^"]+)"', made.text)
        assert secret is not None
        (webhook,) = page.journal.webhooks.all(studio="north")
        assert webhook.types == {MessageType.MOVED, MessageType.DELIVERED}
        path = f"/admin/webhooks/{webhook.webhook_id}"
        html = client.get(path).text
        assert "archive" in html
        assert secret[1] not in html + client.get("/admin").text
        assert other.get(path).status_code == 404
        assert posted(other, f"{path}/remove", {}).status_code == 404
        rotated = posted(client, f"{path}/secret", {})
        assert len(set(re.findall(r'value="(whsec_[^"]+)"', rotated.text)) - {secret[1]}) == 1
        assert client.get(f"{path}?state=given%20up").status_code == 200
        assert client.get(f"{path}?state=nonsense").status_code == 422
        assert posted(client, f"{path}/deliveries/77/resend", {}).status_code == 404
        assert posted(client, f"{path}/remove", {}).status_code == 303
        assert page.journal.webhooks.all(studio="north") == []


@pytest.mark.parametrize(
    "url", ["http://studio.example/a", "https://127.0.0.1/a", "https://user:pw@studio.example", "ftp://a", ""]
)
def test_no_receiver_is_added_that_may_not_be_reached(page: RunningPage, url: str) -> None:
    with page.visitor() as client:
        answer = posted(client, "/admin/webhooks", {"url": url})
        assert answer.status_code in (409, 422)
        assert 'class="notice bad"' in answer.text
        assert page.journal.webhooks.all(studio="north") == []


def test_what_others_write_stays_text(page: RunningPage, farm: WrittenFarm) -> None:
    label = HOSTILE[:100]
    page.journal.keys.create(studio="north", label=label, scopes=[Scope.READ], expires_at=None, by=HOSTILE)
    _, webhook = page.journal.webhooks.add(
        studio="north", url="https://a.example/<script>alert(1)</script>", label=label, types=[]
    )
    with page.visitor("north", *Scope) as admin:
        html = admin.get("/admin").text + admin.get(f"/admin/webhooks/{webhook.webhook_id}").text
        html += posted(admin, "/admin/keys", {"studio": HOSTILE, "label": HOSTILE, "scope": ["read"]}).text
        assert "<img src=x" not in html
        assert "<script>alert" not in html
