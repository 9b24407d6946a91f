"""Frames and samples in whole numbers and fractions; floats never count time.

Frame ``k`` covers the samples ``[k * rate / fps, (k + 1) * rate / fps)``, rounded down at both ends;
at 16 kHz and 25 frames per second that is ``[640 k, 640 k + 640)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

FRAME_RATE = Fraction(25)
SPEECH_RATE = 16_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A half-open range ``[start, stop)`` of frames or of samples."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if self.stop < self.start:
            raise ValueError(f"a span cannot stop at {self.stop} before it starts at {self.start}")

    def __len__(self) -> int:
        return self.stop - self.start

    def touches(self, other: Span) -> bool:
        """Whether the two share at least one frame or sample."""
        return self.start < other.stop and other.start < self.stop

    def widened(self, reach: int, *, within: Span) -> Span:
        """The span with ``reach`` more on both sides, cut to ``within``."""
        return Span(start=max(self.start - reach, within.start), stop=min(self.stop + reach, within.stop))


def frame_count(*, source_samples: int, source_rate: int, fps: Fraction = FRAME_RATE) -> int:
    """Number of frames that cover the speech; the last one is padded with silence.

    Args:
        source_samples: Samples per channel at the source's own rate.
        source_rate: Samples per second of the source.
        fps: Frames per second of the video.

    Raises:
        ValueError: A count is negative, or a rate is not positive.
    """
    if source_samples < 0:
        raise ValueError(f"speech cannot have {source_samples} samples")
    if source_rate <= 0 or fps <= 0:
        raise ValueError(f"rates must be positive, not {source_rate} samples and {fps} frames a second")
    return -(-source_samples * fps.numerator // (source_rate * fps.denominator))


def first_sample(frame: int, *, rate: int = SPEECH_RATE, fps: Fraction = FRAME_RATE) -> int:
    """The first sample of a frame; negative frames lie before the speech."""
    return frame * rate * fps.denominator // fps.numerator


def samples_of(frames: Span, *, rate: int = SPEECH_RATE, fps: Fraction = FRAME_RATE) -> Span:
    """The samples that a span of frames covers."""
    return Span(
        start=first_sample(frames.start, rate=rate, fps=fps),
        stop=first_sample(frames.stop, rate=rate, fps=fps),
    )
