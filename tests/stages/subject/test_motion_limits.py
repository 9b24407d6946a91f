"""A head of which one pose was seen stays near it: small motion as it is, large motion never beyond the limit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from average_actor import average_template
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import SubjectError
from stages.subject.motion_limits import MotionLimits
from stages.subject.package import SubjectPackage

LIMITS = MotionLimits(yaw=10.0, pitch=8.0, roll=6.0, shift_px=20.0, scale=0.08)
MOST_7 = np.array([10, 8, 6, 20, 20, 20, 0.08])


def moved(values: list[float]) -> np.ndarray:
    return np.tile(np.array(values, np.float32)[:, None], (1, 7))


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=20))
def test_no_motion_is_beyond_its_limit_and_none_changes_side_or_order(values: list[float]) -> None:
    head_TC = moved(sorted(values))
    kept_TC = LIMITS.limited(head_TC)
    assert (np.abs(kept_TC) <= MOST_7 * (1 + 1e-6)).all()
    assert (np.abs(kept_TC) <= np.abs(head_TC) * (1 + 1e-6)).all()
    assert (kept_TC * head_TC >= 0).all()
    assert (np.diff(kept_TC, axis=0) >= 0).all()


@given(st.floats(-0.5, 0.5, width=32))
def test_small_motion_stays_as_it_is(share: float) -> None:
    head_TC = (share * MOST_7[None]).astype(np.float32)
    np.testing.assert_allclose(LIMITS.limited(head_TC), head_TC, rtol=1e-6)


def test_a_frame_is_limited_by_itself() -> None:
    head_TC = np.random.default_rng(0).normal(0, 12, (40, 7)).astype(np.float32)
    whole = LIMITS.limited(head_TC)
    parts = [LIMITS.limited(head_TC[start : start + 7]) for start in range(0, 40, 7)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_limits_travel_in_the_package(tmp_path: Path, folder: Path, facts, reference_HW3) -> None:
    assert SubjectPackage.load(folder).motion_limits is None
    SubjectPackage.write(
        folder, facts=facts, template=average_template(), reference_HW3=reference_HW3, motion_limits=LIMITS
    )
    package = SubjectPackage.load(folder)
    assert package.motion_limits == LIMITS
    # A renderer that is added later changes nothing of it.
    SubjectPackage.name_renderer(folder)
    assert SubjectPackage.load(folder).motion_limits == LIMITS


@pytest.mark.parametrize(
    "record",
    [
        "none",
        [1, 2],
        {"yaw": 10.0},
        {**LIMITS.as_record(), "more": 1.0},
        {**LIMITS.as_record(), "yaw": "10"},
        {**LIMITS.as_record(), "yaw": float("nan")},
        {**LIMITS.as_record(), "yaw": float("inf")},
        {**LIMITS.as_record(), "pitch": 0.0},
        {**LIMITS.as_record(), "pitch": -1.0},
        {**LIMITS.as_record(), "scale": 10**400},
    ],
)
def test_what_are_no_limits_is_refused(folder: Path, record: object) -> None:
    stated = yaml.safe_load((folder / "subject.yaml").read_text())
    (folder / "subject.yaml").write_text(yaml.safe_dump({**stated, "motion_limits": record}))
    with pytest.raises(SubjectError) as caught:
        SubjectPackage.load(folder)
    assert caught.value.code == "subject_damaged"
