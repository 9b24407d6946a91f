"""Whole renders in one process: small stages, but real speech decoding, encoding, stitching, store and manifests."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Event
from typing import Any

import av
import pytest
from fake_stages import FAKE_LIMITS, FakeStages, Fault, read_barcode

from farm import rendering
from farm.config import PoolSizes
from farm.execution.calls import ReplicaSetup
from farm.execution.pools.inline_pools import InlinePools
from farm.execution.pools.messages import Began, Finished, Gone, PoolEvent, Task
from farm.preparation import Cast, read_job_speech
from farm.render_report import Silent
from farm.scheduling.units import Stage, Unit
from infra.settings import FarmSettings
from infra.storage import open_store
from jobs.errors import (
    DiskFull,
    InputNotFound,
    NotSpeech,
    OutputUnwritable,
    Retry,
    SegmentFailed,
    StoreError,
    SubjectRefused,
    UnknownSubject,
    WeightsMismatch,
)
from jobs.manifest import Manifest
from stages.speech.decode import Speech


class Heard(Silent):
    """Keeps what a render tells."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


def barcodes(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [read_barcode(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")} if folder.exists() else set()


@pytest.mark.parametrize("seconds", [0.5, 1.99, 2.0, 6.02, 13.0])
def test_the_master_holds_every_frame_once_and_in_order(
    seconds: float, write_speech: Any, make_job: Any, render: Any, tmp_path: Path
) -> None:
    write_speech(seconds=seconds)
    report = render(make_job())
    frames = -(-round(seconds * 16_000) * 25 // 16_000)
    assert report.frame_count == frames
    assert barcodes(tmp_path / "out" / "hello.mp4") == list(range(frames))


def test_that_a_subject_is_untrained_is_told_once_and_in_the_manifest(
    write_speech: Any, make_job: Any, render: Any, stages: FakeStages
) -> None:
    write_speech(seconds=2.5)
    (stages.builtin_subjects()["fake"] / "untrained").touch()
    heard = Heard()
    report = render(make_job(), listener=heard)
    manifest = Manifest.from_json(Path(report.takes[0].manifest).read_bytes())
    assert manifest.subject.untrained
    assert [note for note in heard.notes if "untrained" in note] == [
        "fake is untrained: pictures of it are warped and not repaired (farm train makes it better)"
    ]


def test_that_a_head_moves_little_is_told_once_and_in_the_manifest(
    write_speech: Any, make_job: Any, render: Any, stages: FakeStages
) -> None:
    write_speech(seconds=2.5)
    (stages.builtin_subjects()["fake"] / "limited").touch()
    heard = Heard()
    report = render(make_job(), listener=heard)
    manifest = Manifest.from_json(Path(report.takes[0].manifest).read_bytes())
    assert manifest.subject.motion_limits is not None
    assert manifest.subject.motion_limits.model_dump() == FAKE_LIMITS.as_record()
    assert [note for note in heard.notes if "one pose" in note] == [
        f"fake was seen in one pose: {FAKE_LIMITS.sentence()}"
    ]


def test_the_manifest_lists_every_segment_and_the_masters_hash(
    write_speech: Any, make_job: Any, render: Any, settings: FarmSettings, tmp_path: Path
) -> None:
    write_speech(seconds=5.0)
    report = render(make_job(seed=7))
    data = (tmp_path / "out" / "hello.manifest.json").read_bytes()
    manifest = Manifest.from_json(data)
    store = open_store(settings.store)
    assert [segment.frame_count for segment in manifest.segments] == [50, 50, 25]
    for segment in manifest.segments:
        assert hashlib.sha256(store.get(segment.key)).hexdigest() == segment.sha256
    master = (tmp_path / "out" / "hello.mp4").read_bytes()
    assert hashlib.sha256(master).hexdigest() == manifest.master.sha256 == report.takes[0].sha256
    assert (manifest.seed, manifest.synthetic, manifest.subject.consent) == (7, True, "fictional")
    assert not manifest.subject.untrained
    assert manifest.subject.motion_limits is None
    assert set(manifest.weights_sha256) == {"moda", "faco"}
    assert str(tmp_path) not in data.decode(), "a manifest tells nothing about the machine"
    stored = [key for key in store.list() if key.endswith(("manifest.json", "master.mp4"))]
    assert store.get(stored[0]) == data
    assert store.get(stored[1]) == master


def test_each_take_has_its_own_noise_and_its_own_master(
    write_speech: Any, make_job: Any, render: Any, tmp_path: Path
) -> None:
    write_speech()
    report = render(make_job(takes=2))
    assert [Path(take.master).name for take in report.takes] == ["hello.mp4", "hello.take2.mp4"]
    assert report.takes[0].sha256 != report.takes[1].sha256
    assert files_below(tmp_path / "out") == {
        "hello.mp4",
        "hello.manifest.json",
        "hello.take2.mp4",
        "hello.take2.manifest.json",
    }


def test_a_second_take_renders_nothing_of_the_first_again(
    write_speech: Any, make_job: Any, render: Any, stages: FakeStages
) -> None:
    write_speech()
    first = render(make_job())
    second = render(make_job(takes=2))
    assert (second.segments_found, second.segments_total) == (2, 4)
    assert second.takes[0].sha256 == first.takes[0].sha256
    assert stages.noted("render-") == 4


def segment_hashes(report: Any) -> list[str]:
    manifest = Manifest.from_json(Path(report.takes[0].manifest).read_bytes())
    return [segment.sha256 for segment in manifest.segments]


def test_another_seed_gives_another_video(write_speech: Any, make_job: Any, render: Any) -> None:
    write_speech()
    assert segment_hashes(render(make_job(seed=7))) != segment_hashes(render(make_job(seed=8)))


def test_amplitude_zero_keeps_the_subject_still_whatever_the_seed(
    write_speech: Any, make_job: Any, render: Any
) -> None:
    write_speech()
    still = {"head": 0.0, "blink": 0.0, "torso": 0.0}
    seven, eight = (segment_hashes(render(make_job(seed=seed, motion=still))) for seed in (7, 8))
    assert seven == eight


def test_a_committed_job_is_stitched_again_without_starting_a_backend(
    write_speech: Any, make_job: Any, render: Any, tmp_path: Path
) -> None:
    write_speech()
    first = render(make_job())
    (tmp_path / "out" / "hello.mp4").unlink()

    def refuse() -> Any:
        raise AssertionError("nothing is missing, so no backend is needed")

    again = render(make_job(), open_backend=refuse)
    assert again.takes == first.takes
    assert again.segments_found == again.segments_total == 2


class UnstartedPools(InlinePools):
    """The inline pools, except that nothing may be waited for before they start, as on Ray."""

    has_started = False

    def start(self, pools: PoolSizes, *, warm: ReplicaSetup | None = None) -> int:
        self.has_started = True
        return super().start(pools, warm=warm)

    def wait(self, *, timeout_s: float) -> Sequence[PoolEvent]:
        if not self.has_started:
            raise RuntimeError("start comes first")
        return super().wait(timeout_s=timeout_s)


def test_a_committed_job_whose_speech_takes_long_to_read_waits_for_no_replica(
    write_speech: Any, make_job: Any, render: Any, stages: FakeStages, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_speech()
    is_opened, pools = Event(), UnstartedPools(stages=stages)

    def read_slowly(cast: Cast) -> Speech:
        assert is_opened.wait(30.0)
        return read_job_speech(cast)

    @contextmanager
    def open_backend() -> Iterator[InlinePools]:
        is_opened.set()
        yield pools

    first = render(make_job())
    monkeypatch.setattr(rendering, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(rendering, "read_job_speech", read_slowly)
    assert render(make_job(), open_backend=open_backend).takes == first.takes
    assert not pools.has_started


def test_a_render_that_broke_off_goes_on_where_it_stopped(
    write_speech: Any, make_job: Any, render: Any, tmp_path: Path
) -> None:
    write_speech(seconds=8.0)
    whole = render(make_job(), settings=_elsewhere(tmp_path))
    broken = FakeStages.in_folder(
        tmp_path / "broken", faults=(Fault(stage="render", frame=100, kind="interrupt"),)
    )
    with pytest.raises(KeyboardInterrupt):
        render(make_job(), stages=broken)
    resumed = render(make_job())
    assert 0 < resumed.segments_found < resumed.segments_total
    assert resumed.takes[0].sha256 == whole.takes[0].sha256


def _elsewhere(folder: Path) -> FarmSettings:
    return FarmSettings(store=str(folder / "other-store"), cache=folder / "cache")


def test_a_job_rendered_to_two_places_keeps_one_manifest_in_the_store(
    write_speech: Any, make_job: Any, render: Any, tmp_path: Path
) -> None:
    write_speech()
    render(make_job())
    report = render(make_job(output={"uri": "elsewhere/hello.mp4"}))
    assert report.segments_found == 2
    manifest = json.loads((tmp_path / "elsewhere" / "hello.manifest.json").read_text())
    assert manifest["master"]["uri"] == "elsewhere/hello.mp4"


class DyingPools(InlinePools):
    """The inline pools, except that replicas die when they begin chosen units, with all that waits behind them."""

    def __init__(self, *, stages: FakeStages, losses: dict[Unit, int]) -> None:
        super().__init__(stages=stages)
        self._losses = dict(losses)
        self._held: dict[str, list[str]] = {}
        self._said: list[PoolEvent] = []

    def submit(self, replica: str, task: Task) -> None:
        held = self._held.setdefault(replica, [])
        if self._losses.get(task.unit, 0) > 0:
            self._losses[task.unit] -= 1
            self.kill(replica)
            tasks = (task.key, *held)
            stage = task.unit.stage
            self._said += [
                Began(task.key),
                Gone(replica=replica, stage=stage, tasks=tasks, explained=False, reason="killed"),
            ]
        else:
            held.append(task.key)
            super().submit(replica, task)

    def wait(self, *, timeout_s: float) -> Sequence[PoolEvent]:
        said, self._said = self._said, []
        happened = [*said, *super().wait(timeout_s=timeout_s)]
        for event in happened:
            for held in self._held.values():
                if isinstance(event, Finished) and event.key in held:
                    held.remove(event.key)
        return happened


def test_lost_units_are_dispatched_again_and_change_no_byte(
    write_speech: Any, make_job: Any, render: Any, stages: FakeStages, tmp_path: Path
) -> None:
    write_speech(seconds=13.0)
    calm = render(make_job(), settings=_elsewhere(tmp_path))
    losses = {Unit(1, 1, Stage.MOTION): 2, Unit(1, 2, Stage.FACE): 1, Unit(1, 0, Stage.RENDER): 2}
    pools = DyingPools(stages=stages, losses=losses)
    shaken = render(make_job(), open_backend=lambda: nullcontext(pools))
    assert shaken.takes[0].sha256 == calm.takes[0].sha256


def test_a_segment_over_which_replicas_die_even_alone_ends_the_job(
    write_speech: Any, make_job: Any, render: Any, stages: FakeStages, tmp_path: Path
) -> None:
    write_speech(seconds=13.0)
    pools = DyingPools(stages=stages, losses={Unit(1, 3, Stage.RENDER): 99})
    with pytest.raises(SegmentFailed, match="alone on a fresh replica") as caught:
        render(make_job(), open_backend=lambda: nullcontext(pools))
    assert caught.value.where == "take 1, segment 3 (render)"
    assert files_below(tmp_path / "out") == set()


def test_a_stage_that_trips_once_is_tried_again(
    write_speech: Any, make_job: Any, render: Any, tmp_path: Path
) -> None:
    write_speech()
    stages = FakeStages.in_folder(tmp_path / "trips", faults=(Fault(stage="render", frame=50, kind="raise"),))
    render(make_job(), stages=stages)
    assert stages.noted("render-000050") == 2


def test_a_segment_that_always_fails_ends_the_job_and_leaves_no_master(
    write_speech: Any, make_job: Any, render: Any, tmp_path: Path
) -> None:
    write_speech()
    stages = FakeStages.in_folder(
        tmp_path / "fails", faults=(Fault(stage="render", frame=50, kind="raise", times=99),)
    )
    with pytest.raises(SegmentFailed) as caught:
        render(make_job(), stages=stages)
    assert caught.value.where == "take 1, segment 1 (render)"
    assert "failed 2 times" in caught.value.message
    assert "tripped at frame 50" in caught.value.message
    assert files_below(tmp_path / "out") == set()


def test_bad_speech_is_refused_before_anything_is_written(make_job: Any, render: Any, tmp_path: Path) -> None:
    with pytest.raises(InputNotFound):
        render(make_job())
    (tmp_path / "hello.wav").write_bytes(b"this is not a recording")
    with pytest.raises(NotSpeech):
        render(make_job())
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "store").exists()


def test_an_unknown_builtin_subject_is_refused_with_the_nearest_known_one(
    write_speech: Any, make_job: Any, render: Any
) -> None:
    write_speech()
    with pytest.raises(UnknownSubject) as caught:
        render(make_job(subject="builtin:fkae"))
    assert caught.value.hint == "did you mean 'builtin:fake'?"


def test_no_face_is_rendered_without_consent(
    write_speech: Any, make_job: Any, render: Any, stages: FakeStages
) -> None:
    write_speech()
    (stages.folder / "subjects" / "fake" / "no-consent").touch()
    with pytest.raises(SubjectRefused, match="consent"):
        render(make_job())


def test_weights_of_another_architecture_are_refused_by_the_replica(
    write_speech: Any, make_job: Any, render: Any, stages: FakeStages
) -> None:
    write_speech()
    (stages.folder / "motion.weights").write_bytes(b"other")
    with pytest.raises(WeightsMismatch, match=r"attention\.weight"):
        render(make_job())


def test_a_profile_that_the_subject_has_no_renderer_for_is_refused(
    write_speech: Any, make_job: Any, render: Any
) -> None:
    write_speech()
    with pytest.raises(WeightsMismatch, match="256 px"):
        render(make_job(output={"profile": "full", "uri": "hello.mp4"}))


@pytest.mark.parametrize(("drawn", "profile", "size"), [(256, "preview", 256), (512, "full", 512)])
def test_a_job_that_names_no_profile_shows_all_that_is_drawn(
    drawn: int, profile: str, size: int, write_speech: Any, make_job: Any, render: Any, stages: FakeStages
) -> None:
    write_speech(seconds=2.2)
    (stages.builtin_subjects()["fake"] / "size").write_text(str(drawn))
    open_job, named = make_job(), make_job(output={"profile": profile, "uri": "out/hello.mp4"})
    report, again = render(open_job), render(named)
    assert report.plan_hash == again.plan_hash
    assert again.segments_found == 2, "what it means is what decides the pictures, not how it was written"
    manifest = Manifest.from_json(Path(report.takes[0].manifest).read_bytes())
    assert manifest.job["spec"]["output"]["profile"] == profile
    assert manifest.master.size_px == size


def test_an_unwritable_master_is_found_before_rendering(
    write_speech: Any, make_job: Any, render: Any, stages: FakeStages
) -> None:
    write_speech()
    with pytest.raises(OutputUnwritable):
        render(make_job(output={"uri": "/proc/hello.mp4"}))
    assert stages.noted("load-") == 0


def test_an_unwritable_store_is_found_before_rendering(
    write_speech: Any, make_job: Any, render: Any, tmp_path: Path
) -> None:
    write_speech()
    (tmp_path / "file").touch()
    with pytest.raises(OutputUnwritable) as caught:
        render(make_job(), settings=FarmSettings(store=str(tmp_path / "file" / "store"), cache=tmp_path))
    assert caught.value.where == "store"


def test_a_disk_that_fills_up_while_rendering_leaves_no_master(
    write_speech: Any, make_job: Any, render: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_speech()

    def full(*_arguments: Any, **_options: Any) -> None:
        raise DiskFull("no space is left in the store", where="renders")

    monkeypatch.setattr("infra.storage.folder.FolderStore.put_if_absent", full)
    with pytest.raises(DiskFull):
        render(make_job())
    assert files_below(tmp_path / "out") == set()


def test_a_job_that_lives_in_a_bucket_gives_the_same_bytes_as_a_local_one(
    write_speech: Any, make_job: Any, render: Any, tmp_path: Path, s3_bucket: Any
) -> None:
    from infra.storage.s3 import s3_client

    bucket, client = s3_bucket(), s3_client()
    client.upload_file(str(write_speech()), bucket, "in/hello.wav")
    local = render(make_job())
    there = FarmSettings(store=f"s3://{bucket}/store", cache=tmp_path / "cache")
    job = make_job(speech=f"s3://{bucket}/in/hello.wav", output={"uri": f"s3://{bucket}/out/hello.mp4"})
    remote = render(job, settings=there)
    assert remote.takes[0].sha256 == local.takes[0].sha256
    master = client.get_object(Bucket=bucket, Key="out/hello.mp4")["Body"].read()
    assert hashlib.sha256(master).hexdigest() == local.takes[0].sha256
    manifest = client.get_object(Bucket=bucket, Key="out/hello.manifest.json")["Body"].read()
    assert Manifest.from_json(manifest).master.uri == f"s3://{bucket}/out/hello.mp4"
    assert render(job, settings=there).segments_found == 2


def test_a_full_disk_is_found_before_rendering(
    write_speech: Any, make_job: Any, render: Any, stages: FakeStages, tmp_path: Path
) -> None:
    write_speech(seconds=60.0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel then refuses files of a megabyte, as a disk without room for them would.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(DiskFull, match="no room"):
            render(make_job())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert stages.noted("load-") == 0
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EIO])
def test_a_store_without_links_ends_the_job_before_anything_is_rendered(
    number: int,
    write_speech: Any,
    make_job: Any,
    render: Any,
    settings: FarmSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(number, os.strerror(number), str(source), None, str(target))

    def never(**_: Any) -> Any:
        raise AssertionError("replicas are asked for")

    write_speech(seconds=1.0)
    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StoreError) as caught:
        render(make_job(), open_backend=never)
    assert (caught.value.code, caught.value.retry) == ("store_without_links", Retry.NEVER)
    assert files_below(Path(settings.store)) == set()
