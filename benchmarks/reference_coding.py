"""Print how the references of a clip can be stored: `python -m benchmarks.reference_coding CLIP`.

For each coding: bytes of all references, PSNR, share of the face's sharpness that is kept, milliseconds of one core to
read one. The clip is a folder with tracks and pictures; a library that is missing there is made and left.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.metrics.pictures import laplacian_variance, psnr
from stages.subject.library_file import LIBRARY_FILE, read_library
from stages.subject.picture_stream import COLOUR, decode_pictures, encode_pictures
from stages.subject.template import Template
from stages.subject.tracks import ClipTracks
from stages.tables import markdown_table
from stages.training.split import HELD_OUT_SHARE
from stages.training.warped_config import WarpedTraining
from stages.training.warped_data import WarpedClip

Picture = NDArray[np.uint8]

_STILLS: Final[dict[str, tuple[str, list[int]]]] = {
    "PNG": (".png", []),
    "WebP 90": (".webp", [cv2.IMWRITE_WEBP_QUALITY, 90]),
    "JPEG 92, 4:4:4": (
        ".jpg",
        [
            cv2.IMWRITE_JPEG_QUALITY,
            92,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        ],
    ),
}
_QUANTISERS: Final = (8, 10, 14, 18)


def coding_row(
    name: str, pictures: Sequence[Picture], packets: Sequence[bytes], decode: Callable[[], Iterable[Picture]]
) -> list[str]:
    """One row of the table."""
    begun = time.thread_time()
    decoded = list(decode())
    spent = 1e3 * (time.thread_time() - begun) / len(pictures)
    near = np.mean([min(psnr(*pair), 99.0) for pair in zip(pictures, decoded, strict=True)])
    middle = slice(60, 400), slice(120, 400)
    kept = np.mean(
        [
            laplacian_variance(ours[middle]) / max(laplacian_variance(theirs[middle]), 1e-9)
            for ours, theirs in zip(decoded, pictures, strict=True)
        ]
    )
    size = sum(map(len, packets)) / 1e6
    return [name, f"{size:.2f}", f"{near:.1f}", f"{kept:.3f}", f"{spent:.1f}"]


def coding_table(pictures: Sequence[Picture]) -> list[list[str]]:
    """Rows for stills and streams."""
    rows = []
    for name, (suffix, options) in _STILLS.items():
        packets = [
            cv2.imencode(suffix, cv2.cvtColor(each, cv2.COLOR_RGB2BGR), options)[1].tobytes()
            for each in pictures
        ]
        rows.append(coding_row(name, pictures, packets, lambda packets=packets: map(_still, packets)))  # type: ignore[misc]
    for quantiser in _QUANTISERS:
        packets = list(encode_pictures(pictures, size=512, kind=COLOUR, quantiser=quantiser))
        rows.append(
            coding_row(
                f"H.264, {quantiser}",
                pictures,
                packets,
                lambda packets=packets: decode_pictures(packets, size=512, kind=COLOUR),  # type: ignore[misc]
            )
        )
    return rows


def _still(packet: bytes) -> Picture:
    decoded = cv2.imdecode(np.frombuffer(packet, dtype=np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path, help="folder of a prepared clip")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    clip = WarpedClip(options.clip, config=WarpedTraining())
    template = Template.from_clips([ClipTracks.load(options.clip)], share=1 - HELD_OUT_SHARE)
    path = options.clip / LIBRARY_FILE
    frames = read_library(path, template=template).frames_R.tolist()
    pictures = [np.array(clip.drawn.frames_THW3[frame]) for frame in frames]
    sys.stdout.write(f"{len(pictures)} references; the library is {path.stat().st_size / 1e6:.2f} MB\n\n")
    columns = ["coding", "MB", "PSNR dB", "sharpness kept", "ms a picture"]
    sys.stdout.write(markdown_table(columns, coding_table(pictures)) + "\n")


if __name__ == "__main__":
    main()
