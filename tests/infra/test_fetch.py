from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.fetch import fetch_file, fetch_subject_folder
from infra.storage.s3 import s3_client
from jobs.errors import InputError, InputNotFound, OutputError, UnknownSubject

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


def test_a_server_that_does_not_answer_is_an_input_error(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(InputError) as caught:
        fetch_file(f"s3://{bucket}/x.wav", cache=tmp_path, where=WHERE)
    assert caught.value.code == "input_unreachable"


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
