"""OpenAPI says what is there: requests made from it meet no fault of the server, and no answer it does not name."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import IMPATIENT, Api, running_api, settings_in, submitted
from stand_in_farm import StandInFarm

from jobs.access import Scope


def schema_of(api: Api) -> dict[str, Any]:
    schema: dict[str, Any] = httpx.get(f"{api.server.address}/openapi.json").json()
    return schema


def test_every_answer_is_documented_with_examples_and_one_form_of_errors(api: Api) -> None:
    schema = schema_of(api)
    assert schema["openapi"].startswith("3.1")
    for path, methods in schema["paths"].items():
        for method, told in methods.items():
            assert told["description"], (method, path)
            for status, answer in told["responses"].items():
                if status.startswith(("4", "5")) and path != "/v1/ready":
                    form = answer["content"]["application/json"]["schema"]["$ref"]
                    assert form.endswith("/ErrorAnswer"), (method, path, status)
    body = schema["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]
    assert body["example"]["kind"] == "RenderJob"
    names = set(schema["components"]["schemas"])
    assert {ref.rpartition("/")[2] for ref in references(schema)} <= names


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(each) for each in value.values()))
    return set().union(*(references(each) for each in value)) if isinstance(value, list) else set()


def test_an_address_says_which_methods_it_takes(api: Api) -> None:
    with api.client("house", Scope.ADMIN) as client:
        answer = client.request("OPTIONS", "/v1/keys")
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert answer.headers["allow"] == "GET, POST"
        assert client.post("/v1/jobs/x-1/why").headers["allow"] == "GET"
        broken = client.post("/v1/keys", content=b"\xff{", headers={"Content-Type": "application/json"})
        assert (broken.status_code, broken.json()["code"]) == (422, "bad_json")


# What a schema cannot say is refused too: that a job's name is a slug, that a range holds a frame.
_CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,unsupported_method,missing_required_header"
)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_no_request_made_from_the_schema_finds_a_fault(tmp_path: Path) -> None:
    pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    # One heartbeat is enough for so long, and a refusal of what is large hides the one of what is wrong.
    limits = replace(IMPATIENT, absent_s=1e9, body_bytes=1_000_000)
    with running_api(settings_in(tmp_path), limits=limits) as api:
        farm = StandInFarm(api.settings.journal)
        api.journal.beat(farm._epoch, "{}")
        with api.client() as client:
            farm.succeed(submitted(client))
        # Streams have no end, and are tested by themselves.
        given = [
            "--exclude-path-regex",
            "events$",
            "--checks",
            _CHECKS,
            "--max-examples",
            "10",
            "--seed",
            "7",
        ]
        key = ["--header", f"Authorization: Bearer {api.key('north', *Scope)}"]
        address = f"{api.server.address}/openapi.json"
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", address, *key, *given],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=380,
        )
        farm.stop()
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "generated" in done.stdout
