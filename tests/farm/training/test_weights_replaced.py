"""`farm train` replaces weights that the farm wrote, and no other file; the training itself is left out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kept_files import Said, hashes, run

from farm.cli.wiring import Wiring
from farm.training import train_job as training
from farm.training.loop import Outcome
from farm.training.worker import WorkerSetup
from infra.hardware import Hardware
from infra.storage import open_store
from jobs.errors import ExitCode
from stages.payloads import HEAD_CHANNELS, MESH_POINTS, TORSO_POINTS
from stages.subject.package import SubjectPackage
from stages.subject.template import Template

MACHINE = Hardware(cores=2, memory_bytes=8 << 30, cpu_kind="cpu test", gpus=())

Train = Callable[..., Said]


@contextmanager
def no_cluster(**_ignored: Any) -> Iterator[Any]:
    yield SimpleNamespace(cpus=2, gpus=0)


class Trained:
    """Stands where Ray trains: every run leaves other weights in the store."""

    def __init__(self) -> None:
        self.runs = 0

    def train_on_ray(self, setup: WorkerSetup, **_ignored: Any) -> Outcome:
        self.runs += 1
        key = f"{setup.prefix}/weights/{self.runs}.safetensors"
        open_store(setup.store).put_if_absent(key, b"weights %d" % self.runs)
        return Outcome(steps=1, first_score=2.0, best_score=1.0, best_step=1, weights_key=key)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Trained:
    made = Trained()
    monkeypatch.setattr(training, "connected_cluster", no_cluster)
    monkeypatch.setattr(training, "fit_limits", lambda plan: None)
    monkeypatch.setitem(sys.modules, "farm.training.ray_run", made)  # type: ignore[arg-type]
    return made


@pytest.fixture
def train(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Train:
    """Types `farm train` in a folder that holds the prepared clips jane and tom; fields of the spec by keyword."""
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FARM_STORE", str(tmp_path / "cache" / "store"))
    for name in ("jane", "tom"):
        write_package(tmp_path / "clips" / name)

    def typed(*options: str, name: str = "jane", **spec: str) -> Said:
        fields = {"stage": "renderer", "clips": "[clips/jane]"} | spec
        lines = ["apiVersion: farm/v1", "kind: TrainJob", f"metadata: {{name: {name}}}", "spec:"]
        lines += [f"  {field}: {value}" for field, value in fields.items()]
        (tmp_path / "job.yaml").write_text("\n".join(lines) + "\n")
        wiring = Wiring(train=training.train, probe=lambda: MACHINE)
        return run("train", tmp_path / "job.yaml", *options, wiring=wiring, read=capsys.readouterr)

    return typed


@pytest.fixture
def refuses(train: Train, trained: Trained, tmp_path: Path) -> Train:
    """Trains, which must be refused before any training and leave every file as it was."""

    def check(*options: str, **spec: str) -> Said:
        before, runs = hashes(tmp_path), trained.runs
        said = train(*options, **spec)
        assert said.exit_code == ExitCode.OUTPUT
        assert trained.runs == runs
        before["job.yaml"] = hashes(tmp_path)["job.yaml"]
        assert hashes(tmp_path) == before
        return said

    (tmp_path / "job.yaml").touch()
    return check


def write_package(folder: Path) -> None:
    SubjectPackage.write(
        folder,
        facts={"name": "jane", "consent": "record 7", "provenance": "t", "licence": "none", "renderer": ""},
        template=Template(
            mesh_N3=np.zeros((MESH_POINTS, 3), np.float32),
            head_7=np.ones(HEAD_CHANNELS, np.float32),
            torso_N3=np.zeros((TORSO_POINTS, 3), np.float32),
        ),
        reference_HW3=np.zeros((8, 8, 3), np.uint8),
    )


@pytest.mark.parametrize("options", [[], ["--overwrite"]], ids=["", "overwrite"])
def test_the_weights_to_start_from_are_never_replaced(
    refuses: Train, tmp_path: Path, options: list[str]
) -> None:
    (tmp_path / "jane.safetensors").write_bytes(b"of months of work")
    (tmp_path / "link.safetensors").symlink_to("jane.safetensors")
    for start in ("jane.safetensors", "./x/../jane.safetensors", "link.safetensors"):
        said = refuses(*options, start_from=start)
        assert said.code == "output_is_input"
        assert "metadata.name" in said.text
        assert "spec.start_from" in said.text
    said = refuses(*options, start_from="jane.safetensors", output="{uri: link.safetensors}")
    assert said.code == "output_is_input"


def test_a_package_s_renderer_is_not_replaced_where_the_training_starts_from_it(
    refuses: Train, tmp_path: Path
) -> None:
    (tmp_path / "clips" / "jane" / "renderer.safetensors").write_bytes(b"hers")
    said = refuses(
        "--overwrite",
        subject="clips/jane",
        start_from="clips/jane/renderer.safetensors",
        output="{uri: out/x.safetensors}",
    )
    assert said.code == "output_is_input"
    assert "spec.subject" in said.text


@pytest.mark.parametrize("where", ["clips/jane/x.safetensors", "clips/jane/clip/new/x.safetensors"])
def test_nothing_is_written_into_a_clip_that_is_learnt_from(refuses: Train, where: str) -> None:
    assert refuses(output=f"{{uri: {where}}}").code == "output_is_input"
    said = refuses(stage="moda", held_out="[clips/tom]", output="{uri: clips/tom/x.safetensors}")
    assert "spec.held_out" in said.text


def test_weights_are_not_written_twice_to_one_package(refuses: Train) -> None:
    said = refuses(subject="clips/jane", output="{uri: clips/jane/renderer.safetensors}")
    assert said.code == "output_is_input"


@pytest.mark.parametrize("name", ["jane.safetensors", "jane.safetensors.manifest.json"])
def test_a_file_that_the_farm_did_not_write_stays(
    refuses: Train, train: Train, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"my own")
    assert refuses().code == "output_exists"
    assert train("--overwrite").exit_code == ExitCode.OK
    assert (tmp_path / "jane.safetensors").read_bytes() == b"weights 1"


def test_a_renderer_that_came_with_a_package_stays(refuses: Train, train: Train, tmp_path: Path) -> None:
    renderer = tmp_path / "clips" / "jane" / "renderer.safetensors"
    renderer.write_bytes(b"from elsewhere")
    said = refuses(subject="clips/jane")
    assert said.code == "output_exists"
    assert "spec.subject" in said.text
    assert train("--overwrite", subject="clips/jane").exit_code == ExitCode.OK
    assert renderer.read_bytes() == b"weights 1"


def test_training_again_replaces_what_the_last_training_wrote(train: Train, tmp_path: Path) -> None:
    for number, spec in enumerate(({"seed": "1"}, {"seed": "1"}, {"seed": "2"}, {"steps": "7"}), start=1):
        assert train(subject="clips/jane", **spec).exit_code == ExitCode.OK
        for place in (tmp_path / "jane.safetensors", tmp_path / "clips" / "jane" / "renderer.safetensors"):
            assert place.read_bytes() == b"weights %d" % number


def test_weights_that_came_during_the_training_stay(
    train: Train, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = trained.train_on_ray

    def slowly(setup: WorkerSetup, **keywords: Any) -> Outcome:
        (tmp_path / "jane.safetensors").write_bytes(b"my own")
        return real(setup, **keywords)

    monkeypatch.setattr(trained, "train_on_ray", slowly)
    assert train().code == "output_exists"
    assert (tmp_path / "jane.safetensors").read_bytes() == b"my own"


@pytest.mark.parametrize("length", [215, 230, 241, 255])
def test_a_name_that_its_manifest_cannot_have_is_refused_before_the_training(
    train: Train, trained: Trained, length: int
) -> None:
    said = train(output=f"{{uri: out/{'x' * (length - 12)}.safetensors}}")
    assert (said.exit_code, trained.runs) == ((ExitCode.OK, 1) if length == 215 else (ExitCode.OUTPUT, 0))


def test_weights_beside_the_files_of_their_subject_are_refused_at_every_start(train: Train) -> None:
    for _ in range(2):
        said = train(subject="clips/jane", output="{uri: clips/jane/jane.safetensors}")
        assert said.code == "output_is_input"
