"""The picture of the quality report: frames with what was tracked drawn over them, and the tracks over time.

Legend: T frames, N points, H/W pixels, 3 = RGB or (x, y, z).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.geometry.canonical import CANVAS, pose
from stages.geometry.landmarks import UPPER_LID_LOWER_LID
from stages.metrics.landmarks import mouth_opening
from stages.metrics.lip_sync import speech_envelope
from stages.payloads import FRAMES_PER_SECOND
from stages.render.condition import ConditionPainter
from stages.subject.framing import Frame
from stages.subject.tracks import ClipTracks

SHEET_FRAMES: Final = 12
_COLUMNS: Final = 6
_TILE: Final = 320
_WIDTH_INCHES: Final = 16.0
_PLOT_INCHES: Final = 1.5
_MESH_LEVEL: Final = 130
"""The painter draws the wire mesh in grey 128 and everything else brighter."""

_LINES: Final = ("#1f5fa8", "#c0392b", "#3a7d44")


def sheet_indices(frame_count: int) -> list[int]:
    """Frames shown on the contact sheet, evenly spaced."""
    count = min(SHEET_FRAMES, frame_count)
    return [int((index + 0.5) * frame_count / count) for index in range(count)]


def report_picture(
    tracks: ClipTracks, sheet: Sequence[tuple[int, Frame]], *, offset_by_lag: Sequence[float]
) -> bytes:
    """PNG of the contact sheet above plots of every track.

    Args:
        tracks: of the clip.
        sheet: frames (512, 512, 3) by their index in the tracks.
        offset_by_lag: agreement of sound and lips at lags from the lowest to the highest, symmetric about 0;
            empty where it was not measured.
    """
    pixels_HW3 = _contact_sheet(tracks, sheet)
    sheet_inches = _WIDTH_INCHES * pixels_HW3.shape[0] / pixels_HW3.shape[1]
    figure = Figure(figsize=(_WIDTH_INCHES, sheet_inches + 7 * _PLOT_INCHES), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    grid = figure.add_gridspec(8, 1, height_ratios=[sheet_inches, *7 * [_PLOT_INCHES]])
    top = figure.add_subplot(grid[0])
    top.imshow(pixels_HW3)
    top.set_axis_off()
    seconds_T = np.arange(tracks.frame_count) / FRAMES_PER_SECOND
    rows = [figure.add_subplot(grid[row]) for row in range(1, 8)]
    for axes, (title, unit, lines) in zip(rows, _plots(tracks), strict=False):
        _plot(axes, seconds_T, title, unit, lines)
        _shade_held_out(axes, tracks)
    _plot_offset(rows[-1], offset_by_lag)
    rows[-2].set_xlabel("s", loc="right")
    target = io.BytesIO()
    canvas.print_png(target)
    return target.getvalue()


def overlay(
    painter: ConditionPainter, frame_HW3: Frame, mesh_N3: NDArray[np.floating], torso_N3: NDArray[np.floating]
) -> Frame:
    """A frame with mesh, lips, eyes, irises and shoulders drawn over it; the wire mesh faintly."""
    drawn_HW3 = painter.paint(mesh_N3, torso_N3).astype(np.float32)
    brightest_HW1 = drawn_HW3.max(axis=2, keepdims=True)
    cover_HW1 = np.where(brightest_HW1 > _MESH_LEVEL, 0.9, 0.25) * (brightest_HW1 > 0)
    return np.asarray(frame_HW3 * (1 - cover_HW1) + drawn_HW3 * cover_HW1, dtype=np.uint8)


def _contact_sheet(tracks: ClipTracks, sheet: Sequence[tuple[int, Frame]]) -> Frame:
    painter = ConditionPainter(CANVAS)
    rows = -(-len(sheet) // _COLUMNS)
    sheet_HW3 = np.full((rows * _TILE, _COLUMNS * _TILE, 3), 255, dtype=np.uint8)
    for place, (index, frame_HW3) in enumerate(sheet):
        mesh_N3 = pose(tracks.canonical_TN3[index : index + 1], tracks.head_T7[index : index + 1])[0]
        tile_HW3 = cv2.resize(
            overlay(painter, frame_HW3, mesh_N3, tracks.torso_TN3[index]),
            (_TILE, _TILE),
            interpolation=cv2.INTER_AREA,
        )
        cv2.putText(
            tile_HW3,
            f"{index / FRAMES_PER_SECOND:.2f} s",
            (8, 20),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.5,
            (255, 255, 255),
            1,
            cv2.LINE_AA,
        )
        row, column = divmod(place, _COLUMNS)
        sheet_HW3[row * _TILE : (row + 1) * _TILE, column * _TILE : (column + 1) * _TILE] = tile_HW3
    return sheet_HW3


def _plots(tracks: ClipTracks) -> list[tuple[str, str, dict[str, NDArray[np.floating]]]]:
    canonical_TN3, head_T7 = tracks.canonical_TN3, tracks.head_T7
    lids_T2 = np.linalg.norm(
        canonical_TN3[:, UPPER_LID_LOWER_LID[:, 0], :2] - canonical_TN3[:, UPPER_LID_LOWER_LID[:, 1], :2],
        axis=-1,
    )
    centre_T2 = head_T7[:, 3:5] - np.median(head_T7[:, 3:5], axis=0)
    heights_T18 = tracks.torso_TN3[..., 1]
    return [
        ("inner-lip opening", "px", {"opening": mouth_opening(canonical_TN3)}),
        ("speech, 2 to 4 kHz", "", {"envelope": speech_envelope(tracks.speech_S, tracks.frame_count)}),
        ("lid opening", "px", {"left": lids_T2[:, 0], "right": lids_T2[:, 1]}),
        ("head", "degrees", {"yaw": head_T7[:, 0], "pitch": head_T7[:, 1], "roll": head_T7[:, 2]}),
        ("head from its middle", "px", {"x": centre_T2[:, 0], "y": centre_T2[:, 1]}),
        (
            "shoulder height",
            "px",
            {
                "left of the picture": heights_T18[:, :9].mean(axis=1),
                "right": heights_T18[:, 9:].mean(axis=1),
            },
        ),
    ]


def _plot(
    axes: Axes,
    seconds_T: NDArray[np.floating],
    title: str,
    unit: str,
    lines: dict[str, NDArray[np.floating]],
) -> None:
    for colour, (name, values_T) in zip(_LINES, lines.items(), strict=False):
        axes.plot(seconds_T, values_T, color=colour, linewidth=0.9, label=name)
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_ylabel(unit, fontsize=9)
    axes.margins(x=0)
    axes.grid(alpha=0.25)
    axes.tick_params(labelsize=8)
    if len(lines) > 1:
        axes.legend(loc="upper right", fontsize=8, ncols=len(lines), frameon=False)


def _shade_held_out(axes: Axes, tracks: ClipTracks) -> None:
    trained = tracks.facts.trained_frames
    if trained is not None:
        axes.axvspan(
            trained / FRAMES_PER_SECOND, tracks.frame_count / FRAMES_PER_SECOND, color="#888", alpha=0.12
        )


def _plot_offset(axes: Axes, by_lag: Sequence[float]) -> None:
    axes.set_title("agreement of sound and lips, by frames the sound lags", loc="left", fontsize=10)
    axes.tick_params(labelsize=8)
    if not by_lag:
        axes.text(0.5, 0.5, "not measured", ha="center", transform=axes.transAxes)
        return
    reach = len(by_lag) // 2
    axes.bar(np.arange(-reach, reach + 1), by_lag, color=_LINES[0], width=0.7)
    axes.set_xticks(np.arange(-reach, reach + 1))
    axes.grid(axis="y", alpha=0.25)
