"""A prepared clip as it lies on disk, of noise with one blink, its pictures already in the form training reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from average_actor import average_template

from stages.geometry.landmarks import LIPS, UPPER_LID_LOWER_LID
from stages.subject.framing import Framing
from stages.subject.tracks import ClipFacts, ClipTracks

FRAMES, SIZE, BLINK = 120, 256, 60


def noisy_clip(folder: Path, *, speaker: str = "jane", seed: int = 0) -> Path:
    """Fill the folder; returns it."""
    random, template = np.random.default_rng(seed), average_template()
    canonical_TN3 = np.tile(template.mesh_N3, (FRAMES, 1, 1))
    # The whole face moves as one: what lips do tells what the rest does.
    canonical_TN3 += random.normal(0, 3, (FRAMES, 1, 3)).astype(np.float32)
    canonical_TN3[:, LIPS] += random.normal(0, 0.3, (FRAMES, len(LIPS), 3)).astype(np.float32)
    head_T7 = np.tile(template.head_7, (FRAMES, 1))
    head_T7[:, :3] += random.normal(0, 0.5, (FRAMES, 3))
    for upper, lower in UPPER_LID_LOWER_LID:
        canonical_TN3[BLINK, upper] = canonical_TN3[BLINK, lower]
    facts = ClipFacts(
        source=f"{speaker}.mp4",
        speaker=speaker,
        first_frame=0,
        dropped_samples=0,
        framing=Framing(left=0, top=0, side=512),
        detected=1.0,
        torso_moves=True,
        reference_frame=4,
    )
    ClipTracks(
        facts=facts,
        canonical_TN3=canonical_TN3,
        head_T7=head_T7,
        torso_TN3=np.tile(template.torso_N3, (FRAMES, 1, 1)),
        speech_S=random.normal(0, 0.1, FRAMES * 640).astype(np.float32),
    ).save(folder)
    np.save(folder / f"frames-{SIZE}.npy", random.integers(0, 256, (FRAMES, SIZE, SIZE, 3), dtype=np.uint8))
    return folder
