"""What reading media costs, of two checkouts side by side.

    python -m benchmarks.media_reading --before CHECKOUT [--clip CLIP] [--speech FILE] [--rounds 3]

`farm plan` of a speech (an hour of made-up sound where none is given) and `farm subject prepare` of a clip are run in
turn by the code of either checkout, with the same libraries. Processor time counts, which other work on the machine
hardly changes, and of every round the least.

Legend: S samples.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from stages.tables import markdown_table
from stages.video.decoding import read_facts

ROOT: Final = Path(__file__).resolve().parents[1]
_RATE: Final = 48_000
_HOUR: Final = 3_600


def write_hour(path: Path, *, seconds: int = _HOUR) -> Path:
    """Write made-up sound, a second at a time: tones that come and go as syllables do."""
    time_S = np.arange(_RATE) / _RATE
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        for second in range(seconds):
            pitch = 110 + 7 * (second % 13)
            sound_S = np.sin(2 * np.pi * pitch * time_S) * np.abs(np.sin(2 * np.pi * 2.5 * time_S))
            file.writeframes((8_000 * sound_S).astype("<i2").tobytes())
    return path


def processor_seconds(checkout: Path, arguments: Sequence[str], *, folder: Path) -> float:
    """Run a command of the farm with the code of a checkout, and return what it took of the processor.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    settings = {
        "PYTHONPATH": checkout,
        "FARM_CACHE": folder / "cache",
        "FARM_STORE": folder / "store",
    }
    environment = [f"{name}={value}" for name, value in settings.items()]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        ["env", *environment, sys.executable, "-m", "farm", *arguments, "--json"],
        cwd=checkout,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def plan_seconds(checkout: Path, *, speech: Path, folder: Path) -> float:
    """What a plan takes."""
    spec = folder / "job.json"
    job = {
        "apiVersion": "farm/v1",
        "kind": "RenderJob",
        "metadata": {"name": "hour"},
        "spec": {
            "speech": str(speech),
            "subject": "builtin:actor-a",
            "output": {"uri": str(folder / "out.mp4")},
        },
    }
    spec.write_text(json.dumps(job), encoding="utf-8")
    return processor_seconds(checkout, ["plan", str(spec)], folder=folder)


def prepare_seconds(checkout: Path, *, clip: Path, folder: Path) -> float:
    """What preparing a clip takes, for each second of it."""
    consent = folder / "consent.txt"
    consent.write_text("for a benchmark", encoding="utf-8")
    out = tempfile.mkdtemp(dir=folder)
    options = ["--name", "benchmark", "--consent", str(consent), "--out", str(Path(out) / "subject")]
    taken = processor_seconds(checkout, ["subject", "prepare", str(clip), *options], folder=folder)
    return taken / float(read_facts(clip).duration)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both times before and after, and their ratio."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.media_reading", description=__doc__)
    parser.add_argument("--before", type=Path, required=True, help="another checkout")
    parser.add_argument("--clip", type=Path, help="a clip to prepare; none: plans alone are timed")
    parser.add_argument("--speech", type=Path, help="a recording to plan; none: an hour of made-up sound")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        speech = (given.speech or write_hour(folder / "hour.wav")).absolute()
        tasks: dict[str, Callable[[Path], float]] = {
            f"plan of {speech.name}, s": lambda checkout: plan_seconds(checkout, speech=speech, folder=folder)
        }
        if given.clip is not None:
            clip = given.clip.absolute()
            tasks["prepare, s per s of clip"] = lambda checkout: prepare_seconds(
                checkout, clip=clip, folder=folder
            )
        rows = []
        for task, seconds_of in tasks.items():
            rounds = [(seconds_of(given.before.absolute()), seconds_of(ROOT)) for _ in range(given.rounds)]
            before, after = (min(times) for times in zip(*rounds, strict=True))
            rows.append([task, f"{before:.2f}", f"{after:.2f}", f"{before / after:.3f}"])
    sys.stdout.write(markdown_table(["processor time", "before", "after", "before : after"], rows) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
