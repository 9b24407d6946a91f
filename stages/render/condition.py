"""The condition image the renderer draws from: mesh, contours, irises and shoulders (MODA section 9).

Legend: T frames, N points, H/W pixels, 3 = RGB or (x, y, z).
Lines are drawn with sub-pixel end points and anti-aliasing. The released code truncates every vertex to a
whole pixel, which at 256 px throws away most of a head motion that is under a pixel a frame. Widths are those
of the 512 canvas and shrink with the picture, to no less than 1 px.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import CANVAS

Colour = tuple[int, int, int]
Points = NDArray[np.floating]

_GREY: Final[Colour] = (128, 128, 128)
_PALE: Final[Colour] = (224, 224, 224)
_LEFT: Final[Colour] = (48, 255, 48)
_RIGHT: Final[Colour] = (255, 48, 48)
_TORSO: Final[Colour] = (225, 225, 225)
_FRACTION_BITS: Final = 4


@dataclass(frozen=True, slots=True)
class _Layer:
    edges_E2: NDArray[np.int16]
    colour: Colour
    width: int


class ConditionPainter:
    """Draws condition images of one size; vertices are given on the 512 canvas."""

    def __init__(self, size: int, *, with_mesh: bool = True) -> None:
        """`size` is the side of the image in px; without the mesh, contours and shoulders alone are drawn."""
        self.size = size
        with np.load(str(files("stages.geometry") / "data" / "face_topology.npz")) as topology:
            triangles_K3 = topology["triangles_K3"]
            sides_E2 = np.sort(triangles_K3[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
            groups = {name: topology[name] for name in topology.files if name.endswith("_E2")}
        left_E2 = np.concatenate([groups["left_eye_E2"], groups["left_eyebrow_E2"]])
        right_E2 = np.concatenate([groups["right_eye_E2"], groups["right_eyebrow_E2"]])
        thin, bold = 1, max(1, 2 * size // CANVAS)
        self._bold = bold
        self._layers = (
            *([_Layer(np.unique(sides_E2, axis=0), _GREY, thin)] if with_mesh else []),
            _Layer(np.concatenate([groups["lips_E2"], groups["face_oval_E2"]]), _PALE, bold),
            _Layer(left_E2, _LEFT, bold),
            _Layer(right_E2, _RIGHT, bold),
            _Layer(groups["left_iris_E2"], _LEFT, bold),
            _Layer(groups["right_iris_E2"], _RIGHT, bold),
        )

    def paint(
        self, mesh_N3: Points, torso_N3: Points, *, onto_SS3: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        """One (H, W, 3) uint8 RGB condition image from 478 mesh and 18 torso points in px on the 512 canvas.

        With a picture of that size, its lines are drawn over a copy of it.
        """
        image_HW3 = np.zeros((self.size, self.size, 3), np.uint8) if onto_SS3 is None else onto_SS3.copy()
        mesh_N2 = self._fixed_point(mesh_N3)
        for layer in self._layers:
            self._lines(image_HW3, list(mesh_N2[layer.edges_E2]), layer.colour, layer.width)
        self._lines(image_HW3, list(self._fixed_point(torso_N3).reshape(2, -1, 2)), _TORSO, self._bold)
        return image_HW3

    def _fixed_point(self, points_N3: Points) -> NDArray[np.int32]:
        # Pixel k covers [k, k + 1) of the canvas, while cv2 puts its centre at k: hence the half pixel.
        scaled_N2 = np.asarray(points_N3, dtype=np.float64)[:, :2] * (self.size / CANVAS) - 0.5
        # Far outside the picture nothing is drawn, and the clip keeps the fixed-point numbers within 32 bits.
        scaled_N2 = np.clip(scaled_N2, -4 * self.size, 5 * self.size)
        return np.round(scaled_N2 * (1 << _FRACTION_BITS)).astype(np.int32)

    @staticmethod
    def _lines(
        image_HW3: NDArray[np.uint8], lines: list[NDArray[np.int32]], colour: Colour, width: int
    ) -> None:
        cv2.polylines(image_HW3, lines, False, colour, width, cv2.LINE_AA, _FRACTION_BITS)
