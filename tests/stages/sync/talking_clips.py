"""Clips of nobody: a hiss that swells and fades, and the average face whose lips open as it swells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from prepared_clip import clip_tracks
from scipy.ndimage import gaussian_filter1d

from stages.geometry.landmarks import LIPS
from stages.payloads import SAMPLES_PER_FRAME
from stages.subject.tracks import ClipTracks

_UPPER = 13
_WIDEST_PX = 18.0


def talking_tracks(seed: int, *, frames: int = 120, lag: int = 0) -> ClipTracks:
    """Tracks whose sound lags the lips by `lag` frames."""
    random = np.random.default_rng(seed)
    around = 20
    loudness_T = gaussian_filter1d(random.normal(size=frames + 2 * around), 1.5)
    loudness_T = np.clip(0.5 + loudness_T / (2 * loudness_T.std()), 0.02, None)
    opening_T = loudness_T[around : around + frames]
    heard_T = loudness_T[around - lag : around - lag + frames]
    silent = clip_tracks(frames)
    places = (np.arange(frames * SAMPLES_PER_FRAME) + 0.5) / SAMPLES_PER_FRAME - 0.5
    envelope_S = np.interp(places, np.arange(frames), heard_T)
    speech_S = 0.1 * envelope_S * random.normal(size=len(envelope_S))
    mesh_TN3 = silent.canonical_TN3.copy()
    lower = [vertex for vertex in LIPS if mesh_TN3[0, vertex, 1] > mesh_TN3[0, _UPPER, 1] + 1]
    mesh_TN3[:, lower, 1] += (_WIDEST_PX * opening_T)[:, None]
    mesh_TN3 += random.normal(scale=0.1, size=mesh_TN3.shape)
    return replace(
        silent,
        facts=replace(silent.facts, speaker=f"nobody-{seed}"),
        canonical_TN3=mesh_TN3.astype(np.float32),
        speech_S=speech_S.astype(np.float32),
    )


def save_talking_clip(folder: Path, seed: int, **options: int) -> Path:
    """A prepared clip on disk, named after its seed."""
    home = folder / f"clip-{seed}"
    talking_tracks(seed, **options).save(home)
    return home
