"""How long `farm --help` takes, a process each time: `python -m benchmarks.help_time`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from statistics import median


def measure(*, runs: int) -> list[float]:
    """Seconds of each run, from the start of the process to its end.

    Raises:
        CalledProcessError: The command fails.
    """
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "farm", "--help"], check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    return seconds


def main() -> None:
    """Print the median and the extremes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="processes (default: 5)")
    seconds = measure(runs=parser.parse_args().runs)
    sys.stdout.write(
        f"farm --help: median {median(seconds):.2f} s of {len(seconds)} runs, "
        f"{min(seconds):.2f} to {max(seconds):.2f} s\n"
    )


if __name__ == "__main__":
    main()
