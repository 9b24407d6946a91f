"""The client against a real server: every call, what is refused, and what it does when the farm is away."""

from __future__ import annotations

import ast
import hashlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from api_client import Api, document, running_api
from stand_in_farm import StandInFarm

from farm.scheduling.messages import RequestRefused
from jobs.farm_requests import PauseRequest, RequeueRequest, ResumeRequest, SubmitRequest, WaiveRequest
from moda_client import Client, FarmRefused, FarmUnreachable

CLIENT = Path(__file__).resolve().parents[2] / "client"


@pytest.fixture
def client(api: Api) -> Iterator[Client]:
    with Client(api.server.address, key=api.key(), patience_s=5.0) as made:
        yield made


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "hello.wav"
    path.write_bytes(b"a recording")
    return path


def test_it_needs_httpx_and_nothing_of_the_farm() -> None:
    names = set()
    for path in (CLIENT / "moda_client").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    assert names - set(sys.stdlib_module_names) == {"httpx", "moda_client"}
    script = (
        "import sys; sys.path = [p for p in sys.path if p != '']; import moda_client; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=CLIENT,
        env={"PYTHONPATH": str(CLIENT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert {"torch", "ray", "pydantic", "farm", "jobs"} & set(done.stdout.split()) == set()


def test_from_an_upload_to_the_file_of_a_master(
    client: Client, farm: StandInFarm, recording: Path, tmp_path: Path
) -> None:
    upload = client.upload(recording)
    assert upload == client.upload(recording)
    assert upload.sha256 == hashlib.sha256(b"a recording").hexdigest()
    job = client.submit(document(upload.uri, seed=7), hold=True)
    assert (job.name, job.state, job.is_over, job.takes) == ("hello-1", "held", False, 1)
    assert job.document is not None
    assert job.document["spec"]["seed"] == 7
    (request,) = farm.requests
    assert isinstance(request, SubmitRequest)
    assert request.on_hold
    master = tmp_path / "made.mp4"
    content = bytes(range(256)) * 40
    master.write_bytes(content)
    (tmp_path / "made.mp4.json").write_text("{}")
    other = client.submit(document(upload.uri))
    farm.succeed(other.name, master=str(master), content=content)
    ended = client.wait(other.name, timeout_s=10)
    assert (ended.state, ended.is_over, ended.why) == ("succeeded", True, None)
    assert ended.progress is not None
    assert ended.progress.percent == 100.0
    out = tmp_path / "out"
    (path,) = client.download(other.name, folder=out)
    assert path == out / f"{other.name}.mp4"
    assert path.read_bytes() == content
    before = path.stat().st_mtime_ns
    assert client.download(other.name, folder=out) == [path]
    assert path.stat().st_mtime_ns == before
    assert list(out.iterdir()) == [path]
    path.write_bytes(b"edited by hand")
    with pytest.raises(FileExistsError):
        client.download(other.name, folder=out)
    path.unlink()
    # A download that was cut off goes on; one that was cut off and damaged begins anew.
    for start in (content[:1000], b"x" * 1000, content):
        (out / f".{path.name}.{ended.masters[0].sha256[:16]}.part").write_bytes(start)
        assert client.download(other.name, folder=out) == [path]
        assert path.read_bytes() == content
        path.unlink()


def test_every_change_is_asked_as_the_farm_knows_it(
    client: Client, farm: StandInFarm, recording: Path
) -> None:
    job = client.submit(document(client.upload(recording).uri)).name
    assert client.pause(job).answered
    client.resume(job, max_gpu_seconds=5.0)
    client.retry(job)
    client.requeue(job, first_frame=0, last_frame=49)
    client.waive(job, first_frame=50, last_frame=50)
    client.cancel(job)
    asked = farm.requests[1:]
    assert PauseRequest(job=job) in asked
    assert ResumeRequest(job=job, max_gpu_seconds=5.0) in asked
    assert RequeueRequest(job=job, first_frame=0, stop_frame=50) in asked
    assert WaiveRequest(job=job, first_frame=50, stop_frame=51) in asked
    assert client.job(job).state == "cancelled"
    assert client.why(job).code == "over"


def test_what_is_refused_says_all_that_the_farm_says(api: Api, client: Client, recording: Path) -> None:
    with pytest.raises(FarmRefused) as caught:
        client.submit(document(client.upload(recording).uri, sede=7, takes=0))
    assert (caught.value.status, caught.value.code, caught.value.retry) == (422, "bad_spec", "never")
    assert {mistake.path for mistake in caught.value.mistakes} == {"spec.sede", "spec.takes"}
    assert "spec.sede: is not a field of spec; did you mean 'seed'?" in str(caught.value)
    for call in (client.job, client.why, client.pause, lambda name: list(client.watch(name))):
        with pytest.raises(FarmRefused) as caught:
            call("nothing-7")
        assert (caught.value.status, caught.value.code) == (404, "unknown_job")
    farm = StandInFarm(
        api.settings.journal,
        refuse=lambda request: (
            RequestRefused("no", where="x", code="wrong_state", hint="wait")
            if isinstance(request, PauseRequest)
            else None
        ),
    )
    job = client.submit(document(client.upload(recording).uri)).name
    with pytest.raises(FarmRefused, match=r"\[wrong_state\] x: no"):
        client.pause(job)
    farm.stop()
    with Client(api.server.address, key="moda_wrong") as other, pytest.raises(FarmRefused) as caught:
        other.jobs()
    assert caught.value.code == "key_unknown"


def test_lists_are_read_to_their_end(client: Client, farm: StandInFarm, recording: Path) -> None:
    upload = client.upload(recording).uri
    names = [client.submit(document(upload, f"n{number}")).name for number in range(5)]
    assert [job.name for job in client.all_jobs()] == names[::-1]
    page = client.jobs(limit=2)
    assert [job.name for job in page.jobs] == names[:2:-1]
    assert [job.name for job in client.jobs(limit=2, cursor=page.next_cursor).jobs] == names[2:0:-1]
    assert client.jobs(state="running").jobs == ()


def test_a_submit_that_is_sent_again_is_the_same_job(
    client: Client, farm: StandInFarm, recording: Path
) -> None:
    job = document(client.upload(recording).uri)
    assert client.submit(job, idempotency_key="a").name == client.submit(job, idempotency_key="a").name
    assert client.submit(job).name != client.submit(job).name
    assert len(farm.requests) == 3


def test_watching_goes_on_over_a_restart_of_the_server(api: Api, farm: StandInFarm, recording: Path) -> None:
    """The second server takes the port of the first, as a service manager's restart does."""
    seen: list[tuple[int, Any]] = []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    key, first = api.key(), threading.Event()

    def watch(name: str) -> None:
        with Client(f"http://127.0.0.1:{port}", key=key, patience_s=30.0) as client:
            for event in client.watch(name):
                seen.append((event.id, event.data.get("after")))
                first.set()

    with Client(api.server.address, key=key) as client:
        name = client.submit(document(client.upload(recording).uri)).name
    with running_api(api.settings, port=port):
        watcher = threading.Thread(target=watch, args=(name,))
        watcher.start()
        assert first.wait(20)
    farm.succeed(name)
    time.sleep(0.5)
    with running_api(api.settings, port=port):
        watcher.join(30)
    assert not watcher.is_alive()
    ids = [number for number, _ in seen]
    assert ids == sorted(set(ids))
    assert len(ids) == sum(f'"{name}' in entry.body for entry in api.journal.read())
    assert seen[-1][1] == "succeeded"


class _Moody(BaseHTTPRequestHandler):
    """Answers as things do that stand before a farm."""

    answers: ClassVar[list[tuple[int, bytes]]] = []
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status, body = self.answers[min(len(self.asked), len(self.answers)) - 1]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_what_may_pass_is_waited_for_and_what_cannot_is_not() -> None:
    later = b'{"code": "journal_busy", "message": "is held", "retry": "later"}'
    good = b'{"code": "turn", "sentence": "It waits.", "position": 2, "added_later": true}'
    server = HTTPServer(("127.0.0.1", 0), _Moody)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with Client(f"http://127.0.0.1:{server.server_port}", key="k", patience_s=3.0) as client:
            _Moody.answers[:] = [(503, later), (502, b"<html>bad gateway</html>"), (200, good)]
            _Moody.asked.clear()
            assert client.why("x-1").position == 2
            assert len(_Moody.asked) == 3
            _Moody.answers[:] = [(500, b'{"code": "internal_error", "message": "x", "retry": "never"}')]
            _Moody.asked.clear()
            with pytest.raises(FarmRefused):
                client.why("x-1")
            assert len(_Moody.asked) == 1
            _Moody.answers[:] = [(503, later)]
            begun = time.monotonic()
            with pytest.raises(FarmRefused, match="journal_busy"):
                client.why("x-1")
            assert 1.0 < time.monotonic() - begun < 6.0
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
    gone = f"http://127.0.0.1:{server.server_port}"
    with Client(gone, key="k", patience_s=0.5) as client, pytest.raises(FarmUnreachable):
        client.why("x-1")


def test_waiting_has_an_end(client: Client, farm: StandInFarm, recording: Path) -> None:
    name = client.submit(document(client.upload(recording).uri)).name
    with pytest.raises(TimeoutError, match=f"{name} is queued"):
        client.wait(name, timeout_s=0.3)


def test_batches_are_handed_in_looked_at_and_ended(
    client: Client, farm: StandInFarm, recording: Path
) -> None:
    template = document(client.upload(recording).uri, "${shot}", seed="${seed}")
    rows = [{"shot": "a", "seed": 1}, {"shot": "b", "seed": 2}]
    made = client.submit_batch("spring", template, rows, idempotency_key="k")
    assert client.submit_batch("spring", template, rows, idempotency_key="k").batch == made.batch
    assert [job.job for job in made.jobs] == ["a-1", "b-2"]
    assert [batch.batch for batch in client.batches()] == [made.batch]
    for job in made.jobs:
        client.pause(job.job)  # answered once the farm has taken it in
    assert client.cancel_batch(made.batch) == 2
    for job in made.jobs:
        assert client.wait(job.job, timeout_s=10).state == "cancelled"
    ended = client.batch(made.batch)
    assert (ended.percent, ended.ended, ended.states) == (100.0, 2, {"cancelled": 2})
    with pytest.raises(FarmRefused) as caught:
        client.submit_batch("spring", template, [{"shot": "a", "seed": "1"}, {"shot": "../b", "seed": 2}])
    assert {mistake.path for mistake in caught.value.mistakes} == {
        "rows[1].spec.seed",
        "rows[2].metadata.name",
    }


def test_receivers_are_kept_by_the_studio_and_where_they_may_not_be_is_told(api: Api, client: Client) -> None:
    with pytest.raises(FarmRefused) as caught:
        client.add_webhook("https://127.0.0.1/hook")
    assert (caught.value.status, caught.value.code, caught.value.exit_code) == (422, "receiver_private", 2)
    _, kept = api.journal.webhooks.add(studio="north", url="https://a.example/", label="page", types=[])
    (webhook,) = client.webhooks()
    assert (webhook.webhook_id, webhook.label, webhook.types, webhook.ended_at) == (
        kept.webhook_id,
        "page",
        (),
        None,
    )
    assert client.rotate_secret(webhook.webhook_id, overlap_s=0).startswith("whsec_")
    assert client.deliveries(webhook.webhook_id) == []
    assert client.remove_webhook(webhook.webhook_id).url == "https://a.example/"
    assert client.webhooks() == []
    assert client.key().studio == "north"
