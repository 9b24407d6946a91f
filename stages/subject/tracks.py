"""The tracks of a prepared clip: what motion, face and renderer training read.

Legend: T frames, N points, 3 = (x, y, z), 7 = head vector.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from stages.geometry.landmarks import EYES, LIPS, REST
from stages.subject.framing import Framing

Floats = NDArray[np.float32]

_TRACKS: Final = "tracks.npz"
_FACTS: Final = "clip.json"
MESH_SMOOTHING_FRAMES: Final = 1.7
"""Gaussian sigma over time of every vertex but lips and eyes (2 frames at 30 fps, MODA section 8.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFacts:
    """How a clip was prepared.

    Attributes:
        source: path of the clip's file.
        speaker: who speaks; clips of one speaker share a template.
        first_frame: frames of the source dropped at its start, to undo sound that comes early.
        dropped_samples: 16 kHz samples dropped at the start, to undo sound that comes late.
        framing: the square of the source picture.
        detected: share of frames in which a face was found.
        torso_moves: whether the shoulders were seen to move.
    """

    source: str
    speaker: str
    first_frame: int
    dropped_samples: int
    framing: Framing
    detected: float
    torso_moves: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipTracks:
    """Canonical meshes (T, 478, 3), head vectors (T, 7), shoulders (T, 18, 3) and speech (640 T,)."""

    facts: ClipFacts
    canonical_TN3: Floats
    head_T7: Floats
    torso_TN3: Floats
    speech_S: Floats

    @property
    def frame_count(self) -> int:
        """Number of frames T."""
        return len(self.canonical_TN3)

    def save(self, folder: Path) -> None:
        """Write the tracks into `folder`; its facts come last and mark it complete."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            folder / _TRACKS,
            canonical_TN3=self.canonical_TN3,
            head_T7=self.head_T7,
            torso_TN3=self.torso_TN3,
            speech_S=self.speech_S,
        )
        (folder / _FACTS).write_text(json.dumps(asdict(self.facts), indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read tracks that `save` wrote."""
        raw = json.loads((folder / _FACTS).read_text())
        facts = ClipFacts(**{**raw, "framing": Framing(**raw["framing"])})
        with np.load(folder / _TRACKS) as arrays:
            return cls(facts=facts, **{name: arrays[name] for name in arrays.files})

    @staticmethod
    def is_complete(folder: Path) -> bool:
        """Whether `save` finished in `folder`."""
        return (folder / _FACTS).is_file()


def smooth_rest(mesh_TN3: Floats, *, sigma: float = MESH_SMOOTHING_FRAMES) -> Floats:
    """Smooth every vertex over time but those of lips and eyes, which are fast."""
    smooth_TN3 = mesh_TN3.copy()
    smooth_TN3[:, REST] = gaussian_filter1d(mesh_TN3[:, REST], sigma, axis=0, mode="nearest")
    return smooth_TN3


def mouth_and_eyes(canonical_TN3: Floats) -> tuple[Floats, Floats]:
    """The (T, 40, 3) lip and (T, 60, 3) eye vertices of canonical meshes, in network order."""
    return canonical_TN3[:, LIPS], canonical_TN3[:, EYES]
