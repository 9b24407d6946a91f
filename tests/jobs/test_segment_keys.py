"""A segment's key names what its pixels depend on, and nothing else of the job."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.parse import parse_job
from jobs.plan import Identities, PictureExtras, RenderPlan, plan_render
from jobs.spec import Profile

FACES = "f" * 64
SHA = st.text(alphabet="0123456789abcdef", min_size=64, max_size=64)

DECIDES: dict[str, Any] = {
    "subject_sha256": "e" * 64,
    "encoder": {"codec": "libx264", "crf": 19},
    "engine_version": "0.1.1",
    "device_kind": "cpu x86_64 avx512",
    "fps": Fraction(30),
    "profile": "full",
    "owner": "south",
    "face_context": 3,
    "extras": PictureExtras(draft="draft-1", background="background-1 #00b140"),
}
DECIDES_FACES_ALONE: dict[str, Any] = {
    "speech_sha256": "e" * 64,
    "weights_sha256": {"moda": "e" * 64},
    "seed": 8,
    "motion": {"head": 0.5},
    "frame_count": 300,
    "motion_context": 13,
    "takes": 3,
    "name": "edited",
    "project": "other",
}


def a_plan(
    *,
    owner: str = "north",
    name: str = "hello",
    project: str = "demo",
    profile: str = "preview",
    frame_count: int = 275,
    motion_context: int = 12,
    face_context: int = 2,
    fps: Fraction = Fraction(25),
    seed: int = 7,
    motion: dict[str, float] | None = None,
    takes: int = 1,
    extras: PictureExtras | None = None,
    **identities: Any,
) -> RenderPlan:
    document = {
        "apiVersion": "farm/v1",
        "kind": "RenderJob",
        "metadata": {"name": name, "project": project},
        "spec": {
            "speech": "hello.wav",
            "subject": "builtin:actor-a",
            "seed": seed,
            "takes": takes,
            "motion": motion or {},
            "output": {"profile": profile},
        },
    }
    made_from: dict[str, Any] = {
        "speech_sha256": "a" * 64,
        "subject_sha256": "b" * 64,
        "weights_sha256": {"moda": "c" * 64},
        "encoder": {"codec": "libx264", "crf": 18},
        "engine_version": "0.1.0",
        "device_kind": "cpu x86_64 avx2",
    }
    job = parse_job(json.dumps(document), folder=Path("/jobs")).job
    return plan_render(
        job,
        profile=job.spec.output.profile or Profile.PREVIEW,
        frame_count=frame_count,
        identities=Identities(**(made_from | identities)),
        motion_context=motion_context,
        face_context=face_context,
        owner=owner,
        fps=fps,
        extras=extras,
    )


def key(plan: RenderPlan, *, index: int = 1, faces: str = FACES) -> str:
    return plan.segment_key(index=index, faces_sha256=faces)


@pytest.mark.parametrize("what", DECIDES)
def test_what_decides_pixels_or_whose_they_are_changes_the_key(what: str) -> None:
    assert key(a_plan(**{what: DECIDES[what]})) != key(a_plan())


@pytest.mark.parametrize("what", DECIDES_FACES_ALONE)
def test_what_decides_nothing_but_the_faces_leaves_the_key(what: str) -> None:
    changed = a_plan(**{what: DECIDES_FACES_ALONE[what]})
    assert key(changed) == key(a_plan())
    if what not in {"takes", "name", "project"}:
        assert changed.plan_hash != a_plan().plan_hash


@given(first=st.tuples(st.integers(0, 5), SHA), second=st.tuples(st.integers(0, 5), SHA))
@settings(deadline=None)
def test_keys_are_equal_just_where_first_frame_and_faces_are(
    first: tuple[int, str], second: tuple[int, str]
) -> None:
    plan = a_plan()
    keys = [key(plan, index=index, faces=faces) for index, faces in (first, second)]
    assert (keys[0] == keys[1]) == (first == second)


@given(
    one=st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True), other=st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)
)
@settings(deadline=None)
def test_two_studios_share_no_key_and_no_folder(one: str, other: str) -> None:
    plans = [a_plan(owner=owner) for owner in (one, other)]
    keys = [
        {key(plan), plan.link_key(take=1, index=1), plan.master_key(take=1), plan.manifest_key(take=1)}
        for plan in plans
    ]
    assert bool(keys[0] & keys[1]) == (one == other)


def test_a_key_is_written_down_so_that_it_cannot_drift() -> None:
    # A change here means that nothing rendered before is found again: raise the schema's version with it.
    assert (
        key(a_plan())
        == "segments/north/bd/bdc5c82bf75c67d0b399938cd776c2c0041db9a1b80d60c5f1eeca7d062fa847.mp4"
    )
