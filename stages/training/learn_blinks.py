"""Learn what a blink looks like and how often one comes, from the training clips.

Legend: T frames, K frames of a blink, C eye channels (180).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from stages.errors import WeightsError
from stages.geometry.landmarks import EYES
from stages.moda.blinks import BLINK_AFTER, BLINK_BEFORE, lid_opening
from stages.moda.smoothing import EYES_SIGMA
from stages.training.motion_data import MotionClip

_CLOSED: Final = 0.5
"""A blink closes the lids to less than this share of their usual opening."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blinks:
    """Mean displacements of a blink per px of lid opening (K, 180), blinks a frame, and how many were seen."""

    profile_KC: NDArray[np.float32]
    rate: float
    seen: int


def learn_blinks(clips: Sequence[MotionClip]) -> Blinks:
    """Average every blink of the clips, from the pose of the eyes just before it.

    Raises WeightsError when no clip shows a blink.
    """
    profiles: list[NDArray[np.float32]] = []
    for clip in clips:
        eyes_TN3 = clip.mesh_TN3[:, EYES]
        opening_T = lid_opening(eyes_TN3 + clip.template.mesh_N3[EYES])
        usual = float(np.median(opening_T))
        lowest, _ = find_peaks(-opening_T, height=-_CLOSED * usual, distance=BLINK_BEFORE + BLINK_AFTER)
        for frame in lowest:
            start, stop = int(frame) - BLINK_BEFORE, int(frame) + BLINK_AFTER + 1
            # Eyes that stay shut or start shut are a look down, not a blink.
            if start < 0 or stop > len(opening_T) or min(opening_T[start], opening_T[stop - 1]) < 0.6 * usual:
                continue
            moved_KN3 = eyes_TN3[start:stop] - (eyes_TN3[start] + eyes_TN3[stop - 1]) / 2
            profiles.append((moved_KN3 / usual).reshape(stop - start, -1))
    if not profiles:
        raise WeightsError(code="training_no_blinks", where="corpus", what="no clip shows a blink")
    frames = sum(clip.frame_count for clip in clips)
    profile_KC = np.mean(profiles, axis=0)
    # The profile begins and ends at rest, so that adding it leaves no step.
    rested_KC = profile_KC * np.sin(np.linspace(0.0, np.pi, len(profile_KC)))[:, None] ** 0.5
    # Motion is smoothed before it is drawn: stronger here, the lids close as far as they did after it.
    smoothed_KC = gaussian_filter1d(rested_KC, EYES_SIGMA, axis=0, mode="constant")
    gain = float(np.abs(rested_KC).max() / np.abs(smoothed_KC).max())
    return Blinks(
        profile_KC=(gain * rested_KC).astype(np.float32), rate=len(profiles) / frames, seen=len(profiles)
    )
