"""A train job arrives at the stages as it was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from farm.training.loop import Cadence
from farm.training.train_plan import plan_training
from jobs.parse import LoadedTraining


def test_every_field_of_a_job_reaches_the_request(
    make_training: Callable[..., LoadedTraining], tmp_path: Path
) -> None:
    (tmp_path / "clips" / "tom").mkdir(parents=True)
    (tmp_path / "w.safetensors").write_bytes(b"w")
    job = make_training(
        stage="moda",
        clips="['clips/*']",
        held_out="[clips/tom]",
        preset="paper",
        start_from="w.safetensors",
        seed=7,
        steps=9,
        batch_size=5,
        learning_rate=0.125,
        workers=3,
        network="{attention: lstm, posterior: paper, encoder: small, losses: released}",
        checkpoints="{every: 11, keep: 4}",
        validation="{every: 13}",
        output="{uri: 's3://bucket/w.safetensors'}",
    )
    plan = plan_training(job, cache=tmp_path)
    request = plan.request
    assert (request.stage, request.preset, request.losses) == ("moda", "paper", "released")
    assert request.clips == (tmp_path / "clips" / "jane",)
    assert request.held_out == (tmp_path / "clips" / "tom",)
    assert request.start_from == tmp_path / "w.safetensors"
    assert (request.seed, request.steps, request.batch_size, request.learning_rate) == (7, 9, 5, 0.125)
    assert (request.attention, request.posterior, request.encoder) == ("lstm", "paper", "small")
    assert plan.cadence == Cadence(checkpoint=11, keep=4, validate=13)
    assert (plan.name, plan.project, plan.workers) == ("tiny", "tests", 3)
    assert plan.output == "s3://bucket/w.safetensors"
    assert plan.subject is None


def test_a_renderer_s_switches_and_its_subject_reach_the_request(
    make_training: Callable[..., LoadedTraining], tmp_path: Path
) -> None:
    job = make_training(
        renderer="paper",
        subject="clips/jane",
        network="{temporal_encoding: false, composed_face: false, losses: paper}",
    )
    plan = plan_training(job, cache=tmp_path)
    assert plan.subject == tmp_path / "clips" / "jane"
    assert plan.request.renderer == "paper"
    assert not plan.request.temporal_encoding
    assert not plan.request.composed_face
    assert plan.output == str(tmp_path / "tiny.safetensors")
