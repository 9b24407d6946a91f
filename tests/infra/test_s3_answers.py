"""What no waiting cures is told at once, with its cause and its cure; what waiting cures is an outage."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from answering_server import Answer, Script, answering_server
from rclone_server import ACCESS_KEY, SECRET_KEY

from infra.delivery import check_bucket, deliver, delivered_sha256, read_delivered
from infra.fetch import fetch_file, fetch_subject_folder
from infra.storage import open_store
from infra.storage.s3 import S3Store
from jobs.errors import FarmError, Retry, StoreError, StoreUnavailable

KEY = "renders/demo/segment-00000.mp4"
LISTING = (
    b"<?xml version='1.0'?><ListBucketResult><IsTruncated>false</IsTruncated>"
    b"<Contents><Key>jane/subject.yaml</Key></Contents></ListBucketResult>"
)
Serve = Callable[..., Script]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts a server and makes it the endpoint."""
    # The client keeps the keys that it has once read, for the tests that come after.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setattr("infra.storage.s3_retry.sleep", lambda _: None)
    with ExitStack() as stack:

        def start(answer: Callable[[str, str], Answer], **how: object) -> Script:
            script = stack.enter_context(answering_server(Script(answer=answer, **how)))  # type: ignore[arg-type]
            monkeypatch.setenv("AWS_ENDPOINT_URL", script.url)
            return script

        yield start


def always(answer: Answer) -> Callable[[str, str], Answer]:
    return lambda _method, _path: answer


STORE: dict[str, Callable[[S3Store], object]] = {
    "head": lambda store: store.head(KEY),
    "get": lambda store: store.get(KEY),
    "put": lambda store: store.put_if_absent(KEY, b"data"),
    "list": lambda store: list(store.list()),
    "probe": lambda store: store.refuses_second_copies(below="renders/demo"),
    "large probe": lambda store: store.refuses_second_copies(below="renders/demo", size_bytes=1 << 40),
}


def store() -> S3Store:
    opened = open_store("s3://studio/store")
    assert isinstance(opened, S3Store)
    return opened


def others(folder: Path) -> dict[str, Callable[[], object]]:
    """What reads inputs, and what looks at outputs and delivers them."""
    (folder / "master.mp4").write_bytes(b"video")
    location = "s3://studio/out/hello.mp4"
    return {
        "speech": lambda: fetch_file("s3://studio/speech.wav", cache=folder, where="spec.speech"),
        "subject": lambda: fetch_subject_folder("s3://studio/jane", cache=folder),
        "check": lambda: check_bucket(location),
        "deliver": lambda: deliver(folder / "master.mp4", location),
        "delivered": lambda: delivered_sha256(location, sizes=[5], where="spec.output.uri"),
        "manifest": lambda: read_delivered(location, where="spec.output.uri", largest=100),
    }


REFUSALS = [
    (400, "ExpiredToken", "store_denied", "renew"),
    (400, "ExpiredTokenException", "store_denied", "renew"),
    (400, "TokenRefreshRequired", "store_denied", "renew"),
    (403, "RequestExpired", "store_denied", "renew"),
    (400, "InvalidToken", "store_denied", "renew"),
    (403, "InvalidAccessKeyId", "store_denied", "AWS_ACCESS_KEY_ID"),
    (403, "SignatureDoesNotMatch", "store_denied", "AWS_SECRET_ACCESS_KEY"),
    (403, "AccessDenied", "store_denied", "right to read and write"),
    (403, "AllAccessDisabled", "store_denied", "switched off"),
    (403, "AccountProblem", "store_denied", "switched off"),
    (403, "ANameThatNobodyKnows", "store_denied", "AWS_*"),
    (403, "RequestTimeTooSkewed", "store_denied", "clock"),
    (403, "QuotaExceeded", "store_full", "quota"),
    (507, "XMinioStorageFull", "store_full", "free some space"),
    (400, "XMinioAdminBucketQuotaExceeded", "store_full", "quota"),
    (404, "NoSuchBucket", "no_bucket", "create the bucket"),
    (400, "InvalidBucketName", "no_bucket", "correct its name"),
    (400, "AuthorizationHeaderMalformed", "store_redirects", "AWS_REGION"),
    (400, "InvalidArgument", "store_failed", "each time"),
    (405, "MethodNotAllowed", "store_failed", "each time"),
    (403, "InvalidObjectState", "object_archived", "restore it first"),
]


@pytest.mark.parametrize(("status", "name", "code", "hint"), REFUSALS)
@pytest.mark.parametrize("operation", STORE)
def test_what_no_waiting_cures_is_told_at_once_with_its_cure(
    serve: Serve, operation: str, status: int, name: str, code: str, hint: str
) -> None:
    server = serve(always(Answer(status=status, code=name)))
    if operation == "head" and status == 404:
        assert store().head(KEY) is None, "HEAD does not tell a bucket from an object; whoever writes is told"
        return
    with pytest.raises(StoreError) as caught:
        STORE[operation](store())
    error = caught.value
    assert (error.code, error.retry) == (code, Retry.NEVER)
    assert hint in error.hint
    assert "later" not in error.hint
    is_bare = status != 507  # which says it all by itself
    assert name in error.message or (operation == "head" and not is_bare)
    # After 400 the client itself asks the bucket for its region.
    asked = [line for line in server.asked if not line.startswith("DELETE") and line != "HEAD /studio"]
    assert len(asked) == (2 if operation == "head" and is_bare else 1), "the answer to HEAD names no code"


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (408, "RequestTimeout"),
        (400, "RequestTimeout"),
        (429, "TooManyRequests"),
        (503, "SlowDown"),
        (403, "Throttling"),
        (400, "RequestLimitExceeded"),
        (500, "InternalError"),
        (522, "WhateverAProxySays"),
    ],
)
@pytest.mark.parametrize("operation", STORE)
def test_what_waiting_cures_is_an_outage(serve: Serve, operation: str, status: int, name: str) -> None:
    serve(always(Answer(status=status, code=name)))
    with pytest.raises(StoreUnavailable) as caught:
        STORE[operation](store())
    assert (caught.value.code, caught.value.retry) == ("store_busy", Retry.LATER)


@pytest.mark.parametrize("place", ["speech", "subject", "check", "deliver", "delivered", "manifest"])
@pytest.mark.parametrize(
    ("status", "name", "hint"),
    [
        (400, "ExpiredToken", "renew"),
        (403, "AccountProblem", "switched off"),
        (403, "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_inputs_and_outputs_are_told_of_a_refusal_alike(
    serve: Serve, tmp_path: Path, place: str, status: int, name: str, hint: str
) -> None:
    serve(always(Answer(status=status, code=name)))
    with pytest.raises(FarmError) as caught:
        others(tmp_path)[place]()
    assert caught.value.retry is Retry.NEVER
    assert name in caught.value.message
    assert hint in caught.value.hint
    assert "--overwrite" not in caught.value.hint


def test_a_bucket_that_is_not_there_is_told_from_an_object(serve: Serve, tmp_path: Path) -> None:
    serve(always(Answer(status=404, code="NoSuchBucket")))
    with pytest.raises(FarmError, match="no such bucket"):
        others(tmp_path)["speech"]()
    serve(always(Answer(status=404, code="NoSuchKey")))
    with pytest.raises(FarmError, match="no such object"):
        others(tmp_path)["speech"]()


@pytest.mark.parametrize(
    ("ahead_s", "told"),
    [
        (40 * 60, "40 minutes behind"),
        (-3 * 3600, "180 minutes ahead of"),
        (20, ""),
    ],
)
@pytest.mark.parametrize("name", ["RequestTimeTooSkewed", "SignatureDoesNotMatch", "AccessDenied"])
def test_clocks_that_differ_are_told_with_the_difference(
    serve: Serve, tmp_path: Path, ahead_s: float, told: str, name: str
) -> None:
    serve(always(Answer(status=403, code=name)), ahead_s=ahead_s)
    for operation in (lambda: store().head(KEY), lambda: others(tmp_path)["speech"]()):
        with pytest.raises(FarmError) as caught:
            operation()
        assert ("clock" in caught.value.hint) is (bool(told) or name == "RequestTimeTooSkewed")
        assert told in caught.value.message
        assert ("minutes" in caught.value.message) is bool(told)


def test_a_server_that_does_not_tell_its_time_can_still_refuse_ours(serve: Serve) -> None:
    serve(always(Answer(status=403, code="RequestTimeTooSkewed")), tells_time=False)
    with pytest.raises(StoreError) as caught:
        store().get(KEY)
    assert "clock" in caught.value.hint


ARCHIVES = [
    {"x-amz-storage-class": "GLACIER"},
    {"x-amz-storage-class": "DEEP_ARCHIVE", "x-amz-restore": 'ongoing-request="true"'},
    {"x-amz-storage-class": "INTELLIGENT_TIERING", "x-amz-archive-status": "ARCHIVE_ACCESS"},
]


def archived(headers: dict[str, str]) -> Callable[[str, str], Answer]:
    def answer(method: str, path: str) -> Answer:
        if "list-type" in path:
            return Answer(body=LISTING)
        if method == "HEAD":
            return Answer(headers={"ETag": '"0123"', **headers}, body=b"bytes")
        return Answer(status=403, code="InvalidObjectState")

    return answer


@pytest.mark.parametrize("headers", ARCHIVES, ids=lambda headers: "-".join(headers.values()))
@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("speech", "input_archived"),
        ("subject", "subject_archived"),
        ("delivered", "output_archived"),
        ("manifest", "output_archived"),
        ("head", "object_archived"),
        ("get", "object_archived"),
    ],
)
def test_what_is_archived_must_be_restored_first(
    serve: Serve, tmp_path: Path, headers: dict[str, str], place: str, code: str
) -> None:
    serve(archived(headers))
    operation = others(tmp_path).get(place) or (lambda: STORE[place](store()))
    with pytest.raises(FarmError) as caught:
        operation()
    assert (caught.value.code, caught.value.retry) == (code, Retry.NEVER)
    assert "archived" in caught.value.message
    assert "restore it first" in caught.value.hint
    if place == "speech":
        assert ("under way" in caught.value.message) is ("x-amz-restore" in headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-storage-class": "GLACIER_IR"},
        {"x-amz-storage-class": "STANDARD_IA"},
        {
            "x-amz-storage-class": "GLACIER",
            "x-amz-restore": 'ongoing-request="false", expiry-date="Fri, 21 Dec 2035 00:00:00 GMT"',
        },
    ],
    ids=lambda headers: "-".join(headers.values())[:30],
)
def test_what_is_kept_cheaply_or_was_restored_is_read(
    serve: Serve, tmp_path: Path, headers: dict[str, str]
) -> None:
    serve(always(Answer(headers={"ETag": '"0123"', **headers}, body=b"bytes")))
    speech = fetch_file("s3://studio/speech.wav", cache=tmp_path, where="spec.speech")
    assert speech.read_bytes() == b"bytes"


def test_head_that_is_refused_where_get_is_not_is_told_as_it_was(serve: Serve) -> None:
    server = serve(lambda method, _path: Answer(status=403 if method == "HEAD" else 200))
    with pytest.raises(StoreError) as caught:
        store().head(KEY)
    assert caught.value.code == "store_denied"
    assert [line.split()[0] for line in server.asked] == ["HEAD", "GET"]


def in_parts(*, create: Answer, complete: list[Answer]) -> Callable[[str, str], Answer]:
    """A server of conditional writes whose uploads in parts are another matter."""
    written: set[str] = set()

    def answer(method: str, path: str) -> Answer:
        if method == "POST" and "uploads" in path:
            return create
        if method == "POST":
            return complete.pop(0)
        if method == "PUT" and "partNumber" not in path:
            if path in written:
                return Answer(status=412, code="PreconditionFailed")
            written.add(path)
        return Answer(status=204 if method == "DELETE" else 200, headers={"ETag": '"0123"'})

    return answer


STARTED = Answer(
    body=b"<InitiateMultipartUploadResult><UploadId>one</UploadId></InitiateMultipartUploadResult>"
)
DONE = Answer(body=b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")
THERE = Answer(status=412, code="PreconditionFailed")


@pytest.mark.parametrize(("second", "refuses"), [(THERE, True), (DONE, False)])
def test_the_condition_of_uploads_in_parts_is_tried_where_large_objects_are_to_come(
    serve: Serve, second: Answer, refuses: bool
) -> None:
    server = serve(in_parts(create=STARTED, complete=[DONE, second]))
    assert store().refuses_second_copies(below="renders/demo/", size_bytes=1 << 30) is refuses
    keys = {line.split()[1].partition("?")[0] for line in server.asked}
    assert all(key.startswith("/studio/store/renders/demo/.farm-") for key in keys)
    removed = {line.split()[1] for line in server.asked if line.startswith("DELETE") and "?" not in line}
    assert removed == keys
    assert store().refuses_second_copies(below="renders/demo/", size_bytes=1000)


def test_a_server_without_uploads_in_parts_is_found_out_before_anything_is_rendered(serve: Serve) -> None:
    serve(in_parts(create=Answer(status=501, code="NotImplemented"), complete=[]))
    with pytest.raises(StoreError) as caught:
        store().refuses_second_copies(below="renders/demo/", size_bytes=1 << 30)
    assert (caught.value.code, caught.value.retry) == ("not_supported", Retry.NEVER)


def test_a_host_that_nobody_knows_is_named_with_what_may_be_wrong(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://s3.stduio.example:9000")
    with pytest.raises(
        StoreUnavailable, match=r"no address is known for http://s3\.stduio\.example:9000"
    ) as caught:
        store().get(KEY)
    assert "typing mistake" in caught.value.hint


def test_an_endpoint_that_refuses_connections_is_named(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    with pytest.raises(StoreUnavailable, match=f"at http://127.0.0.1:{port}"):
        store().get(KEY)
