"""Run one case, or a few, of the fuzz again: ``python tests/fuzz/reproduce.py KIND NUMBER --seed SEED``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "stages"), str(Path(__file__).parents[2])]

from fuzz_case import FuzzCase  # noqa: E402 - after the folders above
from report_table import outcome_table, problems  # noqa: E402
from worker_processes import run_cases  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind")
    parser.add_argument("number", type=int)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--more", type=int, default=1, help="how many cases, from NUMBER on")
    given = parser.parse_args()
    numbers = range(given.number, given.number + given.more)
    cases = [FuzzCase(kind=given.kind, number=number, seed=given.seed) for number in numbers]
    with tempfile.TemporaryDirectory() as folder:
        outcomes = run_cases(cases, folder=Path(folder), workers=1)
    print(outcome_table(outcomes))
    wrong = problems(outcomes, shown=100)
    print(wrong)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
