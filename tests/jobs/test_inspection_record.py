"""The record of an inspection, and the policy a job writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.errors import SpecError, StoreError
from jobs.inspection import CheckRecord, InspectionRecord
from jobs.parse import parse_job
from jobs.plan import Identities, plan_render
from jobs.spec import InspectionPolicy, Profile

GOOD = CheckRecord(check="faces", value=1.0, at_least=0.75, at_most=None, passed=True)
BAD = CheckRecord(check="sharpness", value=0.05, at_least=0.1, at_most=3.0, passed=False)
UNKNOWN = CheckRecord(check="mouth_error_px", value=None, at_least=None, at_most=6.0, passed=True)
RECORD = InspectionRecord(
    sampled_frames=8, redetection=True, fitted_limits=False, checks=[GOOD, BAD, UNKNOWN]
)
IDENTITIES = Identities(
    speech_sha256="1" * 64, subject_sha256="2" * 64, weights_sha256={}, engine_version="1", device_kind="cpu"
)


def job(inspection: str) -> str:
    return (
        "apiVersion: farm/v1\nkind: RenderJob\nmetadata: {name: hello}\n"
        f"spec: {{speech: hello.wav, subject: 'builtin:actor-a', inspection: {inspection}}}\n"
    )


def test_a_record_comes_back_as_it_was_and_names_what_failed() -> None:
    again = InspectionRecord.from_json(RECORD.to_json(), where="key")
    assert again == RECORD
    assert [check.check for check in again.flagged] == ["sharpness"]
    assert again.value("faces") == 1.0
    assert again.value("mouth_error_px") is None
    assert BAD.finding() == "sharpness is 0.05, at least 0.1 and at most 3 is good"


@pytest.mark.parametrize(
    "data", [b"", b"[]", RECORD.to_json().replace(b"0.05", b"NaN"), RECORD.to_json().replace(b"8", b'"8"')]
)
def test_a_damaged_record_is_an_error_that_names_the_object(data: bytes) -> None:
    with pytest.raises(StoreError) as caught:
        InspectionRecord.from_json(data, where="segment-00000.inspection.json")
    assert caught.value.code == "bad_inspection"
    assert caught.value.where == "segment-00000.inspection.json"


def test_an_unknown_policy_is_refused_with_the_policies_there_are(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        parse_job(job("{policy: ignore}"), folder=tmp_path, where="job.yaml")
    (mistake,) = caught.value.mistakes
    assert mistake.path == "spec.inspection.policy"
    assert all(policy.value in f"{mistake.message} {mistake.hint}" for policy in InspectionPolicy)


def test_the_policy_is_no_part_of_the_plan(tmp_path: Path) -> None:
    hashes = set()
    for policy in InspectionPolicy:
        loaded = parse_job(job(f"{{policy: {policy.value}}}"), folder=tmp_path, where="job.yaml")
        assert loaded.job.spec.inspection.policy is policy
        plan = plan_render(
            loaded.job,
            profile=Profile.PREVIEW,
            frame_count=60,
            identities=IDENTITIES,
            motion_context=4,
            face_context=2,
        )
        hashes.add(plan.plan_hash)
    assert len(hashes) == 1
