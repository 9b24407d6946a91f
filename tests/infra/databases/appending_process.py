"""A process that writes to a journal and says what was acknowledged: ADDRESS NAME COUNT [BATCH].

It begins when it is told to, and takes the journal over whenever it is fenced, so that several of them fight for it.
"""

from __future__ import annotations

import json
import sys

from infra.journal import open_journal
from jobs.errors import JournalFenced


def main() -> None:
    address, name, count, batch = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    journal = open_journal(address)
    epoch = journal.begin_epoch(name)
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(count):
        bodies = [json.dumps({"by": name, "number": number, "part": part}) for part in range(batch)]
        try:
            last = journal.append(epoch, bodies)
        except JournalFenced:
            print(f"refused {name} {number}", flush=True)
            epoch = journal.begin_epoch(name)
        else:
            print(f"kept {name} {number} {epoch} {last}", flush=True)


if __name__ == "__main__":
    main()
