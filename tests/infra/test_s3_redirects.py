"""An endpoint that sends elsewhere is told in one line, at once; a bucket in another region is found all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redirecting_server import Redirects, redirecting_server

from infra.delivery import check_bucket, deliver
from infra.fetch import fetch_file, fetch_subject_folder
from infra.storage import open_store
from infra.storage.s3 import S3Store
from infra.storage.s3_client import s3_client
from infra.storage.s3_problems import S3Error, S3Problem
from infra.storage.s3_retry import persistently
from jobs.errors import FarmError, Retry, StoreError

KEY = "renders/demo/segment-00000.mp4"
SENT = "sends to https://s3.studio.example"
STATUSES = (301, 302, 307, 308)


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Redirects]]:
    """Starts servers and makes the last one the endpoint."""
    with ExitStack() as stack:

        def start(**how: object) -> Redirects:
            server = stack.enter_context(redirecting_server(Redirects(**how)))  # type: ignore[arg-type]
            monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
            return server

        yield start


def large_put(store: S3Store) -> object:
    store = S3Store(bucket="studio", prefix="store", client=s3_client(), part_bytes=1 << 10)
    store._is_conditional = True  # the probe would meet the redirect before
    return store.put_if_absent(KEY, bytes(4096))


def small_put(store: S3Store) -> object:
    store._is_conditional = True
    return store.put_if_absent(KEY, b"data")


OPERATIONS: dict[str, Callable[[S3Store], object]] = {
    "head": lambda store: store.head(KEY),
    "get": lambda store: store.get(KEY),
    "put": small_put,
    "put in parts": large_put,
    "list": lambda store: list(store.list()),
    "delete": lambda store: store.delete(KEY),
    "probe": lambda store: store.refuses_second_copies(),
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_redirect_is_one_line_that_says_where_to_and_what_to_set(
    endpoint: Callable[..., Redirects], operation: str, status: int
) -> None:
    server = endpoint(status=status)
    store = open_store("s3://studio/store")
    assert isinstance(store, S3Store)
    with pytest.raises(StoreError) as caught:
        OPERATIONS[operation](store)
    error = caught.value
    assert error.message.startswith(f"the endpoint {server.url} {SENT} (s3://studio")
    assert error.hint == "set AWS_ENDPOINT_URL to https://s3.studio.example"
    assert error.code == "store_redirects"
    assert error.retry is Retry.NEVER
    assert len(server.asked) <= 2  # one request, and the region of the bucket at most


@pytest.mark.parametrize(
    "place",
    ["fetch", "fetch subject", "check", "deliver"],
)
def test_what_reads_and_delivers_tells_of_a_redirect_alike(
    endpoint: Callable[..., Redirects], tmp_path: Path, place: str
) -> None:
    endpoint()
    (tmp_path / "master.mp4").write_bytes(b"video")
    doing: dict[str, Callable[[], object]] = {
        "fetch": lambda: fetch_file("s3://studio/speech.wav", cache=tmp_path, where="spec.speech"),
        "fetch subject": lambda: fetch_subject_folder("s3://studio/jane", cache=tmp_path),
        "check": lambda: check_bucket("s3://studio/out/hello.mp4"),
        "deliver": lambda: deliver(tmp_path / "master.mp4", "s3://studio/out/hello.mp4"),
    }
    with pytest.raises(FarmError) as caught:
        doing[place]()
    assert SENT in caught.value.message
    assert "AWS_ENDPOINT_URL to https://s3.studio.example" in caught.value.hint
    assert caught.value.retry is Retry.NEVER


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://user:password@s3.studio.example:9443/secret/path?X-Amz-Signature=abc", "https://s3.studio.example:9443"),
        ("https://studio.s3.studio.example", "https://s3.studio.example"),
        ("https://[2001:db8::1]:9000", "https://[2001:db8::1]:9000"),
        ("javascript:alert(1)", ""),
        ("https://" + "a" * 5000, ""),
        ("https://bad host\x1b[31m", ""),
        ("https://host:port", ""),
        ("//", ""),
        (None, ""),
    ],
)  # fmt: skip
def test_only_a_scheme_and_a_host_are_told_of_what_the_server_wrote(
    endpoint: Callable[..., Redirects], location: str | None, told: str
) -> None:
    endpoint(location=location)
    with pytest.raises(StoreError) as caught:
        open_store("s3://studio/store").get(KEY)
    error = caught.value
    if told:
        assert f"sends to {told} (" in error.message
        assert error.hint == f"set AWS_ENDPOINT_URL to {told}"
    else:
        assert "sends elsewhere" in error.message
        assert "AWS_ENDPOINT_URL" in error.hint
    text = error.message + error.hint
    assert len(text) < 400
    assert text.isprintable()
    assert "password" not in text
    assert "secret" not in text


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_redirect_that_the_client_cannot_read_is_told_at_once_too(
    endpoint: Callable[..., Redirects], operation: str
) -> None:
    server = endpoint(status=303)
    store = open_store("s3://studio/store")
    assert isinstance(store, S3Store)
    with pytest.raises(StoreError, match="the endpoint sends elsewhere") as caught:
        OPERATIONS[operation](store)
    assert (caught.value.code, caught.value.retry) == ("store_redirects", Retry.NEVER)
    assert len(server.asked) == 1


def test_an_endpoint_that_sends_to_itself_is_told_so(endpoint: Callable[..., Redirects]) -> None:
    server = endpoint()
    server.location = f"{server.url}/minio"
    with pytest.raises(StoreError, match="sends to another path of its own"):
        open_store("s3://studio/store").get(KEY)


@pytest.mark.parametrize("status", [301, 307])
def test_a_bucket_in_another_region_is_found(endpoint: Callable[..., Redirects], status: int) -> None:
    server = endpoint(status=status, region="eu-central-1")
    assert open_store("s3://studio/store").get(KEY) == b""
    assert len(server.asked) == 2


@pytest.mark.parametrize("method", ["get_object", "head_object"])
def test_a_region_that_only_the_bucket_tells_is_asked_for_once(
    endpoint: Callable[..., Redirects], method: str
) -> None:
    code = b"<Error><Code>PermanentRedirect</Code><Message>m</Message></Error>"
    server = endpoint(body=code, location=None)
    client = s3_client()
    with pytest.raises(S3Error) as caught:
        persistently(lambda: getattr(client, method)(Bucket="studio", Key=KEY))
    assert caught.value.problem is S3Problem.REDIRECTED
    assert "AWS_REGION" in caught.value.hint
    assert [line.split()[0] for line in server.asked] == [
        {"get_object": "GET", "head_object": "HEAD"}[method],
        "HEAD",
    ]


def test_a_region_that_sends_on_again_is_not_followed(endpoint: Callable[..., Redirects]) -> None:
    server = endpoint(region="nowhere-1")
    server.region = "xx-north-9"
    client = s3_client()
    # Whatever it is signed for, the server wants another.
    client.meta.events.register("before-sign.s3", lambda **_: setattr(server, "region", server.region + "x"))
    with pytest.raises(S3Error) as caught:
        persistently(lambda: client.get_object(Bucket="studio", Key=KEY))
    assert caught.value.problem is S3Problem.REDIRECTED
    assert len(server.asked) == 2
