"""`rclone serve s3` over a folder: a real server that checks signatures, and overwrites whatever the condition says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ACCESS_KEY = "farm-tests"
SECRET_KEY = "not-a-secret-4f1c"

_LISTENS = re.compile(r"Starting s3 server on \[(http://127\.0\.0\.1:\d+)/")


def rclone_command() -> str | None:
    """The program, which the wheel puts beside the interpreter."""
    beside = Path(sys.executable).with_name("rclone")
    return str(beside) if beside.is_file() else shutil.which("rclone")


@contextmanager
def rclone_server(folder: Path) -> Iterator[str]:
    """Serve a folder, whose folders become buckets, on a free port; gives the server's address."""
    command = rclone_command()
    assert command is not None
    arguments = ["serve", "s3", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--addr", "127.0.0.1:0"]
    process = subprocess.Popen(
        [command, *arguments, "--config", "/dev/null", str(folder)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if listens := _LISTENS.search(line):
                break
        else:
            raise RuntimeError("rclone did not start: " + "".join(said))
        # It writes a line for every error, and would wait for a reader once the pipe is full.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield listens[1]
    finally:
        process.kill()  # it has nothing to finish
        process.wait(timeout=10)
