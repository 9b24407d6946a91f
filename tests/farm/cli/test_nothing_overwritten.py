"""A render never replaces what it reads, nor what it did not write; a plan says so in the same words."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from fake_stages import FakeStages
from kept_files import Said, hashes, run

from farm.cli.wiring import Wiring
from farm.execution.opening import opened_inline
from farm.execution.pools.backend import PoolBackend
from infra.hardware import Hardware
from infra.storage.s3 import s3_client
from jobs.errors import ExitCode

MACHINE = Hardware(cores=2, memory_bytes=8 << 30, cpu_kind="cpu test", gpus=())

Farm = Callable[..., Said]


def inline(*, stages: Any, **_ignored: Any) -> AbstractContextManager[PoolBackend]:
    return opened_inline(stages=stages)


@pytest.fixture
def farm(
    tmp_path: Path, stages: FakeStages, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Farm:
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FARM_STORE", str(tmp_path / "store"))
    wiring = Wiring(stages=stages, open_on=inline, probe=lambda: MACHINE)
    return lambda *arguments: run(*arguments, wiring=wiring, read=capsys.readouterr)


@pytest.fixture
def refuses(farm: Farm, tmp_path: Path) -> Callable[..., Said]:
    """Plans and renders a job, each of which must refuse it alike and leave every file as it was."""

    def check(spec: Path, *options: str) -> Said:
        before = hashes(tmp_path)
        planned = farm("plan", spec, *options)
        rendered = farm("render", spec, *options)
        assert planned == rendered
        assert rendered.exit_code == ExitCode.OUTPUT
        assert hashes(tmp_path) == before
        return rendered

    return check


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """A recording of somebody who speaks: picture and sound."""
    path = tmp_path / "talk.mp4"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=25)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=16_000)
        sound.layout = "mono"
        for _ in range(25):
            container.mux(picture.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(picture.encode(None))
        wave_1S = (0.3 * np.sin(np.arange(16_000) / 7)).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(wave_1S, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


def write_job(folder: Path, name: str = "talk", *, file: str = "job.yaml", **spec: Any) -> Path:
    fields = {"speech": "talk.mp4", "subject": "builtin:fake"} | spec
    lines = ["apiVersion: farm/v1", "kind: RenderJob", f"metadata: {{name: {name}}}", "spec:"]
    lines += [f"  {field}: {value}" for field, value in fields.items()]
    (folder / file).write_text("\n".join(lines) + "\n")
    return folder / file


def test_a_recording_is_never_replaced_by_the_master_that_is_called_like_it(
    refuses: Callable[..., Said], talk: Path, tmp_path: Path
) -> None:
    said = refuses(write_job(tmp_path))
    assert said.code == "output_is_input"
    assert "metadata.name" in said.text
    assert "spec.speech" in said.text
    assert not (tmp_path / "store").exists()
    assert refuses(write_job(tmp_path), "--overwrite").code == "output_is_input"


def test_a_recording_is_never_replaced_by_a_take(
    refuses: Callable[..., Said], talk: Path, tmp_path: Path
) -> None:
    talk.rename(tmp_path / "reel.take2.mp4")
    said = refuses(write_job(tmp_path, "reel", speech="reel.take2.mp4", takes=2))
    assert said.code == "output_is_input"
    assert "take 2" in said.text
    said = refuses(write_job(tmp_path, speech="reel.take2.mp4", takes=3, output="{uri: reel.mp4}"))
    assert said.code == "output_is_input"
    assert "spec.output.uri (take 2)" in said.text


@pytest.mark.parametrize("uri", ["talk.mp4", "./x/../talk.mp4", "linked.mp4", "hard.mp4", "aka/talk.mp4"])
@pytest.mark.parametrize("is_speech", [True, False], ids=["named by the speech", "named by the output"])
def test_a_recording_is_known_by_all_its_names(
    uri: str, is_speech: bool, refuses: Callable[..., Said], talk: Path, tmp_path: Path
) -> None:
    (tmp_path / "linked.mp4").symlink_to("talk.mp4")
    os.link(talk, tmp_path / "hard.mp4")
    (tmp_path / "aka").symlink_to(tmp_path)
    speech, output = (uri, "talk.mp4") if is_speech else ("talk.mp4", uri)
    assert refuses(write_job(tmp_path, speech=speech, output=f"{{uri: {output}}}")).code == "output_is_input"


def test_a_job_is_never_replaced_by_its_manifest(
    refuses: Callable[..., Said], talk: Path, tmp_path: Path
) -> None:
    job = tmp_path / "hello.manifest.json"
    job.write_text(
        '{"apiVersion": "farm/v1", "kind": "RenderJob", "metadata": {"name": "hello"},'
        ' "spec": {"speech": "talk.mp4", "subject": "builtin:fake"}}'
    )
    for options in ([], ["--overwrite"]):
        said = refuses(job, *options)
        assert said.code == "output_is_input"
        assert "the job's file" in said.text


def test_nothing_is_written_into_a_subject_or_among_the_segments(
    refuses: Callable[..., Said], talk: Path, stages: FakeStages, tmp_path: Path
) -> None:
    folder = stages.add_subject("jane", shade=1.0)
    shutil.copytree(folder, tmp_path / "jane")
    said = refuses(write_job(tmp_path, subject="jane", output="{uri: jane/renderer.mp4}"))
    assert said.code == "output_is_input"
    assert "spec.subject" in said.text
    builtin = stages.folder / "subjects" / "fake" / "x.mp4"
    assert refuses(write_job(tmp_path, output=f"{{uri: {builtin}}}")).code == "output_is_input"
    for options in ([], ["--overwrite"]):
        said = refuses(write_job(tmp_path, output="{uri: store/renders/default/x.mp4}"), *options)
        assert said.code == "output_is_input"
        assert "the store" in said.text


def test_an_object_is_never_replaced_by_the_master(
    farm: Farm, talk: Path, tmp_path: Path, s3_bucket: Callable[[], str]
) -> None:
    bucket = s3_bucket()
    s3_client().upload_file(str(talk), bucket, "in/talk.mp4")
    uri = f"s3://{bucket}/in/talk.mp4"
    job = write_job(tmp_path, speech=uri, output=f"{{uri: {uri}}}")
    assert farm("plan", job) == farm("render", job)
    assert farm("render", job, "--overwrite").code == "output_is_input"
    job = write_job(tmp_path, output=f"{{uri: {uri}}}")
    assert farm("plan", job) == farm("render", job)
    assert farm("render", job).code == "output_exists"
    assert s3_client().get_object(Bucket=bucket, Key="in/talk.mp4")["Body"].read() == talk.read_bytes()


@pytest.mark.parametrize("takes", [1, 3])
@pytest.mark.parametrize("name", ["hello.mp4", "hello.manifest.json", "hello.take3.mp4"])
def test_a_file_that_the_farm_did_not_write_stays(
    name: str, takes: int, farm: Farm, refuses: Callable[..., Said], talk: Path, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"my own")
    job = write_job(tmp_path, "hello", takes=takes)
    if takes == 1 and "take" in name:
        assert farm("render", job).exit_code == ExitCode.OK
        assert (tmp_path / name).read_bytes() == b"my own"
        return
    said = refuses(job)
    assert said.code == "output_exists"
    assert name in said.text
    assert "--overwrite" in said.error["hint"]


def test_what_is_in_the_way_is_replaced_where_somebody_says_so(
    farm: Farm, refuses: Callable[..., Said], talk: Path, tmp_path: Path
) -> None:
    job = write_job(tmp_path, "hello")
    (tmp_path / "hello.mp4").write_bytes(b"my own")
    refuses(job)
    assert farm("plan", job, "--overwrite").exit_code == ExitCode.OK
    assert (tmp_path / "hello.mp4").read_bytes() == b"my own"
    assert farm("render", job, "--overwrite").exit_code == ExitCode.OK
    assert (tmp_path / "hello.mp4").read_bytes() != b"my own"
    (tmp_path / "hello.manifest.json").unlink()
    (tmp_path / "hello.manifest.json").mkdir()
    assert refuses(job, "--overwrite").code == "output_unwritable"


def test_rendering_again_is_nothing_special_whatever_changed_in_the_job(
    farm: Farm, talk: Path, tmp_path: Path
) -> None:
    for fields in ({"seed": 1}, {"seed": 1}, {"seed": 2}, {"takes": 2}, {"seed": 3, "takes": 1}):
        job = write_job(tmp_path, "hello", **fields)
        assert farm("plan", job).exit_code == ExitCode.OK
        assert farm("render", job).exit_code == ExitCode.OK


def test_a_master_that_somebody_edited_is_theirs(
    farm: Farm, refuses: Callable[..., Said], talk: Path, tmp_path: Path
) -> None:
    job = write_job(tmp_path, "hello", takes=2)
    assert farm("render", job).exit_code == ExitCode.OK
    graded = tmp_path / "hello.take2.mp4"
    graded.write_bytes(graded.read_bytes() + b"graded")
    assert refuses(job).code == "output_exists"
    assert farm("render", job, "--overwrite").exit_code == ExitCode.OK
    assert farm("render", job).exit_code == ExitCode.OK


def test_a_master_without_its_manifest_is_the_farm_s_where_its_store_knows_it(
    farm: Farm, refuses: Callable[..., Said], talk: Path, tmp_path: Path
) -> None:
    job = write_job(tmp_path, "hello")
    assert farm("render", job).exit_code == ExitCode.OK
    (tmp_path / "hello.manifest.json").unlink()
    assert farm("render", job).exit_code == ExitCode.OK
    (tmp_path / "hello.manifest.json").unlink()
    assert refuses(write_job(tmp_path, "hello", seed=2)).code == "output_exists"


@pytest.mark.parametrize("length", [220, 235, 246, 255])
def test_a_name_that_its_manifest_cannot_have_is_refused_before_the_render(
    length: int, farm: Farm, talk: Path, tmp_path: Path
) -> None:
    job = write_job(tmp_path, "hello", output=f"{{uri: out/{'x' * (length - 4)}.mp4}}")
    planned, rendered = farm("plan", job), farm("render", job)
    assert (planned.exit_code, planned.error) == (rendered.exit_code, rendered.error)
    assert (rendered.exit_code == ExitCode.OK) == (length == 220)
    assert (tmp_path / "out").exists() == (length == 220)
