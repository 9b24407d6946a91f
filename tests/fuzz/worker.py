"""A process that runs cases from its standard input and answers on its standard output, one JSON document a line.

What would hang or crash it ends it, and the one who started it knows by which case.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import sys
from pathlib import Path

LONGEST_SECONDS = 180
MOST_BYTES = 4 << 30


def work(root: Path, recordings: Path) -> None:
    """Run cases until the input ends."""
    # Libraries write to the standard output as they please: answers have their own way out.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    from fuzz_case import FuzzCase
    from judging import Judge

    faulthandler.enable()
    judge = Judge(root, recordings=recordings)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        case = FuzzCase(**json.loads(line))
        # A thread of its own, which also ends a process that is stuck outside Python.
        faulthandler.dump_traceback_later(LONGEST_SECONDS, exit=True)
        outcome = judge.judge(case)
        faulthandler.cancel_dump_traceback_later()
        answers.write(json.dumps(outcome.as_record()) + "\n")
        answers.flush()


if __name__ == "__main__":
    work(Path(sys.argv[1]), Path(sys.argv[2]))
