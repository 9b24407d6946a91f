"""Looks at a segment's pictures while they pass on their way to the encoder, and says what it found.

It changes no picture. Legend: T frames, N points, H/W pixels, L cells of a look's side, 3 = RGB or (x, y, z).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from stages.errors import StageError
from stages.inspection.checks import Inspected, SegmentFigures, judge
from stages.inspection.detector import FaceDetector
from stages.inspection.look import Look, colour_difference, face_sharpness, look_of
from stages.inspection.movement import MovementWatch
from stages.inspection.norms import Norms
from stages.inspection.redetection import FaceErrors, face_errors, opening_response
from stages.inspection.sampling import sampled_frames
from stages.payloads import PosedFace
from stages.subject.package import SubjectPackage

Frame = NDArray[np.uint8]

_DIGITS: Final = 3
"""Of a figure: enough to judge, and what is written down reads well."""


class Detector(Protocol):
    """Finds the face in a picture."""

    def find(self, frame_HW3: Frame) -> NDArray[np.float32] | None:
        """(478, 3) points of the face in a square RGB picture, px on the 512 canvas, or None where there is none."""
        ...

    def close(self) -> None:
        """Free the detector; may be called twice."""
        ...


class SegmentInspector:
    """Inspects the segments of one subject."""

    def __init__(self, *, norms: Norms, detector: Detector | None, notice: str = "") -> None:
        """`notice` says what it cannot do, and why."""
        self.norms, self.notice = norms, notice
        self._detector = detector

    @classmethod
    def load(cls, *, subject: SubjectPackage, folder: Path, size: int) -> Self:
        """The inspector of a package in `folder`, for pictures of `size` px; without a detector where none can be had.

        Raises:
            SubjectError: The package's `inspection.json` is damaged.
        """
        return cls.of(Norms.of(subject, folder=folder, size=size))

    @classmethod
    def of(cls, norms: Norms) -> Self:
        """The inspector of a subject's norms; without a detector where none can be had."""
        try:
            return cls(norms=norms, detector=FaceDetector(), notice=norms.notice)
        except StageError as error:
            blind = f"mouths are not looked for in the rendered pictures: {error.where}: {error.what} ({error.hint})"
            return cls(norms=norms, detector=None, notice="; ".join(filter(None, (norms.notice, blind))))

    def begin(self, face: PosedFace) -> RunningInspection:
        """The inspection of a segment whose posed face was commanded."""
        return RunningInspection(face, norms=self.norms, detector=self._detector)

    def close(self) -> None:
        """Free the detector; may be called twice."""
        if self._detector is not None:
            self._detector.close()


class RunningInspection:
    """The inspection of one segment: pass its pictures through `watch`, then ask for the figures."""

    def __init__(self, face: PosedFace, *, norms: Norms, detector: Detector | None) -> None:
        self._mesh_TN3 = face.mesh_TN3
        self._norms, self._detector = norms, detector
        self._movement = MovementWatch(face.mesh_TN3)
        self._sample = sampled_frames(face.mesh_TN3)
        self._kept: dict[int, Frame] = {}
        self.looks: list[Look] = []
        """The looks of the sampled frames, once `figures` was called."""

    @property
    def sampled_frames(self) -> tuple[int, ...]:
        """The frames that are looked at closely, counted from the segment's first."""
        return self._sample

    def watch(self, frames_HW3: Iterable[Frame]) -> Iterator[Frame]:
        """The same pictures, in order."""
        for index, frame_HW3 in enumerate(frames_HW3):
            self._movement.look_at(frame_HW3)
            if index in self._sample:
                self._kept[index] = frame_HW3
            yield frame_HW3

    def judge(self, *, not_finite_frames: int) -> Inspected:
        """The figures against the subject's limits; see `figures`."""
        return Inspected(
            sampled_frames=len(self._kept),
            redetection=self._detector is not None,
            fitted_limits=self._norms.is_fitted,
            judgements=judge(self.figures(not_finite_frames=not_finite_frames), self._norms.limits),
        )

    def figures(self, *, not_finite_frames: int) -> SegmentFigures:
        """What was found in the pictures that passed.

        Args:
            not_finite_frames: Frames that held NaN or infinity; only the renderer can know.
        """
        meshes = [self._mesh_TN3[index] for index in self._kept]
        frames = list(self._kept.values())
        self.looks = [look_of(frame, mesh) for frame, mesh in zip(frames, meshes, strict=True)]
        sharpness = [face_sharpness(frame, mesh) for frame, mesh in zip(frames, meshes, strict=True)]
        errors = self._errors(frames, meshes)
        return SegmentFigures(
            faces=None if errors is None else _rounded(len(errors) / max(len(frames), 1)),
            mouth_error_px=_mean([error.mouth_px for error in errors or ()]),
            opening_response=_rounded(opening_response(errors or [])),
            face_error_px=_mean([error.face_px for error in errors or ()]),
            colour_difference=_mean([colour_difference(look, self._norms.look_LL3) for look in self.looks]),
            sharpness=_mean([value / max(self._norms.sharpness, 1e-9) for value in sharpness]),
            picture_response=_rounded(self._movement.picture_response),
            frozen_frames=self._movement.frozen_frames,
            black_frames=self._movement.black_frames,
            not_finite_frames=not_finite_frames,
        )

    def _errors(
        self, frames: Sequence[Frame], meshes: Sequence[NDArray[np.float32]]
    ) -> list[FaceErrors] | None:
        """Of every frame in which a face was found; None without a detector."""
        if self._detector is None:
            return None
        found = [self._detector.find(frame) for frame in frames]
        return [face_errors(seen, mesh) for seen, mesh in zip(found, meshes, strict=True) if seen is not None]


def _mean(values: Sequence[float]) -> float | None:
    return _rounded(float(np.mean(values))) if values else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), _DIGITS)
