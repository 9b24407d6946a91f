"""How far and how fast a head moves. Legend: T frames, 3 = yaw, pitch, roll in degrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.payloads import FRAMES_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadMotion:
    """Spread (standard deviation, degrees) and speed (mean, degrees a second) of each angle of the head."""

    yaw_spread: float
    pitch_spread: float
    roll_spread: float
    yaw_speed: float
    pitch_speed: float
    roll_speed: float


def head_motion(angles_T3: NDArray[np.floating], found_T: NDArray[np.bool_]) -> HeadMotion:
    """Motion over the frames in which a face was found; at least one is needed."""
    angles_T3 = np.asarray(angles_T3, dtype=np.float64)
    spread_3 = angles_T3[found_T].std(axis=0)
    both_T = found_T[1:] & found_T[:-1]
    steps_T3 = np.abs(np.diff(angles_T3, axis=0))[both_T]
    speed_3 = steps_T3.mean(axis=0) * FRAMES_PER_SECOND if len(steps_T3) else np.zeros(3)
    yaw, pitch, roll = (float(value) for value in spread_3)
    yaw_speed, pitch_speed, roll_speed = (float(value) for value in speed_3)
    return HeadMotion(
        yaw_spread=yaw,
        pitch_spread=pitch,
        roll_spread=roll,
        yaw_speed=yaw_speed,
        pitch_speed=pitch_speed,
        roll_speed=roll_speed,
    )
