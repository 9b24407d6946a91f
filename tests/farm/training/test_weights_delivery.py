"""Weights reach every place that the job names, and a place that cannot take them is found before the training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from farm.training.delivery import check_outputs, deliver_weights
from farm.training.train_plan import TrainingPlan, plan_training
from infra.storage.memory import MemoryStore
from infra.storage.s3 import s3_client
from jobs.errors import OutputUnwritable, SubjectRefused, UnknownSubject
from jobs.parse import LoadedTraining
from stages.payloads import HEAD_CHANNELS, MESH_POINTS, TORSO_POINTS
from stages.subject.package import SubjectPackage
from stages.subject.template import Template

KEY = "training/tests/tiny/0123456789ab/weights/step-00000020.safetensors"
WEIGHTS = b"the best weights"

Make = Callable[..., LoadedTraining]


@pytest.fixture
def plan_of(make_training: Make, tmp_path: Path) -> Callable[..., TrainingPlan]:
    return lambda **spec: plan_training(make_training(**spec), cache=tmp_path / "cache")


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    store.put_if_absent(KEY, WEIGHTS)
    return store


def write_package(folder: Path, *, consent: str = "record 7") -> None:
    """A prepared package without a renderer."""
    SubjectPackage.write(
        folder,
        facts={"name": "jane", "consent": consent, "provenance": "test", "licence": "none", "renderer": ""},
        template=Template(
            mesh_N3=np.zeros((MESH_POINTS, 3), np.float32),
            head_7=np.ones(HEAD_CHANNELS, np.float32),
            torso_N3=np.zeros((TORSO_POINTS, 3), np.float32),
        ),
        reference_HW3=np.zeros((8, 8, 3), np.uint8),
    )


def test_a_path_gets_the_weights_and_a_new_run_replaces_them(
    plan_of: Callable[..., TrainingPlan], store: MemoryStore, tmp_path: Path
) -> None:
    plan = plan_of(output="{uri: out/w.safetensors}")
    (tmp_path / "out").mkdir()
    store.put_if_absent("runs/later.safetensors", b"of a later run")
    check_outputs(plan)
    deliver_weights(plan, store=store, key="runs/later.safetensors")
    assert (tmp_path / "out" / "w.safetensors").read_bytes() == b"of a later run"


def test_a_bucket_gets_the_weights(
    plan_of: Callable[..., TrainingPlan], store: MemoryStore, s3_bucket: Callable[[], str]
) -> None:
    bucket = s3_bucket()
    plan = plan_of(output=f"{{uri: 's3://{bucket}/w.safetensors'}}")
    check_outputs(plan)
    deliver_weights(plan, store=store, key=KEY)
    assert s3_client().get_object(Bucket=bucket, Key="w.safetensors")["Body"].read() == WEIGHTS


def test_a_subject_gets_its_renderer(
    plan_of: Callable[..., TrainingPlan], store: MemoryStore, tmp_path: Path
) -> None:
    plan = plan_of(subject="clips/jane")
    write_package(tmp_path / "clips" / "jane")
    check_outputs(plan)
    deliver_weights(plan, store=store, key=KEY)
    assert SubjectPackage.load(tmp_path / "clips" / "jane").renderer_weights.read_bytes() == WEIGHTS


def test_a_subject_without_consent_is_refused_before_the_training(
    plan_of: Callable[..., TrainingPlan], tmp_path: Path
) -> None:
    plan = plan_of(subject="clips/jane")
    with pytest.raises(UnknownSubject):
        check_outputs(plan)
    write_package(tmp_path / "clips" / "jane")
    facts = tmp_path / "clips" / "jane" / "subject.yaml"
    facts.write_text(yaml.safe_dump({**yaml.safe_load(facts.read_text()), "consent": ""}))
    with pytest.raises(SubjectRefused):
        check_outputs(plan)


def test_a_place_that_cannot_be_written_is_found_before_the_training(
    plan_of: Callable[..., TrainingPlan], tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file, not a folder")
    with pytest.raises(OutputUnwritable):
        check_outputs(plan_of(output="{uri: out/w.safetensors}"))
