"""478 face points and a person mask per frame, with MediaPipe Tasks on the CPU.

Legend: H/W pixels, N points, 3 = RGB or (x, y, z).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from mediapipe import Image, ImageFormat
from mediapipe.tasks.python import BaseOptions, vision
from numpy.typing import NDArray

from stages.assets import FACE_LANDMARKER, SELFIE_SEGMENTER
from stages.geometry.canonical import CANVAS
from stages.native_chatter import native_chatter_hidden
from stages.payloads import FRAMES_PER_SECOND

_FLIP_Y = np.diag([1.0, -1.0, 1.0])


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameTrack:
    """What is seen in one frame.

    Attributes:
        mesh_N3: (478, 3) float32, px on the 512 canvas, z towards the camera.
        upright_33: (3, 3) rotation, image to canonical, from MediaPipe's own face model: only good enough
            to start the average face from.
    """

    mesh_N3: NDArray[np.float32]
    upright_33: NDArray[np.float64]


class FaceTracker:
    """Finds faces in square frames; use as a context manager."""

    def __init__(self, *, video: bool = False, faces: int = 1) -> None:
        """`video` follows the face from frame to frame, late and damped. At most `faces` are found."""
        self._video = video
        mode = vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=FACE_LANDMARKER.read()),
            running_mode=mode,
            num_faces=faces,
            output_facial_transformation_matrixes=True,
        )
        with native_chatter_hidden():
            self._landmarker = vision.FaceLandmarker.create_from_options(options)
        self._frame = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._landmarker.close()

    def track(self, frame_HW3: NDArray[np.uint8]) -> FrameTrack | None:
        """The face of a square RGB frame, the tallest where there are several, or None when there is none."""
        return next(iter(self.track_all(frame_HW3)), None)

    def track_all(self, frame_HW3: NDArray[np.uint8]) -> list[FrameTrack]:
        """The faces of an RGB frame, tallest first; of a frame that is not square, as if stretched to a square."""
        image = as_image(frame_HW3)
        if self._video:
            result = self._landmarker.detect_for_video(image, self._frame * 1000 // FRAMES_PER_SECOND)
        else:
            result = self._landmarker.detect(image)
        self._frame += 1
        tracks = []
        for landmarks, matrix in zip(
            result.face_landmarks, result.facial_transformation_matrixes, strict=True
        ):
            points_N3 = np.array([(p.x, p.y, -p.z) for p in landmarks], dtype=np.float32)
            rotation_33 = np.asarray(matrix, dtype=np.float64)[:3, :3]
            tracks.append(
                FrameTrack(
                    mesh_N3=points_N3 * np.float32(CANVAS), upright_33=_FLIP_Y @ rotation_33.T @ _FLIP_Y
                )
            )
        return sorted(tracks, key=lambda track: -float(np.ptp(track.mesh_N3[:, 1])))


class PersonSegmenter:
    """Confidence in [0, 1] that a pixel belongs to a person; use as a context manager."""

    def __init__(self) -> None:
        options = vision.ImageSegmenterOptions(
            base_options=BaseOptions(model_asset_buffer=SELFIE_SEGMENTER.read()),
            running_mode=vision.RunningMode.IMAGE,
            output_confidence_masks=True,
            output_category_mask=False,
        )
        with native_chatter_hidden():
            self._segmenter = vision.ImageSegmenter.create_from_options(options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._segmenter.close()

    def mask(self, frame_HW3: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(H, W) float32 confidence for an RGB frame."""
        masks = self._segmenter.segment(as_image(frame_HW3)).confidence_masks
        mask_HW: NDArray[np.float32] = np.squeeze(masks[-1].numpy_view()).astype(np.float32, copy=True)
        return mask_HW


def as_image(frame_HW3: NDArray[np.uint8]) -> Image:
    """An RGB frame as MediaPipe takes it."""
    # A strided array is accepted but silently read as noise.
    return Image(image_format=ImageFormat.SRGB, data=np.ascontiguousarray(frame_HW3))
