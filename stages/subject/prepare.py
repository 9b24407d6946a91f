"""From a clip to tracks: points, head pose, canonical meshes, shoulders and aligned speech (MODA section 8).

Legend: T frames, N points, S samples, 3 = (x, y, z).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.errors import SubjectError
from stages.geometry.canonical import CANVAS, canonicalise, rigid_rotation
from stages.payloads import SAMPLES_PER_FRAME
from stages.speech.decode import read_speech
from stages.subject.face_framing import find_framing
from stages.subject.face_tracker import FaceTracker, FrameTrack, PersonSegmenter
from stages.subject.framing import Frame, framed_frames
from stages.subject.torso import is_moving, shoulder_columns, shoulder_heights, torso_track
from stages.subject.tracks import ClipFacts, ClipTracks, smooth_rest

Progress = Callable[[int], None]

MINIMUM_DETECTED = 0.9


def canonical_mesh() -> NDArray[np.float64]:
    """The average face (478, 3) in canonical space on which rigid poses are fitted."""
    with np.load(str(files("stages.geometry") / "data" / "canonical_mesh.npz")) as stored:
        mesh_N3: NDArray[np.float64] = stored["mesh_N3"].astype(np.float64)
    return mesh_N3


def prepare_clip(
    clip: Path, *, speaker: str, audio_lag: int = 0, progress: Progress | None = None
) -> ClipTracks:
    """Track a clip and bring it into canonical space.

    Args:
        clip: a video of one speaker with sound.
        speaker: who speaks.
        audio_lag: how many frames the sound lags the lips (negative: leads); undone here.
        progress: called with the number of frames seen so far.

    Raises:
        SubjectError: no face, or too few frames with one.
        SpeechError: no usable sound.
    """
    first_frame, dropped_samples = max(0, -audio_lag), max(0, audio_lag) * SAMPLES_PER_FRAME
    framing = find_framing(clip)
    speech_S = read_speech(clip).samples_S[dropped_samples:]
    frames = framed_frames(clip, framing=framing, first_frame=first_frame, size=CANVAS)
    mesh_TN3, heights_T18, columns_18, detected = _track(frames, progress)
    if detected < MINIMUM_DETECTED:
        raise SubjectError(
            code="subject.face-lost",
            where=str(clip),
            what=f"a face was found in only {detected:.0%} of the frames",
            hint="use a clip in which one face stays in view",
        )
    count = min(len(mesh_TN3), len(speech_S) // SAMPLES_PER_FRAME)
    reference_N3 = canonical_mesh()
    rotations_T3 = np.stack([rigid_rotation(mesh_N3, reference_N3) for mesh_N3 in mesh_TN3])
    canonical_TN3, head_T7 = canonicalise(mesh_TN3, rotations_T3)
    torso_TN3 = torso_track(heights_T18, columns_18, mesh_TN3)
    facts = ClipFacts(
        source=str(clip),
        speaker=speaker,
        first_frame=first_frame,
        dropped_samples=dropped_samples,
        framing=framing,
        detected=detected,
        torso_moves=is_moving(torso_TN3[:count]),
    )
    return ClipTracks(
        facts=facts,
        canonical_TN3=smooth_rest(canonical_TN3)[:count],
        head_T7=head_T7[:count],
        torso_TN3=torso_TN3[:count],
        speech_S=speech_S[: count * SAMPLES_PER_FRAME],
    )


def _track(
    frames: Iterator[Frame], progress: Progress | None
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], float]:
    """Meshes (T, 478, 3), shoulder heights (T, 18), their columns (18,) and the share of frames with a face."""
    tracks: list[FrameTrack | None] = []
    masks: list[NDArray[np.uint8]] = []
    with FaceTracker() as tracker, PersonSegmenter() as segmenter:
        for frame_HW3 in frames:
            tracks.append(tracker.track(frame_HW3))
            # The columns are known only after the last frame; a quarter of the mask keeps memory small.
            masks.append(_quarter(segmenter.mask(frame_HW3)))
            if progress is not None:
                progress(len(tracks))
    found = [track for track in tracks if track is not None]
    if not found:
        raise SubjectError(
            code="subject.no-face",
            where="clip",
            what="no face was found",
            hint="check that the clip shows a face",
        )
    mesh_TN3 = np.stack([track.mesh_N3 for track in _hold(tracks, found[0])])
    columns_18 = shoulder_columns(mesh_TN3)
    heights_T18 = np.stack(
        [shoulder_heights(mask_HW.astype(np.float32) / 255, columns_18) for mask_HW in masks]
    )
    return mesh_TN3, heights_T18, columns_18, len(found) / len(tracks)


def _hold(tracks: list[FrameTrack | None], first: FrameTrack) -> Iterator[FrameTrack]:
    last = first
    for track in tracks:
        last = track or last
        yield last


def _quarter(mask_HW: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Means of 2 x 2 pixels: half the side, the same edges."""
    height, width = mask_HW.shape
    blocks = mask_HW[: height // 2 * 2, : width // 2 * 2].reshape(height // 2, 2, width // 2, 2)
    return np.round(blocks.mean(axis=(1, 3)) * 255).astype(np.uint8)
