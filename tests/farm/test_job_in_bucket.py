"""Jobs in a bucket of a server that checks signatures; tests/acceptance/test_all_in_s3.py has a real subject."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from bucket_audit import direct_client, objects_in, open_uploads

from farm.render_report import Silent, Step
from infra.settings import FarmSettings
from jobs.errors import ExitCode, FarmError
from jobs.parse import LoadedJob


@dataclass
class Bucket:
    """A bucket with a speech, and a job that reads and writes nothing else."""

    name: str
    client: Any
    job: LoadedJob
    settings: FarmSettings

    def delete(self, part: str) -> str:
        """Remove the first object whose key holds this; returns the key."""
        key = next(key for key in sorted(objects_in(self.client, self.name)) if part in key)
        self.client.delete_object(Bucket=self.name, Key=key)
        return key


@pytest.fixture
def bucket(
    signing_s3_bucket: Callable[[], str],
    signing_s3_server: str,
    write_speech: Any,
    make_job: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Bucket:
    monkeypatch.setattr("infra.storage.s3_retry.sleep", lambda _: None)
    name, client = signing_s3_bucket(), direct_client(signing_s3_server)
    client.put_object(Bucket=name, Key="in/hello.wav", Body=write_speech().read_bytes())
    job = make_job(speech=f"s3://{name}/in/hello.wav", output={"uri": f"s3://{name}/out/hello.mp4"})
    settings = FarmSettings(store=f"s3://{name}/store", cache=tmp_path / "cache", ray_auth="disabled")
    return Bucket(name=name, client=client, job=job, settings=settings)


def test_it_gives_the_same_bytes_as_in_folders(bucket: Bucket, make_job: Any, render: Any) -> None:
    local = render(make_job())
    there = render(bucket.job, settings=bucket.settings)
    assert there.takes[0].sha256 == local.takes[0].sha256
    held = objects_in(bucket.client, bucket.name)
    assert held["out/hello.mp4"] == Path(local.takes[0].master).read_bytes()
    assert [key for key in held if ".farm-" in key] == []
    assert open_uploads(bucket.client, bucket.name) == []
    again = render(bucket.job, settings=bucket.settings)
    assert (again.segments_found, again.segments_total) == (2, 2)


def test_a_segment_that_vanishes_before_it_is_stitched_is_one_error_and_is_rendered_again(
    bucket: Bucket, render: Any
) -> None:
    stolen = []

    class Thief(Silent):
        def advance(self, step: Step, *, done: int, total: int) -> None:
            if step is Step.STITCH and done == 0:
                stolen.append(bucket.delete(".mp4"))

    with pytest.raises(FarmError) as caught:
        render(bucket.job, settings=bucket.settings, listener=Thief())
    assert caught.value.code == "object_not_found"
    (key,) = stolen
    assert "/segments/" in key
    assert key.rpartition("/")[2] in caught.value.where
    assert caught.value.exit_code is ExitCode.OUTPUT
    assert "out/hello.mp4" not in objects_in(bucket.client, bucket.name), "no part of a master"
    assert render(bucket.job, settings=bucket.settings).segments_found == 1


def test_a_segment_that_is_damaged_in_the_store_is_one_error(
    bucket: Bucket, render: Any, tmp_path: Path
) -> None:
    render(bucket.job, settings=bucket.settings)
    key = next(
        key for key in objects_in(bucket.client, bucket.name) if "/segments/" in key and key.endswith(".mp4")
    )
    facts = bucket.client.head_object(Bucket=bucket.name, Key=key)
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"damage", Metadata=facts["Metadata"])
    with pytest.raises(FarmError) as caught:
        render(bucket.job, settings=bucket.settings)
    assert (caught.value.code, caught.value.exit_code) == ("corrupt_object", ExitCode.OUTPUT)


def test_a_speech_that_vanished_is_one_error(bucket: Bucket, render: Any) -> None:
    bucket.delete("in/hello.wav")
    with pytest.raises(FarmError) as caught:
        render(bucket.job, settings=bucket.settings)
    assert (caught.value.code, caught.value.exit_code) == ("input_not_found", ExitCode.INPUT)
    assert caught.value.where == "spec.speech"
    assert caught.value.hint


def test_a_subject_that_vanished_is_one_error(bucket: Bucket, render: Any, make_job: Any) -> None:
    job = make_job(subject=f"s3://{bucket.name}/subjects/gone")
    with pytest.raises(FarmError) as caught:
        render(job, settings=bucket.settings)
    assert (caught.value.code, caught.value.exit_code) == ("unknown_subject", ExitCode.CASTING)
    assert caught.value.where == "spec.subject"
    assert caught.value.hint


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
@pytest.mark.parametrize(
    ("local", "exit_code"),
    [
        ((), ExitCode.INPUT),
        (("speech",), ExitCode.CASTING),
        (("speech", "subject"), ExitCode.OUTPUT),
        (("speech", "subject", "output"), ExitCode.OUTPUT),
        (("speech", "subject", "store"), ExitCode.OUTPUT),
    ],
    ids=lambda value: "-".join(value) or "all" if isinstance(value, tuple) else str(value),
)
def test_wrong_keys_are_one_error_whatever_lies_in_the_bucket(
    bucket: Bucket,
    render: Any,
    make_job: Any,
    settings: FarmSettings,
    wrong_s3_keys: Callable[[str], None],
    name: str,
    local: tuple[str, ...],
    exit_code: ExitCode,
) -> None:
    wrong_s3_keys(name)
    error = failure(bucket, render, make_job, settings, bucket=bucket.name, local=local)
    assert error.exit_code is exit_code
    assert "credentials" in error.hint
    assert "nobodys-business" not in error.line() + error.hint


@pytest.mark.parametrize(
    ("local", "exit_code"),
    [
        ((), ExitCode.INPUT),
        (("speech",), ExitCode.CASTING),
        (("speech", "subject", "store"), ExitCode.OUTPUT),
        (("speech", "subject", "output"), ExitCode.OUTPUT),
    ],
    ids=lambda value: "-".join(value) or "all" if isinstance(value, tuple) else str(value),
)
def test_a_bucket_that_does_not_exist_is_one_error(
    bucket: Bucket,
    render: Any,
    make_job: Any,
    settings: FarmSettings,
    local: tuple[str, ...],
    exit_code: ExitCode,
) -> None:
    error = failure(bucket, render, make_job, settings, bucket="no-such-bucket-anywhere", local=local)
    assert error.exit_code is exit_code
    assert error.hint


def failure(
    there: Bucket,
    render: Any,
    make_job: Any,
    settings: FarmSettings,
    *,
    bucket: str,
    local: tuple[str, ...],
) -> FarmError:
    """The error of a job of which all but some parts are in a bucket."""
    spec = {
        "speech": f"s3://{bucket}/in/hello.wav",
        "subject": f"s3://{bucket}/subjects/fake",
        "output": {"uri": f"s3://{bucket}/out/hello.mp4"},
    }
    job = make_job(**{field: value for field, value in spec.items() if field not in local})
    store = settings.store if "store" in local else f"s3://{bucket}/store"
    with pytest.raises(FarmError) as caught:
        render(job, settings=replace(there.settings, store=store))
    assert "\n" not in caught.value.line()
    return caught.value
