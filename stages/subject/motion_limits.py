"""How far a subject's head may move from its template: one of whom a single pose was seen is not drawn far from it.

Legend: T frames, C head channels: yaw, pitch, roll in degrees; centre x, y, z in px; scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from stages.files import check_types

Floats = NDArray[np.float32]

_FREE_SHARE: Final = 0.5
"""Of a limit: up to here motion stays as it is, so that only large motion is changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionLimits:
    """The most by which a head moves from its template, to either side.

    Attributes:
        yaw, pitch, roll: degrees.
        shift_px: of the centre, px on the 512 canvas, each axis for itself.
        scale: of the head vector.
    """

    yaw: float
    pitch: float
    roll: float
    shift_px: float
    scale: float

    @classmethod
    def of_record(cls, record: object) -> Self:
        """What `as_record` gave. Raises ValueError or TypeError for anything else."""
        if not isinstance(record, Mapping):
            raise TypeError("motion limits are a mapping of numbers")
        limits = cls(**{str(name): value for name, value in record.items()})
        check_types(limits)
        if not all(np.isfinite(value) and value > 0 for value in limits.as_record().values()):
            raise ValueError("motion limits are finite numbers above 0")
        return limits

    def as_record(self) -> dict[str, float]:
        """As plain data."""
        return asdict(self)

    def sentence(self) -> str:
        """For people."""
        return (
            f"the head stays within {self.yaw:g} degrees of yaw, {self.pitch:g} of pitch and {self.roll:g} of roll, "
            f"and {self.shift_px:g} px, of its usual pose"
        )

    def limited(self, head_TC: Floats) -> Floats:
        """Displacements (T, 7) from the template, none beyond a limit; each frame by itself.

        Small motion stays as it is; larger motion comes ever nearer to the limit, and keeps its order.
        """
        most_C = np.array([self.yaw, self.pitch, self.roll, *[self.shift_px] * 3, self.scale])
        free_C = _FREE_SHARE * most_C
        size_TC = np.abs(head_TC.astype(np.float64))
        # A quotient and no hyperbolic function: the same numbers on every machine.
        beyond_TC = np.maximum(size_TC - free_C, 0.0) / (most_C - free_C)
        kept_TC = np.minimum(size_TC, free_C) + (most_C - free_C) * beyond_TC / (1.0 + beyond_TC)
        return np.copysign(kept_TC, head_TC).astype(np.float32)
