"""How fast API and page answer: a list of many jobs, where a job of many segments stands, a batch of many rows.

    python -m benchmarks.api_latency [--jobs N] [--segments N] [--rows N]

A journal of so many jobs is written, one of them with so many segments, and a server in this process is asked over a
socket of its own, one request after another. Of the page it is told how many kB it has, and how long a change takes
from the journal into the stream that a browser reads.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from farm.api.context import ApiLimits
from farm.api.server import serving
from farm.page.all_pages import make_page
from infra.journal import Journal, open_journal
from infra.settings import FarmSettings
from jobs.access import Scope
from jobs.journal_events import AnyJournalEvent, JobPlanned, JobReceived, StateMoved
from jobs.reasons import ReasonKind

_ASKED: Final = 60
_AT_ONCE: Final = 2000
_CHANGES: Final = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api_latency", description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--segments", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=1000)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = FarmSettings(
            store=str(home / "store"), cache=home, journal=str(home / "farm.sqlite"), studios=home / "studios"
        )
        journal = open_journal(settings.journal)
        begun = time.perf_counter()
        _write(journal, _events(options.jobs, segments=options.segments))
        _tell("journal of all of it written", [time.perf_counter() - begun])
        key, known = journal.keys.create(
            studio="north", label="", scopes=Scope, expires_at=None, by="a benchmark"
        )
        begun = time.perf_counter()
        limits = ApiLimits()
        with serving(settings, host="127.0.0.1", port=0, limits=limits, make_page=make_page) as server:
            _tell("server ready", [time.perf_counter() - begun])
            for name, path in (
                (f"first page of {options.jobs} jobs", "/v1/jobs"),
                (f"those that are queued, of {options.jobs}", "/v1/jobs?state=queued&limit=200"),
                (f"none found among {options.jobs}", "/v1/jobs?state=running"),
                (f"a job of {options.segments} segments", "/v1/jobs/film-1"),
                (f"what Prometheus reads, of {options.jobs} jobs", "/metrics"),
            ):
                _tell(name, [_asked(f"{server.address}{path}", key) for _ in range(_ASKED)])
            session = journal.page_sessions.begin(known.key_id, lasts_s=3600.0)
            for name, path in (
                (f"page of {options.jobs} jobs", "/jobs"),
                (f"the same by their names, of {options.jobs}", "/jobs?order=name"),
                (f"page of a job of {options.segments} segments", "/jobs/film-1"),
            ):
                _tell_of_page(name, f"{server.address}{path}", session)
            _tell_of_stream(f"{server.address}/jobs/film-1/live", session, journal, segments=options.segments)
            _tell_of_batch(server.address, key, rows=options.rows)
        journal.close()
    return 0


def _tell_of_page(name: str, address: str, session: str) -> None:
    seconds, size = [], 0
    for _ in range(_ASKED):
        begun = time.perf_counter()
        with _opened(address, session) as answer:
            size = len(answer.read())
        seconds.append(time.perf_counter() - begun)
    _tell(f"{name}, {size / 1000:.0f} kB", seconds)


def _tell_of_stream(address: str, session: str, journal: Journal, *, segments: int) -> None:
    """From a segment that changes to its cell in the stream."""
    seconds, sizes = [], []
    epoch = journal.begin_epoch("a benchmark")
    with _opened(address, session) as stream:
        _message(stream)
        for number in range(min(_CHANGES, segments)):
            begun = time.perf_counter()
            change = _moved(f"film-1/{number}", "blocked", "motion merged", "ready", ReasonKind.WORK)
            journal.append(epoch, [change.model_dump_json()])
            sizes.append(_message(stream))
            seconds.append(time.perf_counter() - begun)
    _tell(f"a change in the page's stream, {statistics.median(sizes) / 1000:.1f} kB", seconds)


def _opened(address: str, session: str) -> Any:
    headers = {"Cookie": f"farm_session={session}"}
    return urllib.request.urlopen(urllib.request.Request(address, headers=headers))


def _message(stream: Any) -> int:
    """Bytes of the next message that changes something."""
    size = 0
    for line in stream:
        if line.startswith(b"data: <"):
            size += len(line)
        elif not line.strip():
            if size:
                return size
        elif size:
            size += len(line)
    raise SystemExit("the page's stream ended")


def _tell_of_batch(address: str, key: str, *, rows: int) -> None:
    upload = _asked_for(f"{address}/v1/uploads", key, data=b"a recording")["uri"]
    template = {
        "apiVersion": "farm/v1",
        "kind": "RenderJob",
        "metadata": {"name": "${shot}"},
        "spec": {"speech": upload, "subject": "builtin:actor-a", "seed": "${seed:number}"},
    }
    text = "shot,seed\n" + "".join(f"shot-{number},{number}\n" for number in range(rows))
    body = json.dumps({"name": "batch", "template": template, "csv": text}).encode()
    begun = time.perf_counter()
    batch = _asked_for(f"{address}/v1/batches", key, data=body)["batch"]
    _tell(f"a batch of {rows} rows, checked and kept", [time.perf_counter() - begun])
    where = f"{address}/v1/batches/{batch}"
    _tell(f"where a batch of {rows} rows stands", [_asked(where, key) for _ in range(_ASKED)])


def _asked_for(address: str, key: str, *, data: bytes) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(address, data=data, headers=headers)
    with urllib.request.urlopen(request) as answer:
        told: dict[str, Any] = json.load(answer)
    return told


def _events(jobs: int, *, segments: int) -> Iterator[AnyJournalEvent]:
    for number in range(1, jobs + 1):
        name = f"film-{number}"
        document = {
            "metadata": {"name": "film", "project": "demo"},
            "spec": {"speech": "a.wav", "subject": "builtin:a"},
        }
        yield JobReceived(job=name, studio="north", document=document, folder="/nowhere")
        yield _moved(name, "received", "validation started", "validating", ReasonKind.PLAN)
        count = segments if number == 1 else 12
        yield JobPlanned(job=name, plan_hash="0" * 64, takes=1, segments_per_take=count)
        yield _moved(name, "validating", "planned", "planned", ReasonKind.PLAN)
        yield _moved(name, "planned", "queued", "queued", ReasonKind.PLAN)
        if number % 20:
            yield _moved(name, "queued", "cancel asked", "cancel requested", ReasonKind.USER)
            yield _moved(name, "cancel requested", "quiet", "cancelled", ReasonKind.WORK)


def _moved(job: str, before: str, event: str, after: str, kind: ReasonKind) -> StateMoved:
    return StateMoved(
        subject=job, before=before, event=event, after=after, reason_kind=kind, reason="a benchmark wants it"
    )


def _write(journal: Journal, events: Iterator[AnyJournalEvent]) -> None:
    epoch, bodies = journal.begin_epoch("a benchmark"), list[str]()
    for event in events:
        bodies.append(event.model_dump_json())
        if len(bodies) == _AT_ONCE:
            journal.append(epoch, bodies)
            bodies.clear()
    journal.append(epoch, bodies)


def _asked(address: str, key: str) -> float:
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {key}"})
    begun = time.perf_counter()
    with urllib.request.urlopen(request) as answer:
        answer.read()
    return time.perf_counter() - begun


def _tell(name: str, seconds: list[float]) -> None:
    if len(seconds) == 1:
        text = f"{seconds[0]:8.2f} s"
    else:
        p95 = statistics.quantiles(seconds, n=20)[-1]
        text = f"{1000 * statistics.median(seconds):8.1f} ms median, {1000 * p95:8.1f} ms p95"
    sys.stdout.write(f"{name:48} {text}\n")


if __name__ == "__main__":
    raise SystemExit(main())
