"""Events over HTTP: all of them, once, in order, to whoever may see them, however often the connection is lost."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from api_client import Api, Told, running_api, settings_in, submitted, told
from stand_in_farm import StandInFarm

from farm.ledger import load_ledger
from farm.ledger.loading import event_of
from farm.ledger.sentences import job_of
from jobs.access import Scope
from jobs.errors import NotSpeech


def sequences_of(api: Api, studio: str, job: str | None = None) -> list[int]:
    """What the journal holds of a studio, by a way of our own."""
    ledger, _ = load_ledger(api.journal)
    found = []
    for entry in api.journal.read():
        name = job_of(event_of(entry, where=""))
        if ledger.jobs[name].studio == studio and job in (None, name):
            found.append(entry.sequence)
    return found


@contextmanager
def stream(client: httpx.Client, path: str, **headers: str) -> Iterator[Iterator[Told]]:
    with client.stream("GET", path, headers=headers, timeout=15) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield told(answer.iter_lines())


def test_a_jobs_events_come_from_its_beginning_and_go_on(api: Api, farm: StandInFarm) -> None:
    with api.client() as client:
        submitted(client, "before")
        job = submitted(client)
        submitted(client, "after")
        with stream(client, f"/v1/jobs/{job}/events") as events:
            first = [next(events) for _ in range(5)]
            assert [event.data["kind"] for event in first] == ["job received", "job planned", *["moved"] * 3]
            assert [event.data.get("after") for event in first[2:]] == ["validating", "planned", "queued"]
            farm.succeed(job)
            rest = [next(events) for _ in range(6)]
        seen = first + rest
        assert [event.id for event in seen] == sequences_of(api, "north", job)
        assert all(event.data["job"] == job and event.data["sequence"] == event.id for event in seen)
        (delivered,) = (event.data for event in seen if event.data["kind"] == "take delivered")
        assert delivered["url"] == f"/v1/jobs/{job}/masters/1"
        assert seen[-1].data["after"] == "succeeded"


def test_whoever_comes_back_gets_what_came_after_and_nothing_twice(api: Api, farm: StandInFarm) -> None:
    with api.client() as client:
        job = submitted(client)
        every = sequences_of(api, "north")
        for place, last in enumerate(every[:-1]):
            with stream(client, "/v1/events", **{"Last-Event-ID": str(last)}) as events:
                assert next(events).id == every[place + 1]
        with stream(client, f"/v1/events?after={every[0]}") as events:
            assert [next(events).id for _ in every[1:]] == every[1:]
        ahead = client.get("/v1/events", headers={"Last-Event-ID": str(every[-1] + 1000)})
        assert (ahead.status_code, ahead.json()["code"]) == (409, "event_ahead")
        for wrong in ("x", "-1", "1.5", "9" * 30):
            assert client.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": wrong}).status_code == 422


def test_a_watcher_that_was_cut_off_before_the_first_event_misses_none(api: Api, farm: StandInFarm) -> None:
    """The stream says where it begins, as an id without an event: browsers keep it and send it when they come back."""
    with api.client() as client:
        with client.stream("GET", "/v1/events") as answer:
            lines = answer.iter_lines()
            begun = next(line for line in lines if line.startswith("id:"))
        job = submitted(client)
        with stream(client, "/v1/events", **{"Last-Event-ID": begun[3:].strip()}) as events:
            first = next(events).data
        assert (first["kind"], first["job"], begun.strip()) == ("job received", job, "id: 0")


def test_a_studio_hears_of_no_other(api: Api, farm: StandInFarm) -> None:
    with (
        api.client("north") as north,
        api.client("south") as south,
        stream(south, "/v1/events?after=0") as events,
    ):
        submitted(north)
        theirs = submitted(south)
        assert [next(events).data["job"] for _ in range(5)] == [theirs] * 5


def test_what_is_told_of_an_error_names_no_folder_of_the_farm(api: Api, farm: StandInFarm) -> None:
    with api.client() as client:
        job = submitted(client)
        home = str(api.settings.studios / "north")
        farm.give_up_segment(job, bundle=f"{api.settings.quarantine}/{job}/0")
        farm.fail(
            job, NotSpeech(f"'{home}/uploads/{'a' * 32}/speech' is silent", where="/var/lib/farm/x.sock")
        )
        with stream(client, f"/v1/jobs/{job}/events") as events:
            seen = [next(events).data for _ in sequences_of(api, "north", job)]
    erred = seen[-1]
    assert erred["kind"] == "job erred"
    assert erred["error"]["message"] == f"'upload:{'a' * 32}' is silent"
    assert erred["error"]["where"] == "x.sock"
    assert not any(str(api.settings.cache.parent) in str(event) for event in seen)


def test_a_stream_ends_with_its_key(api: Api, farm: StandInFarm) -> None:
    text = api.key("north", Scope.READ)
    short = api.key("north", Scope.READ, expires_at=time.time() + 3)
    with (
        api.client(key=text) as client,
        api.client(key=short) as other,
        stream(client, "/v1/events?after=0") as events,
        stream(other, "/v1/events?after=0") as theirs,
    ):
        api.journal.keys.revoke(text[5:17], by="a test")
        begun = time.monotonic()
        assert list(events) == []
        assert time.monotonic() - begun < 4
        assert list(theirs) == []


def test_watchers_lose_and_double_nothing_while_servers_come_and_go(tmp_path: Path) -> None:
    """Two processes of the API, each ended and started again under watchers that reconnect wherever one answers."""
    settings, chance = settings_in(tmp_path), random.Random(5)
    over, failures = threading.Event(), list[str]()
    addresses: list[str] = ["", ""]
    seen: dict[int, list[int]] = {number: [] for number in range(8)}

    with running_api(settings) as keeper:
        keys = {studio: keeper.key(studio) for studio in ("north", "south")}

        def watch(number: int, studio: str) -> None:
            mine, own = seen[number], random.Random(number)
            last = 0
            while not over.is_set() or mine != sequences_of(keeper, studio):
                address = addresses[own.randrange(2)]
                headers = {"Authorization": f"Bearer {keys[studio]}", "Last-Event-ID": str(last)}
                try:
                    with (
                        httpx.Client(base_url=address, headers=headers, timeout=2) as client,
                        client.stream("GET", "/v1/events") as answer,
                    ):
                        if answer.status_code != 200:
                            failures.append(str(answer.status_code))
                            return
                        for event in told(answer.iter_lines()):
                            mine.append(event.id)
                            last = event.id
                            if own.random() < 0.05:
                                break
                except (httpx.HTTPError, httpx.InvalidURL):
                    time.sleep(0.05)

        def serve(place: int) -> None:
            own = random.Random(100 + place)
            while not over.is_set():
                with running_api(settings) as server:
                    addresses[place] = server.server.address
                    over.wait(own.uniform(0.5, 2.0))
            with running_api(settings) as server:
                addresses[place] = server.server.address
                done.wait(60)

        done = threading.Event()
        farm = StandInFarm(settings.journal)
        servers = [threading.Thread(target=serve, args=(place,)) for place in range(2)]
        watchers = [
            threading.Thread(target=watch, args=(number, "north" if number % 2 else "south"))
            for number in seen
        ]
        for thread in (*servers, *watchers):
            thread.start()
        with keeper.client("north") as north, keeper.client("south") as south:
            for number in range(30):
                job = submitted(chance.choice([north, south]), f"n{number}")
                if chance.random() < 0.5:
                    farm.succeed(job)
                if number == 15:
                    # Another coordinator takes over.
                    farm.stop()
                    farm = StandInFarm(settings.journal)
        over.set()
        for thread in watchers:
            thread.join(40)
        done.set()
        for thread in servers:
            thread.join(20)
        farm.stop()
        assert failures == []
        for number, ids in seen.items():
            assert ids == sequences_of(keeper, "north" if number % 2 else "south"), number


@pytest.mark.parametrize("recent", [20_000, 7])
def test_what_is_no_longer_at_hand_comes_from_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recent: int
) -> None:
    monkeypatch.setattr("farm.api.following._RECENT", recent)
    monkeypatch.setattr("farm.api.following._PAGE", 5)
    settings = settings_in(tmp_path)
    with running_api(settings) as api:
        farm = StandInFarm(settings.journal)
        with api.client() as client:
            for number in range(12):
                farm.succeed(submitted(client, f"n{number}"))
            every = sequences_of(api, "north")
            for start in (0, 1, len(every) // 2, every[-3]):
                with stream(client, f"/v1/events?after={start}") as events:
                    rest = [each for each in every if each > start]
                    assert [next(events).id for _ in rest] == rest
        farm.stop()
