"""What a segment is encoded as. Constant per profile: one job's bytes must not depend on where or when it ran."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from stages.errors import EncodeError
from stages.payloads import FRAMES_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoProfile:
    """Constant settings of the H.264 encoder.

    Attributes:
        name: What job specs call it.
        size: Width and height of the square frame, px; even.
        crf: Constant rate factor of x264: lower is better; 16 and below are hard to tell from the frames.
        preset: x264's speed preset.
        pixel_format: FFmpeg's name of the stored pixel format.
        gop: Frames per segment and per group of pictures: each segment opens with its only key frame.
    """

    name: str
    size: int
    crf: int
    preset: str
    pixel_format: str = "yuv420p"
    gop: int = 50

    def can_show(self, drawn: int) -> bool:
        """Whether pictures with a side of `drawn` px can be shown: a pixel is the mean of a whole square of theirs."""
        return drawn >= self.size and drawn % self.size == 0

    def encoder_options(self) -> dict[str, str]:
        """The options handed to libx264, all that bears on the bytes."""
        parameters = {
            # One thread, and none for the lookahead: with more of them the bytes change from run to run.
            "threads": "1",
            "lookahead-threads": "1",
            "sliced-threads": "0",
            # One closed group of pictures. No B-frames: frames are stored as shown and frame i lies at i / fps, so
            # that segments join by renumbering, with no delay to subtract.
            "keyint": str(self.gop),
            "min-keyint": str(self.gop),
            "scenecut": "0",
            "open-gop": "0",
            "bframes": "0",
            "colorprim": "bt709",
            "transfer": "bt709",
            "colormatrix": "bt709",
            "fullrange": "off",
        }
        joined = ":".join(f"{key}={value}" for key, value in parameters.items())
        return {"preset": self.preset, "crf": str(self.crf), "x264-params": joined}

    def describe(self, *, fps: Fraction = Fraction(FRAMES_PER_SECOND)) -> dict[str, str]:
        """The settings as plain strings, for a manifest."""
        return {
            "codec": "libx264",
            "profile": self.name,
            "size": f"{self.size}x{self.size}",
            "fps": str(fps),
            "pixel_format": self.pixel_format,
            **self.encoder_options(),
        }


PREVIEW = VideoProfile(name="preview", size=256, crf=14, preset="faster")
FULL = VideoProfile(name="full", size=512, crf=16, preset="faster")

SKETCH = VideoProfile(name="sketch", size=192, crf=28, preset="superfast")
"""Of takes that are drawn in lines, for whoever chooses one: as small and quick as lines allow. No job names it."""

FRAMES_PER_SKETCH = 2
"""Frames of a take for each of its pictures in lines."""


def profile_named(name: str) -> VideoProfile:
    """The profile a job spec names.

    Raises:
        EncodeError: There is no such profile (``encode_unknown_profile``).
    """
    for profile in (PREVIEW, FULL):
        if profile.name == name:
            return profile
    raise EncodeError(
        code="encode_unknown_profile",
        what=f"there is no video profile {name!r}",
        hint=f"use {PREVIEW.name} or {FULL.name}",
        where="profile",
    )
