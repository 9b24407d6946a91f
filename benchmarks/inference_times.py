"""The paper's Table 6 on this machine: `python -m benchmarks.inference_times [--seconds 5 10 30]`.

One speech, cut or repeated to each length, is rendered from an empty store, through the same engine as `farm render`.

Legend: S samples at 16 kHz.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final
from wave import open as open_wave

import numpy as np
from numpy.typing import NDArray

from farm.cli.wiring import Wiring
from farm.config import PoolSizes
from farm.render_report import Silent
from farm.rendering import render_job
from infra.settings import FarmSettings
from jobs.parse import parse_job
from stages.payloads import SAMPLE_RATE
from stages.speech.decode import read_speech
from stages.tables import markdown_table

PAPER_SECONDS: Final = {5: 12, 10: 25, 30: 62}
"""MODA's row of Table 6: seconds on one RTX 3090, by seconds of speech."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One render.

    Attributes:
        speech_seconds: Length of the speech.
        startup_seconds: Wall clock until the replicas were ready.
        render_seconds: Wall clock from then to the finished master.
    """

    speech_seconds: int
    startup_seconds: float
    render_seconds: float


def time_render(
    samples_S: NDArray[np.float32], *, seconds: int, subject: str, folder: Path, wiring: Wiring
) -> Timing:
    """Render `seconds` of a speech, repeated where it is shorter, in an empty folder.

    Raises:
        FarmError: See `farm.rendering.render_job`.
    """
    speech = folder / "speech.wav"
    write_wave(speech, np.resize(samples_S, seconds * SAMPLE_RATE))
    document = {
        "apiVersion": "farm/v1",
        "kind": "RenderJob",
        "metadata": {"name": "timing"},
        "spec": {"speech": str(speech), "subject": subject},
    }
    hardware = wiring.probe()
    settings = replace(FarmSettings.from_environment(), store=str(folder / "store"))
    report = render_job(
        parse_job(json.dumps(document), folder=folder, where="timing"),
        settings=settings,
        pools=PoolSizes(render=len(hardware.gpus) or hardware.cores),
        stages=wiring.stages,
        open_backend=partial(wiring.open_on, settings=settings, hardware=hardware, stages=wiring.stages),
        listener=Silent(),
        device_kind=hardware.device_kind,
    )
    return Timing(
        speech_seconds=seconds, startup_seconds=report.startup_seconds, render_seconds=report.wall_seconds
    )


def markdown(timings: Sequence[Timing]) -> str:
    """The table, with the paper's figures where it has them."""
    rows = [
        [
            f"{timing.speech_seconds} s",
            f"{timing.render_seconds:.1f}",
            f"{timing.render_seconds / timing.speech_seconds:.2f}",
            f"{timing.startup_seconds:.1f}",
            str(PAPER_SECONDS.get(timing.speech_seconds, "-")),
        ]
        for timing in timings
    ]
    return markdown_table(["speech", "ours, s", "s per s", "start-up, s", "paper, s"], rows)


def write_wave(path: Path, samples_S: NDArray[np.float32]) -> None:
    """Write mono samples at 16 kHz in [-1, 1] as 16-bit PCM."""
    with open_wave(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(samples_S, -1, 1) * 32767).astype("<i2").tobytes())


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speech", type=Path, default=Path("examples/hello.wav"))
    parser.add_argument("--subject", default="builtin:actor-a", help="as in a render job")
    parser.add_argument("--seconds", type=int, nargs="+", default=list(PAPER_SECONDS))
    options = parser.parse_args()
    samples_S = read_speech(options.speech).samples_S
    timings = []
    for seconds in options.seconds:
        with tempfile.TemporaryDirectory() as folder:
            timings.append(
                time_render(
                    samples_S,
                    seconds=seconds,
                    subject=options.subject,
                    folder=Path(folder),
                    wiring=Wiring(),
                )
            )
    sys.stdout.write(markdown(timings) + "\n")


if __name__ == "__main__":
    main()
