from __future__ import annotations

import dataclasses
import json
import re
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.framerate import Span
from jobs.parse import parse_job
from jobs.plan import (
    SEGMENT_FRAMES,
    WINDOW_FRAMES,
    WINDOW_STRIDE,
    Identities,
    RenderPlan,
    inspection_key,
    plan_render,
    plan_segments,
    plan_windows,
)
from jobs.spec import Profile, RenderJob

IDENTITIES = Identities(
    speech_sha256="a" * 64,
    subject_sha256="b" * 64,
    weights_sha256={"motion": "c" * 64, "face": "d" * 64},
    encoder={"codec": "libx264", "crf": 18},
    engine_version="0.1.0",
    device_kind="cpu x86_64 avx2",
)
FRAME_COUNTS = st.integers(1, 3_000) | st.sampled_from(
    [1, 49, 50, 51, 299, 300, 301, 449, 450, 451, 600, 90_000]
)
CONTEXTS = st.integers(0, 400)


def a_job(**spec: Any) -> RenderJob:
    record = {
        "apiVersion": "farm/v1",
        "kind": "RenderJob",
        "metadata": {"name": "hello", "project": "demo"},
        "spec": {"speech": "hello.wav", "subject": "builtin:actor-a", **spec},
    }
    return parse_job(json.dumps(record), folder=Path("/jobs")).job


def a_plan(
    *,
    job: RenderJob | None = None,
    frame_count: int = 275,
    motion_context: int = 12,
    face_context: int = 2,
    **changed: Any,
) -> RenderPlan:
    job = job or a_job()
    return plan_render(
        job,
        profile=job.spec.output.profile or Profile.PREVIEW,
        frame_count=frame_count,
        identities=dataclasses.replace(IDENTITIES, **changed),
        motion_context=motion_context,
        face_context=face_context,
    )


@given(frame_count=FRAME_COUNTS)
def test_windows_cover_every_frame_and_overlap_by_exactly_half(frame_count: int) -> None:
    windows = list(plan_windows(frame_count))
    assert [window.index for window in windows] == list(range(len(windows)))
    assert windows[0].frames.start == 0
    assert windows[-1].frames.stop == frame_count
    for before, after in pairwise(windows):
        assert len(before.frames) == WINDOW_FRAMES
        assert after.frames.start - before.frames.start == WINDOW_STRIDE
        assert before.frames.stop - after.frames.start == WINDOW_FRAMES - WINDOW_STRIDE
        assert after.frames.stop > before.frames.stop  # no window is there for nothing


@pytest.mark.parametrize(
    ("frame_count", "windows"),
    [(1, 1), (13, 1), (300, 1), (301, 2), (450, 2), (451, 3), (1500, 9), (90_000, 599)],
)
def test_the_number_of_windows_is_as_small_as_it_can_be(frame_count: int, windows: int) -> None:
    assert len(list(plan_windows(frame_count))) == windows


@given(frame_count=FRAME_COUNTS, motion_context=CONTEXTS, face_context=CONTEXTS)
@settings(deadline=None, max_examples=60)
def test_segments_tile_the_video_and_know_the_faces_and_windows_they_need(
    frame_count: int, motion_context: int, face_context: int
) -> None:
    windows = list(plan_windows(frame_count))
    next_frame = 0

    def around(frames: Span, context: int) -> Span:
        return Span(start=max(0, frames.start - context), stop=min(frame_count, frames.stop + context))

    segments = plan_segments(frame_count, motion_context=motion_context, face_context=face_context)
    for index, segment in enumerate(segments):
        assert segment.index == index
        assert segment.frames.start == next_frame
        assert len(segment.frames) == SEGMENT_FRAMES or segment.frames.stop == frame_count
        next_frame = segment.frames.stop
        assert segment.faces == around(segment.frames, face_context)
        assert segment.motion == around(segment.frames, face_context + motion_context)
        assert list(segment.windows) == [w.index for w in windows if w.frames.touches(segment.motion)]
    assert next_frame == frame_count


@given(frame_count=st.integers(1, 1_200), takes=st.integers(1, 12))
@settings(deadline=None, max_examples=30)
def test_keys_are_unique_and_safe(frame_count: int, takes: int) -> None:
    plan = a_plan(job=a_job(takes=takes), frame_count=frame_count)
    keys = []
    for take in plan.take_numbers:
        keys += [plan.link_key(take=take, index=segment.index) for segment in plan.segments]
        keys += [plan.master_key(take=take), plan.manifest_key(take=take)]
    assert len(set(keys)) == len(keys) == takes * (len(plan.segments) + 2)
    assert all(re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)+", key, re.ASCII) for key in keys)


def test_a_key_says_what_it_is() -> None:
    plan = dataclasses.replace(a_plan(), owner="north")
    folder = f"renders/north/demo/hello/{plan.plan_hash[:16]}/take-01"
    assert plan.link_key(take=1, index=7) == f"{folder}/segment-00007.json"
    assert plan.master_key(take=1) == f"{folder}/master.mp4"
    key = plan.segment_key(index=1, faces_sha256="f" * 64)
    assert re.fullmatch(r"segments/north/([0-9a-f]{2})/\1[0-9a-f]{62}\.mp4", key)
    assert inspection_key(key) == key.replace(".mp4", ".inspection.json")


def test_the_same_job_gives_the_same_plan() -> None:
    assert a_plan() == a_plan()
    assert a_plan().as_record() == a_plan().as_record()


def test_the_hash_of_a_plan_is_written_down_so_that_it_cannot_drift() -> None:
    # A change here means that nothing rendered before is found again: raise the schema's version with it.
    assert a_plan().plan_hash == "0cef1f72bbf0e14223a7d91a7f35c57d52972b6b51721f98bf95119141ec8923"


@pytest.mark.parametrize(
    "changed",
    [
        {"speech_sha256": "e" * 64},
        {"subject_sha256": "e" * 64},
        {"weights_sha256": {"motion": "e" * 64, "face": "d" * 64}},
        {"encoder": {"codec": "libx264", "crf": 19}},
        {"engine_version": "0.1.1"},
        {"device_kind": "cpu x86_64 avx512"},
        {"frame_count": 276},
        {"motion_context": 13},
        {"face_context": 3},
        {"job": a_job(seed=1)},
        {"job": a_job(motion={"head": 0.5})},
        {"job": a_job(output={"profile": "full"})},
        {"job": a_job(speech={"uri": "hello.wav", "track": 2})},
        {"job": a_job(speech={"uri": "hello.wav", "gain_db": 0})},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_whatever_changes_the_bytes_changes_the_plan(changed: dict[str, Any]) -> None:
    assert a_plan(**changed).plan_hash != a_plan().plan_hash


@pytest.mark.parametrize(
    "spec",
    [
        {"speech": "copy.wav"},
        {"speech": {"uri": "copy.wav"}},
        {"subject": "/elsewhere"},
        {"output": {"uri": "other.mp4"}},
        {"takes": 3},
        {"takes": 3, "choose": "ask"},
        {"takes": 3, "choose": 2},
    ],
    ids=lambda spec: " ".join(map(str, spec.values())) if "choose" in spec else next(iter(spec)),
)
def test_where_things_lie_and_how_many_takes_there_are_does_not_change_the_plan(spec: dict[str, Any]) -> None:
    assert a_plan(job=a_job(**spec)).plan_hash == a_plan().plan_hash


def test_whole_amplitudes_are_the_same_written_either_way() -> None:
    assert a_plan(job=a_job(motion={"head": 1})).plan_hash == a_plan().plan_hash


def test_the_order_of_weights_does_not_change_the_plan() -> None:
    weights = dict(reversed(IDENTITIES.weights_sha256.items()))
    assert a_plan(weights_sha256=weights).plan_hash == a_plan().plan_hash


def test_the_first_segment_waits_for_the_first_window_alone() -> None:
    segments = a_plan(frame_count=15_000, motion_context=18, face_context=14).segments
    assert segments[0].windows == range(1)


def test_an_hour_of_speech_is_planned_in_no_time() -> None:
    began = time.perf_counter()
    plan = a_plan(frame_count=90_000)
    assert time.perf_counter() - began < 1.0
    assert (len(plan.windows), len(plan.segments)) == (599, 1800)


@pytest.mark.parametrize(
    ("frame_count", "motion", "faces"), [(0, 0, 0), (-1, 0, 0), (10, -1, 0), (10, 3, -1)]
)
def test_a_plan_for_nothing_is_refused(frame_count: int, motion: int, faces: int) -> None:
    with pytest.raises(ValueError, match=r"frame"):
        a_plan(frame_count=frame_count, motion_context=motion, face_context=faces)


def test_what_is_rendered_follows_the_choice() -> None:
    every = a_plan(job=a_job(takes=3))
    asks = a_plan(job=a_job(takes=3, choose="ask"))
    number = a_plan(job=a_job(takes=3, choose=2))
    assert [plan.rendered_takes for plan in (every, asks, number)] == [(1, 2, 3), (), (2,)]
    assert [plan.awaits_choice for plan in (every, asks, number)] == [False, True, False]
    assert [plan.offers_choice for plan in (every, asks, number)] == [False, True, True]
    assert asks.segment_count == number.segment_count == len(asks.segments)
    assert asks.choose(2) == number
    with pytest.raises(ValueError, match="none is number 4"):
        asks.choose(4)
