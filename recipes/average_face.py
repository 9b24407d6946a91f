"""Make the average face on which head poses are fitted: `python -m recipes.average_face OUT.npz CLIP...`.

Starts from MediaPipe's own rotations and refines by fitting every frame to the current average (generalised
Procrustes). The shipped file is an average over the speakers of the training clips, actors included.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import CANVAS, canonicalise, rigid_rotation
from stages.subject.face_framing import framing_of
from stages.subject.face_tracker import FaceTracker
from stages.subject.framing import Framing, framed_frames
from stages.subject.looks import look_over

_EVERY = 10
_ROUNDS = 4


def find_framing(clip: Path) -> Framing:
    """Look a clip over and frame its longest shot.

    Raises SubjectError when no face is found.
    """
    looks = look_over(clip)
    return framing_of(looks, looks.within(*looks.longest_shot), where=str(clip))


def average_face(clips: list[Path]) -> NDArray[np.float32]:
    """(478, 3) canonical mesh: the mean over clips of each clip's mean."""
    per_clip: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for clip in clips:
        meshes, rotations = [], []
        frames = framed_frames(clip, framing=find_framing(clip), first_frame=0, size=CANVAS)
        with FaceTracker() as tracker:
            for index, frame_HW3 in enumerate(frames):
                track = tracker.track(frame_HW3) if index % _EVERY == 0 else None
                if track is not None:
                    pitch_yaw_roll = _euler(track.upright_33)
                    meshes.append(track.mesh_N3.astype(np.float64))
                    rotations.append(pitch_yaw_roll)
        per_clip.append((np.stack(meshes), np.stack(rotations)))
    mean_N3 = _mean(per_clip)
    for _ in range(_ROUNDS):
        per_clip = [
            (m_TN3, np.stack([rigid_rotation(m_N3, mean_N3) for m_N3 in m_TN3])) for m_TN3, _ in per_clip
        ]
        mean_N3 = _mean(per_clip)
    return mean_N3.astype(np.float32)


def _mean(per_clip: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> NDArray[np.float64]:
    clips_CN3 = np.stack(
        [canonicalise(mesh_TN3, euler_T3)[0].mean(axis=0) for mesh_TN3, euler_T3 in per_clip]
    )
    mean_N3: NDArray[np.float64] = clips_CN3.mean(axis=0, dtype=np.float64)
    return mean_N3


def _euler(matrix_33: NDArray[np.float64]) -> NDArray[np.float64]:
    yaw = np.arctan2(-matrix_33[2, 0], np.hypot(matrix_33[0, 0], matrix_33[1, 0]))
    pitch = np.arctan2(matrix_33[2, 1], matrix_33[2, 2])
    roll = np.arctan2(matrix_33[1, 0], matrix_33[0, 0])
    degrees: NDArray[np.float64] = np.degrees([yaw, pitch, roll])
    return degrees


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="file to write, ending in .npz")
    parser.add_argument("clips", type=Path, nargs="+", help="clips of one speaker each")
    options = parser.parse_args()
    np.savez_compressed(options.out, mesh_N3=average_face(options.clips))


if __name__ == "__main__":
    main()
