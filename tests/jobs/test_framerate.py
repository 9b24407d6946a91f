from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.framerate import Span, first_sample, frame_count, samples_of

RATES = st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
FRAME_RATES = st.sampled_from([Fraction(25), Fraction(24), Fraction(30_000, 1001), Fraction(60)])


@pytest.mark.parametrize(
    ("samples", "rate", "frames"),
    [
        (0, 16_000, 0),
        (1, 16_000, 1),
        (640, 16_000, 1),
        (641, 16_000, 2),
        (8_000, 16_000, 13),  # half a second is 12.5 frames
        (1_764, 44_100, 1),
        (1_765, 44_100, 2),
        (3600 * 48_000, 48_000, 90_000),
    ],
)
def test_the_last_frame_begins_before_the_speech_ends(samples: int, rate: int, frames: int) -> None:
    assert frame_count(source_samples=samples, source_rate=rate) == frames


@given(samples=st.integers(0, 10**12), rate=RATES, fps=FRAME_RATES)
def test_the_frame_count_is_the_exact_ceiling(samples: int, rate: int, fps: Fraction) -> None:
    counted = frame_count(source_samples=samples, source_rate=rate, fps=fps)
    assert counted == math.ceil(Fraction(samples, rate) * fps)
    assert Fraction(counted) / fps >= Fraction(samples, rate)


@pytest.mark.parametrize(
    ("samples", "rate", "fps"), [(-1, 16_000, 25), (1, 0, 25), (1, -8_000, 25), (1, 16_000, 0)]
)
def test_counts_that_make_no_sense_are_refused(samples: int, rate: int, fps: int) -> None:
    with pytest.raises(ValueError, match=r"samples|rates"):
        frame_count(source_samples=samples, source_rate=rate, fps=Fraction(fps))


def test_frame_k_covers_640_samples_from_640_k() -> None:
    assert samples_of(Span(start=7, stop=8)) == Span(start=4480, stop=5120)
    assert samples_of(Span(start=-2, stop=0)) == Span(start=-1280, stop=0)


@given(frame=st.integers(-1000, 10**7), rate=RATES, fps=FRAME_RATES)
def test_frames_follow_each_other_without_a_gap_in_the_samples(frame: int, rate: int, fps: Fraction) -> None:
    here = samples_of(Span(start=frame, stop=frame + 1), rate=rate, fps=fps)
    after = samples_of(Span(start=frame + 1, stop=frame + 2), rate=rate, fps=fps)
    assert here.stop == after.start
    assert here.start == math.floor(frame * rate / fps) == first_sample(frame, rate=rate, fps=fps)


def test_a_span_cannot_stop_before_it_starts() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        Span(start=3, stop=2)


def test_spans_touch_when_they_share_a_frame() -> None:
    span = Span(start=10, stop=20)
    assert span.touches(Span(start=19, stop=30))
    assert not span.touches(Span(start=20, stop=30))
    assert not span.touches(Span(start=0, stop=10))


def test_a_widened_span_stays_within_the_whole() -> None:
    whole = Span(start=0, stop=100)
    assert Span(start=50, stop=100).widened(12, within=whole) == Span(start=38, stop=100)
    assert Span(start=0, stop=50).widened(12, within=whole) == Span(start=0, stop=62)
    assert len(Span(start=40, stop=50).widened(5, within=whole)) == 20
