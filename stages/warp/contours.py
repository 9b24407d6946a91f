"""Edges of a face that hide what lies behind them: across one a field leaps, and its pixels are too coarse.

Inside a triangle motion is linear, and half the picture's resolution serves. Across such an edge it would show as
stairs, so the pixels about it are made of many samples each, of the triangles that are seen there.
Legend: P control points, K triangles, E edges, D triangles in the order in which they are drawn, L pixels about an
edge, M samples of a pixel, S side of a picture (512 px), 2 = (x, y), 4 = RGB and mask. Points are px on the canvas.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import CANVAS
from stages.warp.field import Raster, Triangles, drawn_triangles

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]

_SAMPLES: Final = 3
_MIDDLE: Final = _SAMPLES**2 // 2
"""Of a pixel on each axis: an odd number, since one is in the middle."""

_THIN: Final = 0.05
"""Of its area a triangle shows less than this share where it is seen nearly from its edge: there a pixel of the picture
takes in much of a reference, and a coarse pixel of the field may hit or miss it."""

_BRUSH_PX: Final = 5
"""How wide a line about an edge: as far as the pixels of a field that lie across it reach."""

_LEAP_PX: Final = 2.0
"""Where the samples of a pixel come from lies farther apart than this across an edge, and hardly ever elsewhere."""

_FRACTION_BITS: Final = 4
_FARTHEST_PX: Final = 4 * CANVAS
_MOST_COLUMNS: Final = 1 << 14
"""That cv2 takes at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceEdges:
    """Edges between two triangles of the face.

    Attributes:
        triangles_K3: the face's triangles.
        corners_E2: the two control points of each edge.
        sides_E2: the two triangles of each edge.
    """

    triangles_K3: Triangles
    corners_E2: NDArray[np.intp]
    sides_E2: NDArray[np.intp]

    @classmethod
    def of(cls, triangles_K3: Triangles) -> Self:
        """Those of some triangles."""
        corners_X2 = np.sort(triangles_K3[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        side_X = np.repeat(np.arange(len(triangles_K3)), 3)
        order_X = np.lexsort((corners_X2[:, 1], corners_X2[:, 0]))
        corners_X2, side_X = corners_X2[order_X], side_X[order_X]
        first_of_pair = np.flatnonzero((corners_X2[1:] == corners_X2[:-1]).all(axis=1))
        return cls(
            triangles_K3=triangles_K3,
            corners_E2=corners_X2[first_of_pair],
            sides_E2=np.stack([side_X[first_of_pair], side_X[first_of_pair + 1]], axis=1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Contour:
    """Pixels about the edges behind which something is hidden, and what is seen in each.

    Attributes:
        row_L, column_L: the pixels.
        triangle_ML: the triangle at each sample of each.
        x_ML, y_ML: where the samples are.
    """

    row_L: NDArray[np.intp]
    column_L: NDArray[np.intp]
    triangle_ML: NDArray[np.intp]
    x_ML: Floats
    y_ML: Floats

    @classmethod
    def of(cls, raster: Raster, edges: FaceEdges, *, depth_N: NDArray[np.floating]) -> Self | None:
        """Those of a raster; None where nothing of the face hides anything.

        Args:
            raster: of the frame.
            edges: of the face.
            depth_N: z of the points of the face.
        """
        facing_K = _facing(raster.points_P2[: len(depth_N)], depth_N, edges.triangles_K3)
        facing_E2 = facing_K[edges.sides_E2]
        hides_E = (facing_E2.min(axis=1) < _THIN) & (facing_E2.max(axis=1) > 0)
        about_SS = _lines(raster.points_P2, edges.corners_E2[hides_E])
        row_L, column_L = np.divmod(np.flatnonzero(about_SS.view(np.bool_)), CANVAS)
        if not len(row_L):
            return None
        top, left = int(row_L.min()), int(column_L.min())
        fine_HW = _fine(
            raster,
            about_SS,
            rows=slice(top, int(row_L.max()) + 1),
            columns=slice(left, int(column_L.max()) + 1),
        )
        step_M = np.arange(_SAMPLES)
        down_M1, across_M1 = (each.reshape(-1, 1) for each in np.meshgrid(step_M, step_M, indexing="ij"))
        fine_row_ML = (row_L - top) * _SAMPLES + down_M1
        fine_column_ML = (column_L - left) * _SAMPLES + across_M1
        return cls(
            row_L=row_L,
            column_L=column_L,
            triangle_ML=fine_HW[fine_row_ML, fine_column_ML].astype(np.intp),
            x_ML=(column_L + (across_M1 + 0.5) / _SAMPLES).astype(np.float32),
            y_ML=(row_L + (down_M1 + 0.5) / _SAMPLES).astype(np.float32),
        )

    def within(self, rows: slice, columns: slice) -> Self | None:
        """Those in some rows and columns of the picture, counted from their first."""
        inside_L = (self.row_L >= rows.start) & (self.row_L < rows.stop)
        inside_L &= (self.column_L >= columns.start) & (self.column_L < columns.stop)
        if not inside_L.any():
            return None
        return replace(
            self,
            row_L=self.row_L[inside_L] - rows.start,
            column_L=self.column_L[inside_L] - columns.start,
            triangle_ML=self.triangle_ML[:, inside_L],
            x_ML=self.x_ML[:, inside_L],
            y_ML=self.y_ML[:, inside_L],
        )

    def draw(self, layer_SS4: Picture, tables_25K: Floats, *, onto_HW4: Picture) -> None:
        """Change a moved layer at its pixels.

        Args:
            layer_SS4: what is moved (S, S, 4), colours times mask and mask.
            tables_25K: where its triangles come from, `Raster.tables`.
            onto_HW4: the layer, moved.
        """
        from_2ML = np.empty((2, *self.x_ML.shape), dtype=np.float32)
        for from_ML, table_5K in zip(from_2ML, tables_25K, strict=True):
            slope_x_ML, slope_y_ML, offset_ML, low_ML, high_ML = np.take(
                table_5K, self.triangle_ML, axis=1, mode="clip"
            )
            np.multiply(slope_x_ML, self.x_ML, out=from_ML)
            from_ML += np.multiply(slope_y_ML, self.y_ML, out=slope_y_ML)
            from_ML += offset_ML
            np.clip(from_ML, low_ML, high_ML, out=from_ML)
        leaps_L = (from_2ML.max(axis=1) - from_2ML.min(axis=1)).max(axis=0) > _LEAP_PX
        # Where nothing leaps, many samples would only take detail: the middle one alone is as sharp as all around it.
        for part_L, part_2ML, interpolation in (
            (~leaps_L, from_2ML[:, [_MIDDLE]], cv2.INTER_CUBIC),
            (leaps_L, from_2ML, cv2.INTER_LINEAR),
        ):
            at = self.row_L[part_L], self.column_L[part_L]
            onto_HW4[at] = _averaged(layer_SS4, part_2ML[..., part_L], interpolation=interpolation)


def _averaged(layer_SS4: Picture, from_2ML: Floats, *, interpolation: int) -> NDArray[np.integer]:
    """Means (L, 4) of samples of a layer."""
    samples, pixels = from_2ML.shape[1:]
    mean_L4 = np.empty((pixels, 4), dtype=np.int32)
    for start in range(0, pixels, _MOST_COLUMNS):
        x_ML, y_ML = np.ascontiguousarray(from_2ML[..., start : start + _MOST_COLUMNS])
        seen_ML4 = cv2.remap(layer_SS4, x_ML, y_ML, interpolation, borderMode=cv2.BORDER_REPLICATE)
        sum_L4 = cv2.reduce(seen_ML4.reshape(samples, -1), 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S).reshape(-1, 4)
        mean_L4[start : start + _MOST_COLUMNS] = (sum_L4 + samples // 2) // samples
    return mean_L4


def _facing(
    points_N2: Floats, depth_N: NDArray[np.floating], triangles_K3: Triangles
) -> NDArray[np.floating]:
    """Share (K,) of the area of each triangle that is seen; negative where it is turned away."""
    x_K3, y_K3, z_K3 = (
        np.asarray(line_N, dtype=np.float64)[triangles_K3] for line_N in (*points_N2.T, depth_N)
    )
    first_3K, second_3K = ([line_K3[:, k] - line_K3[:, 0] for line_K3 in (x_K3, y_K3, z_K3)] for k in (1, 2))
    across_K = first_3K[1] * second_3K[2] - first_3K[2] * second_3K[1]
    down_K = first_3K[2] * second_3K[0] - first_3K[0] * second_3K[2]
    seen_K = first_3K[0] * second_3K[1] - first_3K[1] * second_3K[0]
    return -seen_K / np.maximum(np.sqrt(across_K**2 + down_K**2 + seen_K**2), 1e-9)


def _lines(points_P2: Floats, corners_E2: NDArray[np.intp]) -> Picture:
    about_SS = np.zeros((CANVAS, CANVAS), dtype=np.uint8)
    # cv2 puts the centre of pixel k at k, the canvas at k + 1/2; far points would leave 32 bits.
    scaled_P2 = (np.clip(points_P2, -_FARTHEST_PX, _FARTHEST_PX) - 0.5) * (1 << _FRACTION_BITS)
    lines_E22 = np.round(scaled_P2).astype(np.int32)[corners_E2]
    cv2.polylines(about_SS, list(lines_E22), False, 1, _BRUSH_PX, cv2.LINE_8, _FRACTION_BITS)
    return about_SS


def _fine(raster: Raster, about_SS: Picture, *, rows: slice, columns: slice) -> NDArray[np.int32]:
    """Triangles at the samples of all pixels of a part of the picture, right where `about_SS` is not zero."""
    part_HW = about_SS[rows, columns]
    # Axis by axis: over an axis of three numpy reduces slowly.
    first_D2, second_D2, third_D2 = raster.points_P2[raster.triangles_K3[raster.drawn_D].T]
    least_D2 = np.minimum(np.minimum(first_D2, second_D2), third_D2)
    most_D2 = np.maximum(np.maximum(first_D2, second_D2), third_D2)
    origin_2, last_2 = np.array([columns.start, rows.start]), np.array([part_HW.shape[1], part_HW.shape[0]])
    low_D2 = np.clip(np.floor(least_D2 - origin_2) - 1, 0, last_2).astype(np.intp)
    high_D2 = np.clip(np.ceil(most_D2 - origin_2) + 1, 0, last_2).astype(np.intp)
    sums_HW = cv2.integral(part_HW)
    near_D = (
        sums_HW[high_D2[:, 1], high_D2[:, 0]]
        - sums_HW[low_D2[:, 1], high_D2[:, 0]]
        - sums_HW[high_D2[:, 1], low_D2[:, 0]]
        + sums_HW[low_D2[:, 1], low_D2[:, 0]]
    ) > 0
    return drawn_triangles(
        raster.points_P2,
        raster.triangles_K3,
        raster.drawn_D[near_D],
        pitch=1 / _SAMPLES,
        shape=(part_HW.shape[0] * _SAMPLES, part_HW.shape[1] * _SAMPLES),
        corner=(columns.start * _SAMPLES, rows.start * _SAMPLES),
    )
