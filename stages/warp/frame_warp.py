"""What moves pictures to the mesh of one frame: a coarse field, and finer samples about edges of the face.

Legend: P control points, S side of a picture (512 px), H/W a part of it, 2 = (x, y), 4 = RGB and mask.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import CANVAS
from stages.warp.contours import Contour
from stages.warp.control_mesh import ControlMesh
from stages.warp.field import Raster

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameWarp:
    """The triangles of a frame, or those in a part of its picture.

    Attributes:
        control: the subject's.
        raster: which one is seen where.
        contour: pixels about edges behind which something is hidden; None where there are none.
    """

    control: ControlMesh
    raster: Raster
    contour: Contour | None

    @classmethod
    def of(cls, control: ControlMesh, points_P2: Floats, *, depth_N: NDArray[np.floating]) -> Self:
        """From control points of a frame and the z (478,) of its mesh."""
        raster = control.raster(points_P2, depth_N=depth_N)
        return cls(
            control=control, raster=raster, contour=Contour.of(raster, control.face_edges, depth_N=depth_N)
        )

    def within(self, rows: slice, columns: slice) -> Self:
        """The part of it in some rows and columns of the field."""
        cell = CANVAS // self.raster.size
        pixels = (slice(each.start * cell, each.stop * cell) for each in (rows, columns))
        contour = None if self.contour is None else self.contour.within(*pixels)
        return replace(self, raster=self.raster.within(rows, columns), contour=contour)

    def move(self, layer_SS4: Picture, *, source_P2: Floats) -> Picture:
        """A layer, moved (H, W, 4).

        Args:
            layer_SS4: colours times mask, and the mask.
            source_P2: its control points.
        """
        tables_25K = self.raster.tables(source_P2)
        field = self.raster.field_of(tables_25K)
        if self.raster.is_whole:
            left, right = self.control.falls(source_P2)
            field = field.continued(left=left, right=right)
        moved_HW4 = field.move(layer_SS4)
        if self.contour is not None:
            self.contour.draw(layer_SS4, tables_25K, onto_HW4=moved_HW4)
        return moved_HW4
