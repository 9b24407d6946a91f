"""Workers that share the cases of a run; one that dies is replaced, and its death is an outcome."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import count
from pathlib import Path

from fuzz_case import FuzzCase, Outcome

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

DIED = "died"
MOST_DEATHS = 5
"""After that many it is no case that kills them."""


def run_cases(cases: Sequence[FuzzCase], *, folder: Path, workers: int) -> list[Outcome]:
    """The outcome of every case.

    Args:
        cases: To be run.
        folder: Empty; recordings and the workers' folders are made in it.
        workers: Processes at once.
    """
    from recordings import make_recordings

    recordings = folder / "recordings"
    make_recordings(recordings)
    numbers = count()
    shares = [cases[index::workers] for index in range(workers)]

    def run_share(share: Sequence[FuzzCase]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        while len(outcomes) < len(share):
            root = folder / f"worker-{next(numbers)}"
            outcomes += _outcomes(share[len(outcomes) :], root=root, recordings=recordings)
            if sum(outcome.code == DIED for outcome in outcomes) > MOST_DEATHS:
                raise RuntimeError(f"workers keep dying; the last one said: {outcomes[-1].problem}")
        return outcomes

    with ThreadPoolExecutor(workers) as pool:
        return [outcome for outcomes in pool.map(run_share, shares) for outcome in outcomes]


def _outcomes(cases: Sequence[FuzzCase], *, root: Path, recordings: Path) -> Iterator[Outcome]:
    """The outcomes of one process; the last of them is its death where it does not live to the end."""
    root.mkdir()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), str(root), str(recordings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            env=_environment(root),
        )
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            for case in cases:
                try:
                    process.stdin.write(json.dumps(asdict(case)) + "\n")
                    process.stdin.flush()
                    answer = process.stdout.readline()
                except BrokenPipeError:
                    answer = ""
                if not answer:
                    break
                yield Outcome.from_record(json.loads(answer))
            else:
                process.stdin.close()
                return
            status = process.wait()
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - 4_000))
        last_words = errors.read().decode(errors="replace")
        yield Outcome(case=case, code=DIED, problem=f"the process ended with status {status}: {last_words}")


def _environment(root: Path) -> dict[str, str]:
    """Everything a case could write by its surroundings lies below the worker's folder, and no network answers."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, HERE, HERE.parent / "stages"))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(root / "home"),
        "TMPDIR": str(root / "temporary"),
        "FARM_CACHE": str(root / "case" / "own" / "cache"),
        "MPLCONFIGDIR": str(root / "home"),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
