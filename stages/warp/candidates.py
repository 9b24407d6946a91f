"""What a frame could look like: references moved to its mesh, before the background.

Legend: N mesh points (478), P control points, S side of a picture (512 px), H/W a part of it, 2/3 = (x, y[, z]),
3 = RGB, 4 = RGB and mask, 7 = head vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import CANVAS
from stages.geometry.landmarks import OUTER_LIP_RING
from stages.warp.control_mesh import LEFT_EYE_RING, RIGHT_EYE_RING, ControlMesh
from stages.warp.field import FIELD_SIZE
from stages.warp.frame_warp import FrameWarp
from stages.warp.library import ReferenceLibrary, divided
from stages.warp.plate import Picture
from stages.warp.references import FrameReferences, Mixture

Floats = NDArray[np.float32]

_CELL: Final = CANVAS // FIELD_SIZE
_FRACTION_BITS: Final = 4

_LIP_GROWTH: Final = 17
_LIP_BLUR: Final = 5.0
_LID_GROWTH: Final = 17
_LID_BLUR: Final = 2.5
"""How far a pasted part reaches beyond the ring of its points (sides of the brush), and how soft its edge is."""

_MARGIN_PX: Final = 28
"""About a ring, beyond which nothing of its part is pasted: half the brush and four times the blur."""

_FARTHEST_PX: Final = 4 * CANVAS


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Pictures a frame is made from, (S, S, 3) RGB.

    Attributes:
        head_SS3: the reference whose head is turned most like the frame's, with the lips and eyes of those chosen: the
            best single picture. Its light, hair and outline are nearly the frame's own.
        mouth_SS3: the reference of the mouth as a whole, with the same eyes.
        mask_SS: how much of each pixel of the first is the person's; 255 is all of it.
    """

    head_SS3: Picture
    mouth_SS3: Picture
    mask_SS: Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateMaker:
    """Moves the references of one subject. Keeps nothing from frame to frame.

    Attributes:
        library: the references.
        control: the subject's control mesh, to which the library's points belong.
    """

    library: ReferenceLibrary
    control: ControlMesh

    def make(
        self, *, mesh_N3: Floats, head_7: Floats, torso_18x3: Floats, references: FrameReferences
    ) -> Candidates:
        """The candidates of one frame.

        Args:
            mesh_N3: mesh (478, 3) in the picture.
            head_7: its head vector.
            torso_18x3: shoulders (18, 3) in the picture.
            references: what lends its mouth, its eyes, and all else.
        """
        warp = self._warp(mesh_N3=mesh_N3, head_7=head_7, torso_18x3=torso_18x3)
        head, mouth, plate_SS3 = references.head, references.mouth, self.library.plate.picture_SS3
        layer_SS4 = self._mixed(warp, head)
        head_SS3 = over(layer_SS4, plate_SS3)
        mouth_SS3 = head_SS3.copy() if mouth == head else over(self._mixed(warp, mouth), plate_SS3)
        if mouth != head and (lips := _lips(mesh_N3)):
            lips.paste(mouth_SS3[lips.box], onto_SS3=head_SS3)
        self._paste_eyes(warp, references, mesh_N3=mesh_N3, onto=(head_SS3, mouth_SS3))
        mask_SS = np.ascontiguousarray(layer_SS4[..., 3])
        return Candidates(head_SS3=head_SS3, mouth_SS3=mouth_SS3, mask_SS=mask_SS)

    def best(
        self, *, mesh_N3: Floats, head_7: Floats, torso_18x3: Floats, references: FrameReferences
    ) -> Picture:
        """The first of the candidates alone, (S, S, 3): of its mouth no more is moved than is seen. Args as `make`."""
        warp = self._warp(mesh_N3=mesh_N3, head_7=head_7, torso_18x3=torso_18x3)
        plate_SS3 = self.library.plate.picture_SS3
        head_SS3 = over(self._mixed(warp, references.head), plate_SS3)
        if references.mouth != references.head and (lips := _lips(mesh_N3)):
            lips_HW4 = self._mixed(warp.within(*lips.cells), references.mouth)
            lips.paste(over(lips_HW4, plate_SS3[lips.box]), onto_SS3=head_SS3)
        self._paste_eyes(warp, references, mesh_N3=mesh_N3, onto=(head_SS3,))
        return head_SS3

    def _warp(self, *, mesh_N3: Floats, head_7: Floats, torso_18x3: Floats) -> FrameWarp:
        points_P2 = self.control.points(mesh_N3=mesh_N3, head_7=head_7, torso_18x3=torso_18x3)
        return FrameWarp.of(self.control, points_P2, depth_N=mesh_N3[:, 2])

    def _paste_eyes(
        self, warp: FrameWarp, references: FrameReferences, *, mesh_N3: Floats, onto: tuple[Picture, ...]
    ) -> None:
        if references.eyes == references.head == references.mouth:
            return
        for ring in (RIGHT_EYE_RING, LEFT_EYE_RING):
            if eye := SoftPart.of(mesh_N3[ring], growth=_LID_GROWTH, blur=_LID_BLUR):
                moved_HW3 = self._mixed(warp.within(*eye.cells), references.eyes)[..., :3]
                for picture_SS3 in onto:
                    eye.paste(moved_HW3, onto_SS3=picture_SS3)

    def _mixed(self, warp: FrameWarp, mixture: Mixture) -> Picture:
        """A mixture of references (H, W, 4) where the warp's pixels are."""
        mixed_HW4, count = self._moved(warp, mixture.references[0]), mixture.parts[0]
        for reference, parts in zip(mixture.references[1:], mixture.parts[1:], strict=True):
            count += parts
            share = parts / count
            mixed_HW4 = np.asarray(
                cv2.addWeighted(mixed_HW4, 1 - share, self._moved(warp, reference), share, 0),
                dtype=np.uint8,
            )
        return mixed_HW4

    def _moved(self, warp: FrameWarp, reference: int) -> Picture:
        """A reference (H, W, 4) where the warp's pixels are."""
        return warp.move(self.library.layers_RSS4[reference], source_P2=self.library.points_RP2[reference])


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftPart:
    """A part of a picture with a soft edge.

    Attributes:
        box: its rows and columns, in whole cells of the field.
        share_HW1: how much of each pixel is the part's; 255 is all of it.
    """

    box: tuple[slice, slice]
    share_HW1: Picture

    @classmethod
    def of(cls, ring_N3: Floats, *, growth: int, blur: float) -> Self | None:
        """The inside of a ring of points; None where it lies outside of the picture.

        Args:
            ring_N3: points (N, 3) in the picture, in order.
            growth: side in px of the brush by which it is grown.
            blur: sigma in px by which its edge is blurred.
        """
        low_2 = np.floor(ring_N3[:, :2].min(axis=0)).astype(int) - _MARGIN_PX
        high_2 = np.ceil(ring_N3[:, :2].max(axis=0)).astype(int) + _MARGIN_PX
        left, top = (int(edge) for edge in np.clip(low_2, 0, CANVAS) // _CELL * _CELL)
        right, bottom = (int(edge) for edge in -(np.clip(high_2, 0, CANVAS) // -_CELL) * _CELL)
        if left >= right or top >= bottom:
            return None
        share_HW = np.zeros((bottom - top, right - left), dtype=np.uint8)
        # cv2 puts the centre of pixel k at k, the canvas at k + 1/2.
        ring_N2 = (ring_N3[:, :2] - (left + 0.5, top + 0.5)) * (1 << _FRACTION_BITS)
        far = _FARTHEST_PX << _FRACTION_BITS
        corners_N2 = np.round(np.clip(ring_N2, -far, far)).astype(np.int32)
        cv2.fillPoly(share_HW, [corners_N2], 255, cv2.LINE_AA, _FRACTION_BITS)
        brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (growth, growth))
        share_HW = np.asarray(cv2.GaussianBlur(cv2.dilate(share_HW, brush), (0, 0), blur), dtype=np.uint8)
        return cls(box=(slice(top, bottom), slice(left, right)), share_HW1=share_HW[..., None])

    @property
    def cells(self) -> tuple[slice, slice]:
        """Rows and columns of the field."""
        rows, columns = (slice(side.start // _CELL, side.stop // _CELL) for side in self.box)
        return rows, columns

    def paste(self, part_HW3: Picture, *, onto_SS3: Picture) -> None:
        """Change a picture where the part is."""
        kept_HW3 = onto_SS3[self.box].astype(np.uint16) * (255 - self.share_HW1)
        onto_SS3[self.box] = divided(kept_HW3 + part_HW3.astype(np.uint16) * self.share_HW1)


def _lips(mesh_N3: Floats) -> SoftPart | None:
    return SoftPart.of(mesh_N3[OUTER_LIP_RING], growth=_LIP_GROWTH, blur=_LIP_BLUR)


def over(layer_SS4: Picture, plate_SS3: Picture) -> Picture:
    """A layer, colours times mask and mask, in front of a picture."""
    # A view of three of the four channels would take cv2 five times as long.
    behind_SS = 255 - cv2.extractChannel(layer_SS4, 3)
    behind_SS3 = cv2.multiply(plate_SS3, cv2.merge([behind_SS] * 3), scale=1 / 255)
    return np.asarray(cv2.add(cv2.cvtColor(layer_SS4, cv2.COLOR_RGBA2RGB), behind_SS3), dtype=np.uint8)
