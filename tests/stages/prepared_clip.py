"""A prepared clip made of nothing: the average face that nods, and numbered pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np

from stages.payloads import SAMPLES_PER_FRAME
from stages.subject.framing import Framing
from stages.subject.tracks import ClipFacts, ClipTracks


def clip_tracks(frames: int, *, source: str = "nowhere.mp4", **facts: object) -> ClipTracks:
    with np.load(str(files("stages.geometry") / "data" / "canonical_mesh.npz")) as stored:
        mesh_N3 = stored["mesh_N3"].astype(np.float32)
    head_T7 = np.tile(np.array([0, 0, 0, 256, 232, 0, 1], np.float32), (frames, 1))
    head_T7[:, 1] = np.linspace(-1, 1, frames)
    torso_TN3 = np.full((frames, 18, 3), 450, np.float32)
    torso_TN3[..., 0] = np.concatenate([np.linspace(4, 150, 9), np.linspace(362, 508, 9)])
    stated = ClipFacts(
        source=source,
        speaker="nobody",
        first_frame=0,
        dropped_samples=0,
        framing=Framing(left=0, top=0, side=512),
        detected=1.0,
        torso_moves=False,
    )
    return ClipTracks(
        facts=replace(stated, **facts),
        canonical_TN3=np.repeat(mesh_N3[None], frames, axis=0),
        head_T7=head_T7,
        torso_TN3=torso_TN3,
        speech_S=np.zeros(frames * SAMPLES_PER_FRAME, np.float32),
    )


def numbered_pictures(count: int, *, size: int = 512) -> Iterator[np.ndarray]:
    """Flat pictures whose red tells their number."""
    for index in range(count):
        yield np.full((size, size, 3), (40 + 5 * index, 90, 160), np.uint8)


def numbers_of(frames_THW3: np.ndarray) -> list[int]:
    return [round((float(frame[..., 0].mean()) - 40) / 5) for frame in frames_THW3]


def save_with_pictures(folder: Path, *, frames: int, pictures: int | None = None) -> ClipTracks:
    from stages.subject.frames import FRAMES_FILE, write_frames

    tracks = clip_tracks(frames)
    tracks.save(folder)
    write_frames(folder / FRAMES_FILE, numbered_pictures(frames if pictures is None else pictures))
    return tracks
