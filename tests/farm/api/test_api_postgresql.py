"""The same with the journal in PostgreSQL: two processes of the API, a farm, and all of it over the network."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

from api_client import document, running_api, settings_in, submitted, told, uploaded
from postgresql_server import PostgresqlServer
from stand_in_farm import StandInFarm


def test_two_processes_and_a_farm_share_one_database(postgresql: PostgresqlServer, tmp_path: Path) -> None:
    address = postgresql.fresh_address(f"api_{secrets.token_hex(6)}")
    settings = replace(settings_in(tmp_path), journal=address)
    farm = StandInFarm(address)
    try:
        with running_api(settings) as first, running_api(settings) as second:
            key = first.key()
            with first.client(key=key) as one, second.client(key=key) as other:
                headers = {"Idempotency-Key": "k"}
                job = document(uploaded(one))
                names = {
                    client.post("/v1/jobs", json=job, headers=headers).json()["job"]
                    for client in (one, other, one, other)
                }
                assert len(names) == 1
                name = names.pop()
                later = submitted(other, "later")
                farm.succeed(name)
                listed = [
                    [each["job"] for each in client.get("/v1/jobs").json()["jobs"]] for client in (one, other)
                ]
                assert listed == [[later, name]] * 2
                seen = []
                with other.stream("GET", f"/v1/jobs/{name}/events") as answer:
                    for event in told(answer.iter_lines()):
                        seen.append(event.id)
                        if event.data.get("after") == "succeeded":
                            break
                with one.stream(
                    "GET", f"/v1/jobs/{name}/events", headers={"Last-Event-ID": str(seen[3])}
                ) as answer:
                    again = [next(told(answer.iter_lines())).id]
                assert again == seen[4:5]
                first.journal.keys.revoke(key[5:17], by="a test")
                assert [client.get("/v1/jobs").json()["code"] for client in (one, other)] == [
                    "key_revoked"
                ] * 2
    finally:
        farm.stop()
