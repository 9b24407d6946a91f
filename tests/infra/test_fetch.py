from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bucket_audit import direct_client

from infra.fetch import fetch_file, fetch_subject_folder
from infra.storage.s3_client import s3_client
from infra.storage.s3_read import RemoteFacts, remote_facts
from jobs.errors import CastingError, ExitCode, InputError, InputNotFound, OutputError, UnknownSubject
from jobs.locations import S3Address

WHERE = "spec.speech"


@pytest.fixture
def bucket(s3_bucket: Callable[[], str]) -> str:
    return s3_bucket()


def test_a_local_file_stays_where_it_is(tmp_path: Path) -> None:
    speech = tmp_path / "hello.wav"
    speech.write_bytes(b"RIFF")
    assert fetch_file(str(speech), cache=tmp_path / "cache", where=WHERE) == speech
    assert not (tmp_path / "cache").exists()


def test_a_file_that_is_not_there_is_named_with_its_field(tmp_path: Path) -> None:
    for name in ("missing.wav", "missing/folder.wav", "x" * 300):
        with pytest.raises(InputNotFound) as caught:
            fetch_file(str(tmp_path / name), cache=tmp_path, where=WHERE)
        assert caught.value.where == WHERE
        assert name in caught.value.message


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputNotFound) as caught:
        fetch_file(str(tmp_path), cache=tmp_path, where=WHERE)
    assert caught.value.code == "not_a_file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_reported(tmp_path: Path) -> None:
    speech = tmp_path / "hello.wav"
    speech.touch(mode=0o000)
    with pytest.raises(InputNotFound) as caught:
        fetch_file(str(speech), cache=tmp_path, where=WHERE)
    assert caught.value.code == "not_readable"


def test_an_object_is_downloaded_once_and_again_when_it_changes(bucket: str, tmp_path: Path) -> None:
    uri = f"s3://{bucket}/speech/hello.wav"
    s3_client().put_object(Bucket=bucket, Key="speech/hello.wav", Body=b"first")
    first = fetch_file(uri, cache=tmp_path, where=WHERE)
    assert (first.name, first.read_bytes()) == ("hello.wav", b"first")
    began = first.stat().st_mtime_ns
    assert fetch_file(uri, cache=tmp_path, where=WHERE) == first
    assert first.stat().st_mtime_ns == began
    s3_client().put_object(Bucket=bucket, Key="speech/hello.wav", Body=b"second")
    assert fetch_file(uri, cache=tmp_path, where=WHERE).read_bytes() == b"second"
    assert first.read_bytes() == b"first"


def test_an_object_that_is_not_there_is_named_with_its_field(bucket: str, tmp_path: Path) -> None:
    for uri in (f"s3://{bucket}/missing.wav", "s3://no-such-bucket-anywhere/x.wav"):
        with pytest.raises(InputNotFound) as caught:
            fetch_file(uri, cache=tmp_path, where=WHERE)
        assert caught.value.where == WHERE
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_is_an_error_of_the_input_or_the_subject(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.storage.s3_retry.sleep", lambda _: None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(InputError) as speech:
        fetch_file(f"s3://{bucket}/x.wav", cache=tmp_path, where=WHERE)
    assert (speech.value.code, speech.value.exit_code) == ("input_unreachable", ExitCode.INPUT)
    with pytest.raises(CastingError) as subject:
        fetch_subject_folder(f"s3://{bucket}/subjects/a", cache=tmp_path)
    assert (subject.value.code, subject.value.exit_code) == ("subject_unreachable", ExitCode.CASTING)


def test_speech_that_is_damaged_in_the_bucket_is_refused(bucket: str, tmp_path: Path) -> None:
    s3_client().put_object(Bucket=bucket, Key="x.wav", Body=b"damaged", Metadata={"sha256": "0" * 64})
    with pytest.raises(InputError) as caught:
        fetch_file(f"s3://{bucket}/x.wav", cache=tmp_path, where=WHERE)
    assert caught.value.code == "input_damaged"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_speech_that_is_replaced_while_it_is_fetched_is_not_taken_for_what_was_there(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3_client().put_object(Bucket=bucket, Key="x.wav", Body=b"first")

    def replaced(client: Any, address: S3Address) -> RemoteFacts | None:
        facts = remote_facts(client, address)
        client.put_object(Bucket=bucket, Key="x.wav", Body=b"second")
        return facts

    monkeypatch.setattr("infra.storage.s3_read.remote_facts", replaced)
    with pytest.raises(InputError) as caught:
        fetch_file(f"s3://{bucket}/x.wav", cache=tmp_path, where=WHERE)
    assert caught.value.code == "input_changed"


def test_a_large_recording_is_streamed(
    signing_s3_bucket: Callable[[], str], signing_s3_server: str, tmp_path: Path
) -> None:
    # That server is a process of its own: what is measured here is the client alone.
    bucket, data = signing_s3_bucket(), os.urandom(1 << 20) * 32
    direct_client(signing_s3_server).put_object(Bucket=bucket, Key="x.wav", Body=data)
    tracemalloc.start()
    try:
        path = fetch_file(f"s3://{bucket}/x.wav", cache=tmp_path, where=WHERE)
        assert tracemalloc.get_traced_memory()[1] < len(data) / 2
    finally:
        tracemalloc.stop()
    assert path.read_bytes() == data


def test_what_a_killed_download_left_is_swept_after_a_day(bucket: str, tmp_path: Path) -> None:
    s3_client().put_object(Bucket=bucket, Key="x.wav", Body=b"x")
    old, young = tmp_path / "inputs" / ".old-1", tmp_path / "inputs" / ".young-2"
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / "x.wav").write_bytes(b"half")
    os.utime(old, (0, 0))
    fetch_file(f"s3://{bucket}/x.wav", cache=tmp_path, where=WHERE)
    assert (old.exists(), young.exists()) == (False, True)


def test_a_cache_that_cannot_be_written_is_an_output_error(bucket: str, tmp_path: Path) -> None:
    s3_client().put_object(Bucket=bucket, Key="x.wav", Body=b"x")
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputError) as caught:
        fetch_file(f"s3://{bucket}/x.wav", cache=blocked, where=WHERE)
    assert "FARM_CACHE" in caught.value.hint


def test_a_local_subject_stays_where_it_is(tmp_path: Path) -> None:
    assert fetch_subject_folder(str(tmp_path), cache=tmp_path / "cache") == tmp_path


def test_a_subject_that_is_not_there_is_unknown(bucket: str, tmp_path: Path) -> None:
    a_file = tmp_path / "subject.yaml"
    a_file.write_text("name: x")
    for location in (str(tmp_path / "missing"), str(a_file), f"s3://{bucket}/subjects/missing"):
        with pytest.raises(UnknownSubject) as caught:
            fetch_subject_folder(location, cache=tmp_path / "cache")
        assert "builtin:NAME" in caught.value.hint


def test_a_subject_in_a_bucket_arrives_whole(bucket: str, tmp_path: Path) -> None:
    for name in ("subject.yaml", "template.npz", "consent.txt"):
        s3_client().put_object(Bucket=bucket, Key=f"subjects/a/{name}", Body=name.encode())
    s3_client().put_object(Bucket=bucket, Key="subjects/ab/subject.yaml", Body=b"another")
    folder = fetch_subject_folder(f"s3://{bucket}/subjects/a", cache=tmp_path)
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert found == ["consent.txt", "subject.yaml", "template.npz"]
    assert fetch_subject_folder(f"s3://{bucket}/subjects/a/", cache=tmp_path).parent == folder.parent


def test_only_the_package_itself_is_fetched_not_the_clip_below_it(bucket: str, tmp_path: Path) -> None:
    client = s3_client()
    for key in ("subject.yaml", "clip/frames.mp4", "report/index.html", "../../../evil"):
        client.put_object(Bucket=bucket, Key=f"subjects/a/{key}", Body=key.encode())
    folder = fetch_subject_folder(f"s3://{bucket}/subjects/a", cache=tmp_path / "cache")
    assert [path.name for path in folder.rglob("*")] == ["subject.yaml"]
    assert not (tmp_path / "evil").exists()
