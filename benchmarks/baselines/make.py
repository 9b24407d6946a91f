"""Videos for Table 1 of the end of a clip that no training saw.

`python -m benchmarks.baselines.make --subject builtin:actor-a --clip DIR --other DIR --out DIR
[--speech-of DIR] [--moda FILE] [--only NAME ...]`

Writes DIR/BASELINE/NAME.mp4 with sound: the folders that an EvaluateJob takes. With `--speech-of` the subject says the
end of another speaker's clip, and moves as he did. For digital actors alone: every file says that nobody was filmed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import wave
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.drawing import Baseline, BaselineStudio
from benchmarks.baselines.spoken_end import SpokenEnd
from stages.builtin import builtin_subject, builtin_weights
from stages.encode.profile import FULL, PREVIEW, VideoProfile
from stages.encode.segment import encode_segment
from stages.encode.stitch import stitch
from stages.payloads import FRAMES_PER_SECOND, SAMPLE_RATE
from stages.subject.package import SubjectPackage

_FPS = Fraction(FRAMES_PER_SECOND)


def write_baseline(
    path: Path, frames: Iterable[NDArray[np.uint8]], *, speech_S: NDArray[np.float32], title: str
) -> None:
    """Encode frames (size, size, 3) and speech (16 kHz) as every master is.

    Raises:
        EncodeError: see `stages.encode.stitch.stitch`.
    """
    with tempfile.TemporaryDirectory() as folder:
        speech = Path(folder) / "speech.wav"
        _write_wave(speech, speech_S)
        stitch(_segments(iter(frames)), speech_path=speech, output=path, fps=_FPS, metadata={"title": title})


def _segments(frames: Iterator[NDArray[np.uint8]]) -> Iterator[bytes]:
    while group := list(islice(frames, PREVIEW.gop)):
        yield encode_segment(group, fps=_FPS, profile=_profile_of(group[0].shape[0]))


def _profile_of(size: int) -> VideoProfile:
    for profile in (FULL, PREVIEW):
        if profile.size == size:
            return profile
    raise ValueError(f"no profile has pictures of {size} px")


def _write_wave(path: Path, speech_S: NDArray[np.float32]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(speech_S, -1, 1) * 32767).astype("<i2").tobytes())


def _subject_folder(subject: str) -> Path:
    prefix, _, name = subject.partition(":")
    return builtin_subject(name) if prefix == "builtin" else Path(subject)


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subject", required=True, help="builtin:NAME, or the folder of a package")
    parser.add_argument("--clip", type=Path, required=True, help="the subject's prepared clip")
    parser.add_argument("--other", type=Path, required=True, help="a prepared clip of other words")
    parser.add_argument("--speech-of", type=Path, help="whose words are said; default: --clip")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", type=Baseline, nargs="+", default=list(Baseline), help="default: all")
    parser.add_argument("--moda", type=Path, default=builtin_weights("moda"), help="default: what ships")
    options = parser.parse_args()
    subject = SubjectPackage.load(_subject_folder(options.subject))
    own, other = SpokenEnd.of(options.clip), SpokenEnd.of(options.other)
    spoken, name = own, options.clip.name
    if options.speech_of is not None:
        spoken, name = SpokenEnd.of(options.speech_of), f"{name}-says-{options.speech_of.name}"
    studio = BaselineStudio(subject, own=own, moda=options.moda)
    for baseline in options.only:
        path = options.out / baseline / f"{name}.mp4"
        frames = studio.draw(baseline, spoken, other=other)
        write_baseline(
            path, frames, speech_S=spoken.tracks.speech_S, title=f"{name}, {baseline.replace('-', ' ')}"
        )
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
