from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.errors import SpecError, SpecMistake
from jobs.parse import parse_job
from jobs.plan import Identities, plan_render
from jobs.priority import OnQuarantine, Tier
from jobs.scheduling_spec import Scheduling
from jobs.spec import Profile, RenderJob

HELLO = Path(__file__).resolve().parents[2] / "examples" / "hello.yaml"
EVERYTHING = {
    "tier": "interactive",
    "weight": 4,
    "preview_first": 3,
    "max_replicas": 2,
    "max_gpu_seconds": 600,
    "on_quarantine": "fill",
    "max_failed_segments": 0,
}


def hello(scheduling: Any = None) -> RenderJob:
    record = yaml.safe_load(HELLO.read_text())
    if scheduling is not None:
        record["spec"]["scheduling"] = scheduling
    return parse_job(json.dumps(record), folder=HELLO.parent).job


def mistake_in(scheduling: Any) -> SpecMistake:
    with pytest.raises(SpecError) as caught:
        hello(scheduling)
    (mistake,) = caught.value.mistakes
    return mistake


def plan_hash(job: RenderJob) -> str:
    identities = Identities(
        speech_sha256="a" * 64,
        subject_sha256="b" * 64,
        weights_sha256={"motion": "c" * 64, "face": "d" * 64},
        encoder={"codec": "libx264", "crf": 18},
        engine_version="0.1.0",
        device_kind="cpu x86_64 avx2",
    )
    return plan_render(
        job,
        profile=Profile.PREVIEW,
        frame_count=269,
        identities=identities,
        motion_context=12,
        face_context=2,
    ).plan_hash


def test_scheduling_decides_no_byte_of_the_video() -> None:
    # Of the release that knew no scheduling: what was committed then is found today.
    of_old = "785c7b1b85e09b3c53e39bd73132c21837b69bd81d9b40ff35ab9675e9b89785"
    assert plan_hash(hello()) == of_old
    assert plan_hash(hello(EVERYTHING)) == of_old


def test_a_job_that_says_nothing_is_a_normal_one_without_limits() -> None:
    assert hello().spec.scheduling == Scheduling()
    assert Scheduling().tier is Tier.NORMAL
    assert Scheduling().on_quarantine is OnQuarantine.FAIL


def test_a_job_keeps_its_scheduling_when_it_is_written_down() -> None:
    job = hello(EVERYTHING)
    assert job.spec.scheduling.tier is Tier.INTERACTIVE
    assert parse_job(json.dumps(job.as_record()), folder=HELLO.parent).job == job


@pytest.mark.parametrize(
    ("scheduling", "field", "words"),
    [
        ({"tier": "training"}, ".tier", "training runs"),
        ({"tier": "urgent"}, ".tier", "must be"),
        ({"weight": 0}, ".weight", "at least 0.001"),
        ({"weight": 1e5}, ".weight", "at most 10000"),
        ({"weight": "4"}, ".weight", "a number"),
        ({"preview_first": -1}, ".preview_first", "at least 0"),
        ({"max_replicas": 0}, ".max_replicas", "at least 1"),
        ({"max_gpu_seconds": 0}, ".max_gpu_seconds", "more than 0"),
        ({"on_quarantine": "ignore"}, ".on_quarantine", "must be"),
        ({"max_failed_segments": -1}, ".max_failed_segments", "at least 0"),
        ({"prio": 1}, ".prio", "is not a field"),
        ([], "", "mapping"),
    ],
)
def test_scheduling_that_cannot_be_is_refused_at_its_field(scheduling: Any, field: str, words: str) -> None:
    mistake = mistake_in(scheduling)
    assert mistake.path == f"spec.scheduling{field}"
    assert words in mistake.message
