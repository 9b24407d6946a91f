"""How well the offset of the sound is found: on sound shifted by known times, and on sound of someone else.

`python -m benchmarks.audio_offset --data DIR --cache DIR --out FILE CLIP...`

Clips are named below the data folder; use such as the judge was not fitted on (its weights name those). Three tables:
the error of a shift, which is what is found of the shifted sound less what is found of the sound as recorded and the
shift; how far the two halves of a clip differ; and how many clips held against others' speech pass for clear. A line
a clip goes to FILE.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from recipes.corpus import CorpusClip
from recipes.offset.data import Doubles, Floats, HeardClip, load_heard
from stages.builtin import builtin_weights
from stages.payloads import FRAMES_PER_SECOND, SAMPLES_PER_FRAME
from stages.subject.audio_offset import offset_of_lips
from stages.subject.lip_predictor import LipPredictor, load_lip_predictor
from stages.tables import markdown_table
from stages.threads import use_one_thread

SHIFTS: Final = (-3.3, -0.7, 0.4, 2.6)
_CLOSE: Final = 0.25
_STRANGERS: Final = 8
"""Others whose speech each clip is held against."""

_SHORT: Final = 3 * FRAMES_PER_SECOND
_HALVES_FROM: Final = 5 * FRAMES_PER_SECOND


def shifted(speech_S: Floats, frames: float) -> Floats:
    """Speech that comes later by a number of frames, or earlier, to the sample."""
    samples = round(abs(frames) * SAMPLES_PER_FRAME)
    return np.pad(speech_S, (samples, 0)) if frames > 0 else speech_S[samples:]


def part_of(clip: HeardClip, start: int, stop: int) -> HeardClip:
    """Some frames of a clip with their sound."""
    return replace(
        clip,
        seen_T3=clip.seen_T3[start:stop],
        speech_S=clip.speech_S[start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME],
    )


def shift_errors(network: LipPredictor, clips: Sequence[HeardClip], shift: float) -> Doubles:
    """Frames by which a shift is found wrongly, a number a clip."""
    return np.array(
        [
            offset_of_lips(network, clip.seen_T3, shifted(clip.speech_S, shift)).lag
            - offset_of_lips(network, clip.seen_T3, clip.speech_S).lag
            - shift
            for clip in clips
        ]
    )


def half_differences(network: LipPredictor, clips: Sequence[HeardClip]) -> Doubles:
    """Frames by which the offsets of the two halves of a clip differ, where both are clear."""
    differences = []
    for clip in clips:
        middle = len(clip.seen_T3) // 2
        halves = (part_of(clip, 0, middle), part_of(clip, middle, len(clip.seen_T3)))
        first, second = (offset_of_lips(network, half.seen_T3, half.speech_S) for half in halves)
        if len(clip.seen_T3) >= _HALVES_FROM and first.is_clear and second.is_clear:
            differences.append(first.lag - second.lag)
    return np.array(differences)


def clear_strangers(network: LipPredictor, clips: Sequence[HeardClip]) -> tuple[int, int]:
    """How many of the pairs of a clip and another's speech are clear, and how many pairs there are."""
    count = min(_STRANGERS, len(clips) - 1)
    pairs = [
        (clip, clips[(index + step) % len(clips)])
        for index, clip in enumerate(clips)
        for step in range(1, count + 1)
        if clip.performer != clips[(index + step) % len(clips)].performer
    ]
    clear = sum(offset_of_lips(network, clip.seen_T3, other.speech_S).is_clear for clip, other in pairs)
    return clear, len(pairs)


def _shift_table(network: LipPredictor, clips: Sequence[HeardClip], clear: Sequence[HeardClip]) -> str:
    rows = []
    for shift in SHIFTS:
        errors_N = np.abs(shift_errors(network, clips, shift))
        clear_N = np.abs(shift_errors(network, clear, shift))
        rows.append(
            [
                f"{shift:+.1f}",
                f"{int((errors_N <= _CLOSE).sum())} of {len(errors_N)}",
                f"{int((clear_N <= _CLOSE).sum())} of {len(clear_N)}",
                f"{np.median(errors_N):.3f}",
                f"{errors_N.max():.2f}",
            ]
        )
    head = ["shift, frames", "within 0.25", "of clear clips", "median error", "largest"]
    return markdown_table(head, rows)


def say(text: str) -> None:
    """Write lines to standard output."""
    sys.stdout.write(text + "\n")


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "clips", nargs="+", help="clips below the data folder; speakers are told apart by name"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the clips")
    parser.add_argument("--cache", type=Path, required=True, help="where tracked lips are kept")
    parser.add_argument("--out", type=Path, required=True, help="where a line a clip goes")
    parser.add_argument("--weights", type=Path, default=builtin_weights("lip_predictor"))
    options = parser.parse_args()
    use_one_thread()
    entries = [CorpusClip(path=path, speaker=Path(path).stem) for path in options.clips]
    clips = load_heard(entries, data=options.data, cache=options.cache)
    network = load_lip_predictor(options.weights)
    found = [offset_of_lips(network, clip.seen_T3, clip.speech_S) for clip in clips]
    options.out.write_text(
        "".join(
            f"{clip.entry.path}\t{offset.lag:.2f}\t{offset.correlation:.3f}\t{offset.margin:.3f}\t{offset.is_clear}\n"
            for clip, offset in zip(clips, found, strict=True)
        )
    )
    clear = [clip for clip, offset in zip(clips, found, strict=True) if offset.is_clear]
    say(_shift_table(network, clips, clear))
    halves_N = np.abs(half_differences(network, clips))
    if len(halves_N):
        say(
            f"halves of {len(halves_N)} clips differ by {np.median(halves_N):.2f} frames in the median,"
            f" {np.quantile(halves_N, 0.9):.2f} in nine of ten"
        )
    short = [part_of(clip, 0, _SHORT) for clip in clips]
    for name, chosen in (("whole clips", clips), ("three seconds", short)):
        known = sum(offset_of_lips(network, clip.seen_T3, clip.speech_S).is_clear for clip in chosen)
        wrong, pairs = clear_strangers(network, chosen)
        say(f"{name}: {known} of {len(chosen)} clear; held against others' speech {wrong} of {pairs}")


if __name__ == "__main__":
    main()
