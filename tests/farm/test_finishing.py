"""Masters that go to a bucket are joined on this machine first: its temporary folder can be full, or not there."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from fake_stages import FakeStages

from farm import finishing, outputs
from farm.finishing import Finisher
from farm.preparation import gather_cast, make_plan, read_job_speech
from infra.settings import FarmSettings
from infra.storage import open_store
from jobs.errors import DiskFull, OutputUnwritable
from jobs.manifest import Manifest

DAY_S = 24 * 3600


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder of this machine, for one test."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def finish(
    write_speech: Any,
    make_job: Any,
    render: Any,
    settings: FarmSettings,
    stages: FakeStages,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """Finishes a job that was rendered, into a bucket that takes whatever comes; returns what came, by place."""
    write_speech()
    rendered = render(make_job())
    segments = Manifest.from_json(Path(rendered.takes[0].manifest).read_bytes()).segments
    loaded = make_job("far", output={"uri": "s3://studio/out/far.mp4"})
    cast = gather_cast(loaded, stages=stages, cache=settings.cache)
    speech = read_job_speech(cast)
    plan = make_plan(loaded, cast=cast, frame_count=speech.frame_count, device_kind="cpu test")
    store = open_store(settings.store)
    finisher = Finisher(loaded=loaded, plan=plan, cast=cast, speech=speech, store=store)
    delivered: dict[str, bytes] = {}

    def deliver(source: Path, location: str, *, content_type: str) -> None:
        delivered[location] = source.read_bytes()

    monkeypatch.setattr(finishing, "deliver", deliver)
    # Nothing was in the bucket before.
    monkeypatch.setattr(outputs, "read_delivered", lambda _location, **_: None)
    monkeypatch.setattr(outputs, "delivered_sha256", lambda _location, **_: None)

    def run() -> dict[str, bytes]:
        finisher.finish(take=1, segments=segments)
        return delivered

    return run


def test_nothing_is_left_on_this_machine_of_what_went_to_a_bucket(finish: Any, scratch: Path) -> None:
    assert set(finish()) == {"s3://studio/out/far.mp4", "s3://studio/out/far.manifest.json"}
    assert list(scratch.iterdir()) == []


def test_without_a_temporary_folder_the_job_cannot_be_finished_and_the_hint_names_it(
    finish: Any, scratch: Path
) -> None:
    scratch.rmdir()
    with pytest.raises(OutputUnwritable) as caught:
        finish()
    assert caught.value.where == "TMPDIR"
    assert "TMPDIR" in caught.value.hint


def test_no_temporary_folder_at_all_is_told_in_the_same_way(
    finish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_usable() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", none_usable)
    with pytest.raises(OutputUnwritable, match="no usable temporary directory"):
        finish()


def test_a_temporary_folder_without_room_is_a_full_disk(
    finish: Any, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskFull) as caught:
        finish()
    assert caught.value.where == "TMPDIR"
    assert list(scratch.iterdir()) == []


def test_what_a_killed_process_left_in_the_temporary_folder_is_swept_after_a_day(
    finish: Any, scratch: Path
) -> None:
    long_ago = time.time() - DAY_S - 60
    for name in (".moda-farm-scratch-old", ".moda-farm-scratch-young", "farm-notes"):
        (scratch / name).mkdir()
        (scratch / name / "master.mp4").write_bytes(b"half")
    (scratch / ".moda-farm-scratch-file").touch()
    (scratch / ".moda-farm-scratch-link").symlink_to(scratch / "farm-notes")
    for name in (
        ".moda-farm-scratch-old",
        "farm-notes",
        ".moda-farm-scratch-file",
        ".moda-farm-scratch-link",
    ):
        os.utime(scratch / name, (long_ago, long_ago), follow_symlinks=False)
    finish()
    left = {path.name for path in scratch.iterdir()}
    assert left == {
        ".moda-farm-scratch-young",
        "farm-notes",
        ".moda-farm-scratch-file",
        ".moda-farm-scratch-link",
    }
    assert (scratch / "farm-notes" / "master.mp4").exists()
