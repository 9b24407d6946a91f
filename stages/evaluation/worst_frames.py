"""The frames in which the lips are furthest from the truth, side by side. Legend: T frames, H/W pixels, 3 = RGB."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.evaluation.figures import Evaluation
from stages.payloads import FRAMES_PER_SECOND
from stages.video.decoding import read_frames

Frame = NDArray[np.uint8]

_COUNT: Final = 6
_APART_FRAMES: Final = FRAMES_PER_SECOND // 2
_TILE_HEIGHT: Final = 280
_CAPTION_HEIGHT: Final = 24
_COLUMNS: Final = 3


def worst_frames(lip_error_T: NDArray[np.floating]) -> list[int]:
    """Up to six frames in order of time, the worst first chosen, each half a second from the others."""
    chosen: list[int] = []
    for frame in np.argsort(-np.nan_to_num(lip_error_T, nan=-1.0), kind="stable"):
        if np.isnan(lip_error_T[frame]) or len(chosen) == _COUNT:
            break
        if all(abs(int(frame) - other) >= _APART_FRAMES for other in chosen):
            chosen.append(int(frame))
    return sorted(chosen)


def draw_worst_frames(evaluation: Evaluation, path: Path) -> None:
    """One PNG: each worst frame of the generated video, left, beside the truth's, with its time and lip error.

    Raises SubjectError when a video can no longer be read.
    """
    error_T = evaluation.traces.lip_error_T
    frames = worst_frames(error_T)
    videos = (evaluation.generated.file, evaluation.truth.file)
    left, right = (_pick(Path(video), frames) for video in videos)
    tiles = [
        _tile(
            left[frame], right[frame], f"{frame / FRAMES_PER_SECOND:.2f} s   lips off {error_T[frame]:.1f} px"
        )
        for frame in frames
    ]
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // _COLUMNS)
    columns = min(_COLUMNS, len(tiles))
    sheet_HW3 = np.full((rows * height, columns * width, 3), 255, dtype=np.uint8)
    for place, tile_HW3 in enumerate(tiles):
        row, column = divmod(place, _COLUMNS)
        sheet_HW3[row * height : (row + 1) * height, column * width : (column + 1) * width] = tile_HW3
    _, encoded = cv2.imencode(".png", cv2.cvtColor(sheet_HW3, cv2.COLOR_RGB2BGR))
    path.write_bytes(encoded.tobytes())


def _pick(video: Path, frames: list[int]) -> dict[int, Frame]:
    """Some frames of a video, read once, at the height of a tile."""
    wanted = set(frames)
    picked: dict[int, Frame] = {}
    for index, frame_HW3 in enumerate(read_frames(video)):
        if index in wanted:
            width = round(frame_HW3.shape[1] * _TILE_HEIGHT / frame_HW3.shape[0])
            picked[index] = np.asarray(
                cv2.resize(frame_HW3, (width, _TILE_HEIGHT), interpolation=cv2.INTER_AREA), dtype=np.uint8
            )
        if len(picked) == len(wanted):
            break
    return picked


def _tile(left_HW3: Frame, right_HW3: Frame, caption: str) -> Frame:
    pair_HW3 = np.concatenate([left_HW3, right_HW3], axis=1)
    strip_HW3 = np.full((_CAPTION_HEIGHT, pair_HW3.shape[1], 3), 255, dtype=np.uint8)
    cv2.putText(strip_HW3, caption, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (20, 20, 20), 1, cv2.LINE_AA)
    return np.concatenate([strip_HW3, pair_HW3])
