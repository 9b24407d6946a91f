"""Moving a picture: which triangle covers each pixel, and from where in the source it comes.

Legend: P control points, N points with a depth, K triangles, H/W pixels of the field or of a part of it, S side of a
picture, C channels, 2 = (x, y). Points are px on the 512 canvas, pixel k of which covers [k, k + 1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import CANVAS
from stages.warp.folds import signed_areas

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Triangles = NDArray[np.int64]
Picture = NDArray[np.uint8]

FIELD_SIZE: Final = 256
"""Side of the field: motion is linear inside a triangle, so half the resolution of the picture serves."""

_FRACTION_BITS: Final = 4
_FARTHEST_PX: Final = 4 * CANVAS
_LEAST_AREA_PX: Final = 0.25
_MARGIN_PX: Final = 3.0
"""Beyond a triangle, pixels on its edge may come from: a pixel of the field and a half."""
_STRIP_SHARE: Final = 8
"""An eighth of the picture at each side: no body moves farther."""

_PIXEL_CENTRE: Final = np.float32(0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Raster:
    """Which triangle is seen at each pixel of a square, or of a part of it.

    Attributes:
        triangle_HW: (H, W) indices of triangles; the number of triangles where there is none.
        points_P2: where the corners are.
        triangles_K3: corners of the triangles.
        middle_K2: middles of the triangles.
        weights_22K: how the weight of each triangle's second and third corner grows with x and with y, per px.
        thin_K: triangles as thin as a line.
        drawn_D: triangles in the order in which they are drawn.
        size: side of the square.
        corner: first column and row of the part.
    """

    triangle_HW: NDArray[np.intp]
    points_P2: Floats
    triangles_K3: Triangles
    middle_K2: Doubles
    weights_22K: Doubles
    thin_K: NDArray[np.bool_]
    drawn_D: NDArray[np.intp]
    size: int
    corner: tuple[int, int] = (0, 0)

    @classmethod
    def of(
        cls,
        *,
        points_P2: Floats,
        triangles_K3: Triangles,
        depth_N: NDArray[np.floating],
        flat: int,
        size: int = FIELD_SIZE,
    ) -> Self:
        """Draw triangles.

        Args:
            points_P2: control points.
            triangles_K3: the first `flat` are drawn in their order; over these, by depth, those others that face one.
            depth_N: z of the points between which the latter lie; larger is nearer.
            flat: how many have no depth.
            size: side in px.
        """
        deep_K3 = triangles_K3[flat:]
        nearest_last_K = np.argsort(depth_N[deep_K3].sum(axis=1), kind="stable")
        # By the depth of its middle, one that is turned away would now and then be drawn over its neighbours.
        faces_K = signed_areas(points_P2, deep_K3) <= 0
        drawn_D = np.concatenate([np.arange(flat), nearest_last_K[faces_K[nearest_last_K]] + flat])
        triangle_HW = drawn_triangles(
            points_P2, triangles_K3, drawn_D, pitch=CANVAS / size, shape=(size, size)
        )
        weights_22K, thin_K = _corner_weights(points_P2, triangles_K3)
        return cls(
            triangle_HW=triangle_HW.astype(np.intp),
            points_P2=points_P2,
            triangles_K3=triangles_K3,
            middle_K2=points_P2.astype(np.float64)[triangles_K3.T].mean(axis=0),
            weights_22K=weights_22K,
            thin_K=thin_K,
            drawn_D=drawn_D,
            size=size,
        )

    def within(self, rows: slice, columns: slice) -> Self:
        """The part of it in some rows and columns of the square."""
        part_HW = np.ascontiguousarray(self.triangle_HW[rows, columns])
        return replace(self, triangle_HW=part_HW, corner=(columns.start, rows.start))

    @property
    def is_whole(self) -> bool:
        """Whether it is no part."""
        return self.triangle_HW.shape == (self.size, self.size)

    @property
    def turned_share(self) -> float:
        """Share of the pixels at which a triangle is seen from behind."""
        turned_K = np.append(signed_areas(self.points_P2, self.triangles_K3) > 0, False)
        return float(turned_K[self.triangle_HW].mean())

    def field_from(self, source_P2: Floats) -> Field:
        """Where the pixels come from.

        Args:
            source_P2: control points of the picture that is to be moved.
        """
        return self.field_of(self.tables(source_P2))

    def field_of(self, tables_25K: Floats) -> Field:
        """The same, of `tables`."""
        height, width = self.triangle_HW.shape
        pitch, (left, top) = CANVAS / self.size, self.corner
        x_W = ((np.arange(left, left + width) + 0.5) * pitch).astype(np.float32)
        y_H1 = ((np.arange(top, top + height) + 0.5) * pitch).astype(np.float32)[:, None]
        at_HW, other_HW = np.empty((2, height, width), dtype=np.float32)
        planes = []
        for slope_x_K, slope_y_K, offset_K, low_K, high_K in tables_25K:
            from_HW = np.take(slope_x_K, self.triangle_HW, mode="clip")
            from_HW *= x_W
            np.take(slope_y_K, self.triangle_HW, out=other_HW, mode="clip")
            other_HW *= y_H1
            from_HW += other_HW
            from_HW += np.take(offset_K, self.triangle_HW, out=other_HW, mode="clip")
            np.take(low_K, self.triangle_HW, out=at_HW, mode="clip")
            np.take(high_K, self.triangle_HW, out=other_HW, mode="clip")
            planes.append(np.clip(from_HW, at_HW, other_HW, out=from_HW))
        return Field(x_HW=planes[0], y_HW=planes[1], size=self.size)

    def tables(self, source_P2: Floats) -> Floats:
        """(2, 5, K + 1): for x and y of every triangle, and of none, two slopes, an offset, the least and most."""
        corners_3K2 = source_P2.astype(np.float64)[self.triangles_K3.T]
        tables_25K = np.zeros((2, 5, len(self.middle_K2) + 1), dtype=np.float32)
        for axis, table_5K in enumerate(tables_25K):
            first_K, second_K, third_K = source_3K = np.ascontiguousarray(corners_3K2[..., axis])
            along, across = (1.0, 0.0) if axis == 0 else (0.0, 1.0)
            to_second_K, to_third_K = source_3K[1:] - first_K
            slope_x_K, slope_y_K = to_second_K * self.weights_22K[0] + to_third_K * self.weights_22K[1]
            # A triangle as thin as a line has no slopes: it is moved as a whole.
            slope_x_K[self.thin_K], slope_y_K[self.thin_K] = along, across
            offset_K = (first_K + second_K + third_K) / 3
            offset_K -= slope_x_K * self.middle_K2[:, 0] + slope_y_K * self.middle_K2[:, 1]
            # A pixel on a triangle's edge lies a little outside of it, which slopes of a thin one would blow up.
            low_K = np.minimum(np.minimum(first_K, second_K), third_K) - _MARGIN_PX
            high_K = np.maximum(np.maximum(first_K, second_K), third_K) + _MARGIN_PX
            table_5K[:, :-1] = slope_x_K, slope_y_K, offset_K, low_K, high_K
            table_5K[:, -1] = along, across, 0.0, 0.0, CANVAS
        tables_25K[:, 2:] -= _PIXEL_CENTRE
        return tables_25K


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Where each pixel comes from: x and y (H, W) in px of the canvas, counted from the centre of the first pixel.

    `size` is the side of the square of which the field is, or is a part.
    """

    x_HW: Floats
    y_HW: Floats
    size: int = FIELD_SIZE

    def continued(self, *, left: float, right: float) -> Field:
        """The field of a whole picture, bent back where it leaves the picture at its sides and its foot.

        What lies beyond is then a mirror's picture of what lies within, and a shoulder goes on as it fell before.

        Args:
            left: by how much the shoulder at the left falls outwards, px per px.
            right: likewise at the right.
        """
        x_HW, y_HW = self.x_HW.copy(), self.y_HW.copy()
        last, strip = CANVAS - 1, len(x_HW) // _STRIP_SHARE
        for columns, edge, fall in ((slice(strip), 0, left), (slice(-strip, None), last, right)):
            x_part_HW, y_part_HW = x_HW[:, columns], y_HW[:, columns]
            beyond_HW = np.maximum(x_part_HW - edge if edge else -x_part_HW, 0)
            x_part_HW += (-2 if edge else 2) * beyond_HW
            # As far within as it was beyond, and by twice the fall higher, lies the same part of the shoulder.
            y_part_HW -= 2 * np.float32(fall) * beyond_HW
        foot_HW = y_HW[-strip:]
        foot_HW -= 2 * np.maximum(foot_HW - last, 0)
        return Field(x_HW=x_HW, y_HW=y_HW, size=self.size)

    def move(self, picture_SSC: Picture, *, interpolation: int = cv2.INTER_CUBIC) -> Picture:
        """A square picture (S, S[, C]), moved; what lies beyond its border repeats the border.

        Args:
            picture_SSC: of any side; the result is as large, or as large as the field's part of it.
            interpolation: one of cv2's.
        """
        side = len(picture_SSC)
        height, width = (round(length * side / self.size) for length in self.x_HW.shape)
        x_SS, y_SS = (
            np.asarray(
                cv2.resize(plane_HW, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32
            )
            for plane_HW in (self.x_HW, self.y_HW)
        )
        if side != CANVAS:
            scale = np.float32(side / CANVAS)
            x_SS, y_SS = ((plane_SS + _PIXEL_CENTRE) * scale - _PIXEL_CENTRE for plane_SS in (x_SS, y_SS))
        moved_SSC = cv2.remap(picture_SSC, x_SS, y_SS, interpolation, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved_SSC, dtype=np.uint8)


def drawn_triangles(
    points_P2: Floats,
    triangles_K3: Triangles,
    drawn_D: NDArray[np.intp],
    *,
    pitch: float,
    shape: tuple[int, int],
    corner: tuple[int, int] = (0, 0),
) -> NDArray[np.int32]:
    """Indices of triangles (H, W), each drawn over those before it; their number where there is none.

    Args:
        points_P2: control points.
        triangles_K3: corners of the triangles.
        drawn_D: which of them are drawn.
        pitch: px of the canvas from one pixel to the next.
        shape: rows and columns.
        corner: first column and row, in these pixels.
    """
    # cv2 puts the centre of pixel k at k, the canvas at k + 1/2; far points would leave 32 bits.
    scaled_P2 = np.clip(points_P2, -_FARTHEST_PX, _FARTHEST_PX) / pitch - 0.5 - np.array(corner)
    corners_D32 = np.round(scaled_P2 * (1 << _FRACTION_BITS)).astype(np.int32)[triangles_K3[drawn_D]]
    triangle_HW = np.full(shape, len(triangles_K3), dtype=np.int32)
    fill = cv2.fillConvexPoly
    for index, corners_32 in zip(drawn_D.tolist(), corners_D32, strict=True):
        fill(triangle_HW, corners_32, index, cv2.LINE_8, _FRACTION_BITS)
    return triangle_HW


def _corner_weights(points_P2: Floats, triangles_K3: Triangles) -> tuple[Doubles, NDArray[np.bool_]]:
    """How the weight of each triangle's second and third corner grows with x and y (2, 2, K); which are thin (K,)."""
    corners_3K2 = points_P2.astype(np.float64)[triangles_K3.T]
    first_K2, second_K2 = corners_3K2[1] - corners_3K2[0], corners_3K2[2] - corners_3K2[0]
    twice_K = first_K2[:, 0] * second_K2[:, 1] - first_K2[:, 1] * second_K2[:, 0]
    thin_K = np.abs(twice_K) < 2 * _LEAST_AREA_PX
    weights_22K = np.array([[second_K2[:, 1], -second_K2[:, 0]], [-first_K2[:, 1], first_K2[:, 0]]])
    return weights_22K / np.where(thin_K, 1.0, twice_K), thin_K
