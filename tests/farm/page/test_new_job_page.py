"""A job handed in by form: what the schema says, mistakes beside their fields, and nothing a studio may not ask for."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from page_client import FROM_HERE, RunningPage, token_in
from test_job_list_page import HOSTILE
from written_farm import WrittenFarm

from farm.page.job_form import (
    CAPTIONS,
    LEFT_OUT,
    LIMITS,
    MAIN,
    MORE,
    MOTION,
    SPEECH,
    SUBJECT,
    document_in,
    values_in,
)
from farm.page.sessions import Form
from jobs.access import Scope
from jobs.farm_requests import SubmitRequest, request_from_json

RECORDING = b"a recording"


def uploaded(client: httpx.Client, data: bytes = RECORDING) -> str:
    headers = FROM_HERE | {"X-Form-Token": token_in(client.get("/new").text)}
    answer = client.post("/uploads", content=data, headers=headers)
    assert answer.status_code in (200, 201), answer.text
    return str(answer.json()["uri"])


def handed_in(client: httpx.Client, fields: dict[str, str], **changes: str) -> httpx.Response:
    html = client.get("/new").text
    token = re.search(r'name="token" value="([0-9a-f]+)"', html)
    assert token is not None
    sent = {"form_token": token_in(html), "token": token[1]} | fields | changes
    return client.post("/new", data=sent, headers=FROM_HERE)


def mistakes(html: str) -> dict[str, str]:
    """What stands beside which field."""
    found = re.findall(r'id="field-([a-z_-]+)-mistake-\d+">([^<]+)<', html)
    return dict(found)


def submits(page: RunningPage) -> list[SubmitRequest]:
    asked = [page.journal.request(number) for number in range(1, 20)]
    requests = [request_from_json(body) for body in asked if body]
    return [request for request in requests if isinstance(request, SubmitRequest)]


def test_every_field_of_a_job_is_in_the_form_or_left_out_on_purpose(page: RunningPage) -> None:
    offered = {each.path for each in (*MAIN, *MOTION, *MORE)}
    assert offered | LEFT_OUT | {SPEECH, SUBJECT, CAPTIONS} == set(LIMITS) | {SPEECH, CAPTIONS}
    for each in (*MAIN, *MOTION, *MORE):
        # Every choice of the schema has words, and there are no others.
        assert set(each.choices) == set(LIMITS[each.path].choices) - {"training"}, each.path
    with page.visitor() as client:
        html = client.get("/new").text
        assert set(re.findall(r'name="((?:metadata|spec)\.[a-z_.]+)"', html)) == offered | {
            SPEECH,
            SUBJECT,
            CAPTIONS,
        }


def test_a_form_is_a_job(page: RunningPage, farm: WrittenFarm) -> None:
    with page.visitor() as client:
        speech = uploaded(client)
        fields = {
            "metadata.name": "spring",
            "metadata.project": "reel",
            "spec.speech": speech,
            "spec.subject": "builtin:actor-b",
            "spec.seed": "7",
            "spec.takes": "2",
            "spec.output.profile": "preview",
            "spec.motion.head": "0.5",
            "spec.motion.blink": "1",
            "spec.scheduling.tier": "interactive",
            "spec.scheduling.max_gpu_seconds": "90.5",
            "spec.speech.track": "2",
            "hold": "yes",
        }
        answer = handed_in(client, fields)
        assert (answer.status_code, answer.headers["location"]) == (303, "/jobs/spring-1")
        (submit,) = submits(page)
        assert (submit.studio, submit.on_hold) == ("north", True)
        spec = submit.document["spec"]
        assert spec.pop("output")["profile"] == "preview"
        assert spec == {
            "speech": {"uri": f"uploads/{speech.removeprefix('upload:')}/speech", "track": 2},
            "subject": "builtin:actor-b",
            "seed": 7,
            "takes": 2,
            "motion": {"head": 0.5},
            "scheduling": {"tier": "interactive", "max_gpu_seconds": 90.5},
        }
        assert "waiting" in client.get("/jobs/spring-1").text
        farm.take_in()
        assert "queued" in client.get("/jobs/spring-1").text


def test_the_same_form_sent_twice_is_one_job(page: RunningPage, farm: WrittenFarm) -> None:
    with page.visitor() as client:
        html = client.get("/new").text
        fields = {
            "form_token": token_in(html),
            "token": "once",
            "metadata.name": "hello",
            "spec.speech": uploaded(client),
            "spec.subject": "builtin:actor-a",
        }
        places = {client.post("/new", data=fields, headers=FROM_HERE).headers["location"] for _ in range(2)}
        assert places == {"/jobs/hello-1"}
        other = client.post("/new", data=fields | {"spec.seed": "8"}, headers=FROM_HERE)
        assert (other.status_code, "another request" in other.text) == (409, True)


def test_mistakes_stand_beside_their_fields_and_nothing_is_lost(page: RunningPage) -> None:
    with page.visitor() as client:
        fields = {
            "metadata.name": "no spaces please",
            "spec.speech": "upload:" + "0" * 32,
            "spec.subject": "builtin:actor-a",
            "spec.takes": "100",
            "spec.seed": "seven",
            "spec.motion.head": "3",
            "spec.scheduling.max_gpu_seconds": "1e400",
        }
        answer = handed_in(client, fields)
        assert answer.status_code == 422
        assert set(mistakes(answer.text)) == {
            "metadata-name",
            "spec-takes",
            "spec-seed",
            "spec-motion-head",
            "spec-scheduling-max_gpu_seconds",
        }
        assert 'value="no spaces please"' in answer.text
        assert 'value="seven"' in answer.text
        assert 'href="#field-spec-takes"' in answer.text
        assert answer.text.count('aria-invalid="true"') == 5
        assert re.search(r'<details class="panel" open>', answer.text)
        # What only a job of the network may not say is told once the rest is right.
        wrong = {"metadata.name": "hello", "spec.speech": fields["spec.speech"], "spec.subject": "/etc"}
        answer = handed_in(client, wrong)
        assert "there is no such upload" in answer.text
        assert "must be a subject that ships with the farm" in answer.text
        assert submits(page) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.seed", "9" * 5000),
        ("spec.seed", "-1"),
        ("spec.seed", "1_0"),
        ("spec.takes", "1.5"),
        ("spec.takes", "٣"),
        ("spec.motion.head", "nan"),
        ("spec.motion.head", "inf"),
        ("spec.scheduling.weight", "0"),
        ("spec.scheduling.tier", "training"),
        ("spec.output.profile", "huge"),
        ("spec.speech.track", "0"),
        ("spec.speech", "/etc/passwd"),
        ("spec.speech", "s3://bucket/a.wav"),
        ("spec.subject", "builtin:../../etc"),
        ("metadata.name", "../up"),
        ("metadata.project", "a/b"),
    ],
)
def test_no_value_is_taken_that_a_job_may_not_have(page: RunningPage, path: str, value: str) -> None:
    with page.visitor() as client:
        good = {"metadata.name": "hello", "spec.speech": uploaded(client), "spec.subject": "builtin:actor-a"}
        assert handed_in(client, good | {path: value}).status_code == 422
        assert submits(page) == []


def test_another_studios_upload_is_unknown(page: RunningPage) -> None:
    with page.visitor("south") as south, page.visitor("north") as north:
        theirs = uploaded(south, b"south's own words")
        fields = {"metadata.name": "hello", "spec.speech": theirs, "spec.subject": "builtin:actor-a"}
        assert "there is no such upload" in handed_in(north, fields).text


def test_uploads_need_a_form_of_the_page_and_have_bounds(page: RunningPage) -> None:
    with page.visitor() as client, page.visitor("north", Scope.READ) as reader:
        token = {"X-Form-Token": token_in(client.get("/new").text)}
        assert client.post("/uploads", content=b"a", headers=FROM_HERE).json()["code"] == "foreign_form"
        assert client.post("/uploads", content=b"a", headers=token).status_code == 403
        assert (
            client.post("/uploads", content=b"", headers=FROM_HERE | token).json()["code"] == "empty_upload"
        )
        large = client.post("/uploads", content=bytes(200_001), headers=FROM_HERE | token)
        assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
        assert reader.get("/new").status_code == 403
        assert reader.post("/uploads", content=b"a", headers=FROM_HERE | token).status_code == 403


def test_another_like_it_begins_with_what_that_one_was(page: RunningPage, farm: WrittenFarm) -> None:
    with page.visitor() as client:
        fields = {
            "metadata.name": "first",
            "spec.speech": uploaded(client),
            "spec.subject": "builtin:actor-c",
            "spec.takes": "3",
            "spec.speech.gain_db": "-3",
        }
        assert handed_in(client, fields).status_code == 303
        farm.take_in()
        html = client.get("/new?like=first-1").text
        assert 'value="builtin:actor-c" checked' in html
        assert 'name="spec.takes" value="3"' in html
        assert 'name="spec.speech.gain_db" value="-3"' in html
        assert f'value="{fields["spec.speech"]}"' in html
        theirs = farm.receive(studio="south")
        assert client.get(f"/new?like={theirs}").status_code == 404
        assert 'value="builtin:actor-b" checked' in client.get("/new?subject=builtin:actor-b").text


def test_a_job_goes_into_the_form_and_out_of_it_as_it_was() -> None:
    document: dict[str, Any] = {
        "apiVersion": "farm/v1",
        "kind": "RenderJob",
        "metadata": {"name": "a", "project": "p"},
        "spec": {
            "speech": {"uri": "upload:1", "track": "eng", "gain_db": -3},
            "subject": "builtin:actor-a",
            "seed": 5,
            "motion": {"head": 0.25},
            "scheduling": {"max_gpu_seconds": 7.5, "preview_first": 4},
        },
    }
    assert document_in(Form(tuple(values_in(document).items()))) == document


def test_what_others_write_stays_text(page: RunningPage) -> None:
    with page.visitor() as client:
        fields = {
            "metadata.name": HOSTILE,
            "spec.speech": HOSTILE,
            "spec.subject": HOSTILE,
            "spec.seed": HOSTILE,
        }
        html = handed_in(client, fields).text + client.get("/new", params={"subject": HOSTILE[:90]}).text
        assert "<img src=x" not in html
        assert "<script>alert" not in html


def test_subjects_are_shown_with_their_consent(page: RunningPage) -> None:
    with page.visitor() as client, page.stranger() as nobody:
        html = client.get("/subjects").text
        assert html.count("Not needed: a fictional person") == 3
        picture = client.get("/subjects/actor-a/picture")
        assert picture.headers["content-type"] == "image/png"
        assert picture.content.startswith(b"\x89PNG")
        assert nobody.get("/subjects/actor-a/picture").status_code == 303
        for wrong in ("nobody", "..", "..%2factor-a", "actor-a%00"):
            assert client.get(f"/subjects/{wrong}/picture").status_code == 404
