from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.errors import FormUnavailable, SpecError
from jobs.farm_error import Retry
from jobs.forms import NetworkForm, check_form
from jobs.parse import parse_job
from jobs.plan import Identities, plan_render
from jobs.spec import Profile, RenderJob

IDENTITIES = Identities(
    speech_sha256="1" * 64,
    subject_sha256="2" * 64,
    weights_sha256={},
    engine_version="1",
    device_kind="cpu x86_64 avx512 bf16 vnni",
)


def a_job(**output: str) -> RenderJob:
    document = {
        "apiVersion": "farm/v1",
        "kind": "RenderJob",
        "metadata": {"name": "hello"},
        "spec": {"speech": "hello.wav", "subject": "builtin:actor-a", "output": output},
    }
    return parse_job(json.dumps(document), folder=Path("/jobs")).job


def test_a_job_that_names_no_form_is_exact() -> None:
    assert a_job().spec.output.form is NetworkForm.EXACT
    assert a_job(form="int8").spec.output.form is NetworkForm.INT8


def test_a_form_that_there_is_not_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        a_job(form="int4")
    assert [mistake.path for mistake in caught.value.mistakes] == ["spec.output.form"]


def test_each_form_is_a_plan_and_a_segment_of_its_own() -> None:
    plans = [
        plan_render(
            a_job(form=form),
            profile=Profile.FULL,
            frame_count=60,
            identities=replace(IDENTITIES, form=form),
            motion_context=0,
            face_context=0,
        )
        for form in NetworkForm
    ]
    assert len({plan.plan_hash for plan in plans}) == len(NetworkForm)
    assert len({plan.segment_key(index=0, faces_sha256="3" * 64) for plan in plans}) == len(NetworkForm)


@pytest.mark.parametrize(
    ("form", "kind", "lacks"),
    [
        (NetworkForm.EXACT, "cpu test", ""),
        (NetworkForm.BF16, "cpu x86_64 avx512 bf16 vnni", ""),
        (NetworkForm.INT8, "cpu x86_64 avx2 vnni", ""),
        (NetworkForm.BF16, "cpu x86_64 avx2 vnni", "bf16"),
        (NetworkForm.INT8, "cpu x86_64 avx512", "vnni"),
        (NetworkForm.INT8, "cuda NVIDIA H100 80GB HBM3", "vnni"),
    ],
)
def test_a_form_is_asked_of_processors_that_have_it(form: NetworkForm, kind: str, lacks: str) -> None:
    if not lacks:
        check_form(form, device_kind=kind)
        return
    with pytest.raises(FormUnavailable) as caught:
        check_form(form, device_kind=kind)
    assert f"lacks {lacks}" in caught.value.message
    assert (caught.value.code, caught.value.where) == ("form_unavailable", "spec.output.form")
    # No replica of the same farm is asked in vain.
    assert caught.value.retry is Retry.NEVER
