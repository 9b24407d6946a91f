"""The checks of a rendered segment: what is measured, what is good, and the judgement of both."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFigures:
    """What was measured in one segment; None where it could not be.

    Attributes:
        faces: Share of the sampled frames in which a face was found.
        mouth_error_px: Distance of the lips found from those commanded, px on the 512 canvas; mean of the sample.
        opening_response: Change of the mouth's opening, found over commanded, between the frames commanded widest
            and most closed; None where these differ too little.
        face_error_px: Distance of all 478 points from those commanded, px on the 512 canvas; mean of the sample.
        colour_difference: Distance of the head's colours from the subject's, grey levels; mean of the sample.
        sharpness: Variance of the Laplacian on the face as a share of the reference image's; mean of the sample.
        picture_response: Change of the face's pixels from frame to frame over the commanded movement of its points,
            grey levels per px; None where there is too little movement.
        frozen_frames: Frames equal to the one before although the face was commanded to move.
        black_frames: Frames without a light pixel.
        not_finite_frames: Frames that held NaN or infinity before they became pixels.
    """

    faces: float | None = None
    mouth_error_px: float | None = None
    opening_response: float | None = None
    face_error_px: float | None = None
    colour_difference: float | None = None
    sharpness: float | None = None
    picture_response: float | None = None
    frozen_frames: float | None = None
    black_frames: float | None = None
    not_finite_frames: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What a figure may be; both ends belong to it, None is open."""

    at_least: float | None = None
    at_most: float | None = None

    def holds(self, value: float) -> bool:
        """Whether the value lies within."""
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is good, for each figure of `SegmentFigures`.

    The defaults are for a subject of whom nothing is known: wide enough for a renderer that was trained for
    minutes. `recipes.inspection.calibrate` fits them to a subject.
    """

    faces: Range = Range(at_least=0.75)
    mouth_error_px: Range = Range(at_most=6.0)
    opening_response: Range = Range(at_least=0.2)
    face_error_px: Range = Range(at_most=8.0)
    colour_difference: Range = Range(at_most=20.0)
    sharpness: Range = Range(at_least=0.1, at_most=3.0)
    picture_response: Range = Range(at_least=0.4, at_most=12.0)
    frozen_frames: Range = Range(at_most=0.0)
    black_frames: Range = Range(at_most=0.0)
    not_finite_frames: Range = Range(at_most=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One figure against what is good; a figure that could not be measured (None) passes."""

    check: str
    value: float | None
    good: Range

    @property
    def passed(self) -> bool:
        """Whether the figure is good."""
        return self.value is None or self.good.holds(self.value)


def judge(figures: SegmentFigures, limits: Limits) -> tuple[Judgement, ...]:
    """One judgement for each figure, in the order of `SegmentFigures`."""
    return tuple(
        Judgement(check=field.name, value=getattr(figures, field.name), good=getattr(limits, field.name))
        for field in fields(SegmentFigures)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What an inspection says of one segment.

    Attributes:
        sampled_frames: Frames that were looked at closely.
        redetection: Whether faces were looked for.
        fitted_limits: Whether the limits were fitted to the subject.
        judgements: One for each figure.
    """

    sampled_frames: int
    redetection: bool
    fitted_limits: bool
    judgements: tuple[Judgement, ...]
