"""What the stages hand to each other, and the three numbers of time they agree on.

Legend: T frames, N points, C channels (flattened rows), 3 = x, y, z.

Time is counted in frames. Frame k of the picture covers the speech samples [640 k, 640 k + 640).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

FRAMES_PER_SECOND = 25
SAMPLE_RATE = 16_000
SAMPLES_PER_FRAME = SAMPLE_RATE // FRAMES_PER_SECOND

MOUTH_POINTS = 40
EYE_POINTS = 60
HEAD_CHANNELS = 7
TORSO_POINTS = 18
MESH_POINTS = 478
MOTION_CHANNELS = 3 * MOUTH_POINTS + 3 * EYE_POINTS + HEAD_CHANNELS + 3 * TORSO_POINTS

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """The four motion tracks of a run of frames: displacements from the subject's template, float32.

    Attributes:
        mouth_TN3: (T, 40, 3) mouth points, px on the 512 canvas, canonical space.
        eyes_TN3: (T, 60, 3) eye and brow points, px on the 512 canvas, canonical space.
        head_TC: (T, 7) yaw, pitch, roll in degrees; centre x, y, z in px; scale.
        torso_TN3: (T, 18, 3) shoulder points, px on the 512 canvas, image space.
    """

    mouth_TN3: Float32
    eyes_TN3: Float32
    head_TC: Float32
    torso_TN3: Float32

    def __post_init__(self) -> None:
        frames = self.mouth_TN3.shape[0]
        _expect("mouth", self.mouth_TN3, (frames, MOUTH_POINTS, 3))
        _expect("eyes", self.eyes_TN3, (frames, EYE_POINTS, 3))
        _expect("head", self.head_TC, (frames, HEAD_CHANNELS))
        _expect("torso", self.torso_TN3, (frames, TORSO_POINTS, 3))

    @property
    def frame_count(self) -> int:
        """Number of frames T."""
        return int(self.mouth_TN3.shape[0])

    def slice(self, start: int, stop: int) -> Self:
        """Frames [start, stop), counted from the first frame held here.

        Raises:
            ValueError: The range is not inside [0, frame_count].
        """
        if not 0 <= start <= stop <= self.frame_count:
            raise ValueError(f"frames [{start}, {stop}) are not inside [0, {self.frame_count}]")
        return type(self)(
            mouth_TN3=self.mouth_TN3[start:stop],
            eyes_TN3=self.eyes_TN3[start:stop],
            head_TC=self.head_TC[start:stop],
            torso_TN3=self.torso_TN3[start:stop],
        )

    def as_rows(self) -> Float32:
        """All four tracks side by side, (T, 361): mouth 120, eyes 180, head 7, torso 54."""
        frames = self.frame_count
        tracks = (self.mouth_TN3, self.eyes_TN3, self.head_TC, self.torso_TN3)
        # The widths are spelt out: -1 cannot be inferred when there are no frames.
        return np.concatenate([track.reshape(frames, _width(track)) for track in tracks], axis=1)

    @classmethod
    def from_rows(cls, rows_TC: Float32) -> Self:
        """The inverse of `as_rows`.

        Raises:
            ValueError: The rows are not (T, 361) float32.
        """
        _expect("rows", rows_TC, (rows_TC.shape[0], MOTION_CHANNELS))
        widths = (3 * MOUTH_POINTS, 3 * EYE_POINTS, HEAD_CHANNELS)
        mouth_TC, eyes_TC, head_TC, torso_TC = np.split(rows_TC, np.cumsum(widths), axis=1)
        frames = rows_TC.shape[0]
        return cls(
            mouth_TN3=mouth_TC.reshape(frames, MOUTH_POINTS, 3),
            eyes_TN3=eyes_TC.reshape(frames, EYE_POINTS, 3),
            head_TC=head_TC,
            torso_TN3=torso_TC.reshape(frames, TORSO_POINTS, 3),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PosedFace:
    """The drawn points of a run of frames, after the camera, float32.

    Attributes:
        mesh_TN3: (T, 478, 3) face mesh, image px on the 512 canvas.
        torso_TN3: (T, 18, 3) shoulder points, image px on the 512 canvas.
    """

    mesh_TN3: Float32
    torso_TN3: Float32

    def __post_init__(self) -> None:
        frames = self.mesh_TN3.shape[0]
        _expect("mesh", self.mesh_TN3, (frames, MESH_POINTS, 3))
        _expect("torso", self.torso_TN3, (frames, TORSO_POINTS, 3))

    @property
    def frame_count(self) -> int:
        """Number of frames T."""
        return int(self.mesh_TN3.shape[0])

    def slice(self, start: int, stop: int) -> Self:
        """Frames [start, stop), counted from the first frame held here.

        Raises:
            ValueError: The range is not inside [0, frame_count].
        """
        if not 0 <= start <= stop <= self.frame_count:
            raise ValueError(f"frames [{start}, {stop}) are not inside [0, {self.frame_count}]")
        return type(self)(mesh_TN3=self.mesh_TN3[start:stop], torso_TN3=self.torso_TN3[start:stop])

    @property
    def sha256(self) -> str:
        """Hash of every number that a renderer may draw from, bit for bit."""
        digest = hashlib.sha256()
        # Every field: one that is added must not be left out of the keys of segments.
        for each in fields(self):
            array = getattr(self, each.name)
            digest.update(f"{each.name} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array, dtype="<f4").data)
        return digest.hexdigest()


def _width(track: Float32) -> int:
    return int(np.prod(track.shape[1:]))


def _expect(name: str, array: Float32, shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype != np.float32:
        raise ValueError(f"{name} is {array.dtype}{array.shape}, expected float32{shape}")
