"""Measure tracks against their clips: lag, amplitude and noise of each way of tracking, and the shift that is left.

`python -m benchmarks.tracks.measure --clips FILE... --out LINES.jsonl [--frames N] [--truth FOLDER]`

A line for each clip goes into the file; clips that have one are not measured again. With `--truth` a clip NAME.mp4
whose motion lies there as NAME_motion.npz is held against that, others against the raw tracker of single frames. The
table has the filtering tracker : single frames smoothed without lag : these refined.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from benchmarks.tracks.recording import Recording
from benchmarks.tracks.signals import ActorTruth, amplitude, jitter, lag, signals_of
from stages.errors import SubjectError
from stages.geometry.canonical import CANVAS
from stages.geometry.landmarks import REST
from stages.payloads import SAMPLES_PER_FRAME
from stages.subject.face_smoothing import smooth_face, smooth_head
from stages.subject.framing import Framing
from stages.subject.pose_refinement import HeadFitter
from stages.subject.prepare import canonicalised
from stages.subject.reference import reference_frame
from stages.subject.refinement import control_mesh, refine_tracks
from stages.subject.tracks import ClipFacts, ClipTracks
from stages.subject.warp_residual import RefinementAccount, grey
from stages.tables import markdown_table

Floats = NDArray[np.float32]
Line = dict[str, Any]

_EVERY: Final = 5
"""The shift is measured on every fifth frame."""

_TRAINED_SHARE: Final = 0.85
_SIGNALS: Final = ("opening", "lids", "pitch")


def measure(clip: Path, *, most_frames: int, truth: Path | None) -> Line:
    """All figures of one clip. Raises SubjectError where there is no face in it."""
    with tempfile.TemporaryDirectory() as folder:
        recording = Recording.of(clip, most_frames=most_frames, pictures=Path(folder) / "pictures.npy")
        return {"clip": clip.stem, **_figures(recording, truth=truth)}


def _figures(recording: Recording, *, truth: Path | None) -> Line:
    count = len(recording.frames_THW3)
    raw_TN3, raw_T7 = canonicalised(recording.single_TN3)
    filtered_TN3, filtered_T7 = canonicalised(recording.filtered_TN3)
    single = _tracks(recording, smooth_face(raw_TN3), smooth_head(raw_T7))
    reference = reference_frame(single, recording.frames_THW3, stop=max(1, int(_TRAINED_SHARE * count)))
    reference_HW3 = np.array(recording.frames_THW3[reference])
    begun = time.process_time()
    refined = refine_tracks(single, recording.frames_THW3, reference=reference, reference_HW3=reference_HW3)
    refined_ms = 1e3 * (time.process_time() - begun) / count
    # The filtering tracker as it is used today: its head is not smoothed.
    ways = {
        "filtered": _tracks(recording, _smooth_rest(filtered_TN3), filtered_T7),
        "single": single,
        "refined": refined.tracks,
    }
    return {
        "frames": count,
        "ms": {"filtered": recording.filtered_ms, "single": recording.single_ms, "refined": refined_ms},
        "shift_px": {name: _shifts(recording, tracks, reference) for name, tracks in ways.items()},
        "head": _told(refined.head),
        "torso": _told(refined.torso),
        **_comparisons(ways, raw=signals_of(raw_TN3, raw_T7), truth=truth),
    }


def _comparisons(
    ways: dict[str, ClipTracks], *, raw: dict[str, NDArray[np.float64]], truth: Path | None
) -> Line:
    """Lag, amplitude and noise; with a truth also errors of rotation and place.

    Amplitudes are shares of the raw tracker's, but where the truth is in the same unit: then of the truth's.
    """
    known = None if truth is None else ActorTruth.load(truth, count=len(raw["pitch"]))
    line: Line = {"against": "truth" if known else "single frames", "lag": {}, "amplitude": {}, "jitter": {}}
    same_unit = _SIGNALS if known is None else ("pitch",)
    for way, tracks in ways.items():
        signals = signals_of(tracks.canonical_TN3, tracks.head_T7)
        true = raw if known is None else {**known.signals, "pitch": known.angles(tracks.head_T7)[:, 1]}
        line["lag"][way] = {name: lag(signals[name], true[name]) for name in _SIGNALS}
        line["amplitude"][way] = {
            name: amplitude(signals[name], true[name])
            / (1.0 if name in same_unit else amplitude(raw[name], true[name]))
            for name in _SIGNALS
        }
        line["jitter"][way] = {name: jitter(signals[name]) for name in _SIGNALS}
        if known is not None:
            line.setdefault("rotation_error", {})[way] = known.rotation_error(tracks.head_T7).tolist()
            line.setdefault("place_error", {})[way] = known.place_error(tracks.head_T7).tolist()
    return line


def _shifts(recording: Recording, tracks: ClipTracks, reference: int) -> float:
    """Median over every fifth frame of how far the warped reference lies beside it, px."""
    fitter = HeadFitter(
        control=control_mesh(tracks),
        canonical_N3=tracks.canonical_TN3[reference],
        head_7=tracks.head_T7[reference],
        torso_18x3=tracks.torso_TN3[reference],
        reference_HW3=np.array(recording.frames_THW3[reference]),
    )
    shifts = [
        fitter.shift(
            grey(recording.frames_THW3[index]),
            canonical_N3=tracks.canonical_TN3[index],
            head_7=tracks.head_T7[index],
        )
        for index in range(0, tracks.frame_count, _EVERY)
    ]
    return float(np.median([shift for shift in shifts if shift is not None]))


def _smooth_rest(mesh_TN3: Floats) -> Floats:
    """As tracks were smoothed that came from a tracker which filters: lips and eyes not at all."""
    smooth_TN3 = mesh_TN3.copy()
    smooth_TN3[:, REST] = gaussian_filter1d(mesh_TN3[:, REST], 1.7, axis=0, mode="nearest")
    return smooth_TN3


def _tracks(recording: Recording, canonical_TN3: Floats, head_T7: Floats) -> ClipTracks:
    facts = ClipFacts(
        source="",
        speaker="",
        first_frame=0,
        dropped_samples=0,
        framing=Framing(left=0, top=0, side=CANVAS),
        detected=1.0,
        torso_moves=True,
    )
    return ClipTracks(
        facts=facts,
        canonical_TN3=canonical_TN3,
        head_T7=head_T7,
        torso_TN3=recording.torso_TN3,
        speech_S=np.zeros(len(head_T7) * SAMPLES_PER_FRAME, dtype=np.float32),
    )


def _told(account: RefinementAccount) -> Line:
    return {
        "refined": account.refined,
        "dropped": account.dropped,
        "before_px": account.shift_before_px,
        "after_px": account.shift_after_px,
    }


def _table(lines: list[Line]) -> str:
    columns = ["clip", "frames", "shift px", "kept", "torso px"]
    columns += [f"{figure} {name}" for name in _SIGNALS for figure in ("lag", "amplitude", "jitter")]
    columns += ["rotation deg", "place px", "ms a frame"]
    return markdown_table(columns, [_row(line) for line in lines])


def _row(line: Line) -> list[str]:
    ways = list(line["shift_px"])
    shifts, torso = line["shift_px"], line["torso"]
    cells = [line["clip"], str(line["frames"]), _joined([shifts[way] for way in ways])]
    cells.append(f"{line['head']['refined'] / line['frames']:.0%}")
    cells.append(_joined([torso["before_px"], torso["after_px"]]))
    for name in _SIGNALS:
        cells += [
            _joined([line[figure][way][name] for way in ways]) for figure in ("lag", "amplitude", "jitter")
        ]
    for figure in ("rotation_error", "place_error"):
        errors = line.get(figure)
        cells.append(_joined([float(np.linalg.norm(errors[way])) for way in ways]) if errors else "")
    return [*cells, _joined(list(line["ms"].values()))]


def _joined(values: list[float | None]) -> str:
    return " : ".join("-" if value is None else f"{value:.2f}" for value in values)


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="recordings of one face each")
    parser.add_argument("--out", type=Path, required=True, help="file of figures, a line for each clip")
    parser.add_argument("--frames", type=int, default=500, help="of each clip, at most")
    parser.add_argument("--truth", type=Path, help="folder of the true motion of digital actors")
    options = parser.parse_args()
    done = options.out.read_text().splitlines() if options.out.exists() else []
    lines: list[Line] = [json.loads(line) for line in done]
    with options.out.open("a") as file:
        for clip in options.clips:
            if any(line["clip"] == clip.stem for line in lines):
                continue
            motion = options.truth / f"{clip.stem}_motion.npz" if options.truth else None
            truth = motion if motion is not None and motion.exists() else None
            try:
                line = measure(clip, most_frames=options.frames, truth=truth)
            except SubjectError as error:
                sys.stderr.write(f"{clip}: {error}\n")
                continue
            lines.append(line)
            file.write(json.dumps(line) + "\n")
            file.flush()
    sys.stdout.write(_table(lines) + "\n")


if __name__ == "__main__":
    main()
