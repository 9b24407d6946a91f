"""What native libraries print past Python, kept from the terminal of whoever watches a progress bar."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STDERR = 2
_LOCK = threading.Lock()


@contextmanager
def native_chatter_hidden() -> Iterator[None]:
    """Send what goes to the process's standard error nowhere, for the length of a block.

    MediaPipe and TensorFlow Lite tell there, once per model, what they chose for the CPU; no setting stops them.
    Errors are exceptions and pass. Keep the block short: whatever else the process prints meanwhile is lost, too.
    """
    with _LOCK:
        try:
            kept = os.dup(_STDERR)
        except OSError:
            # The process has no standard error.
            yield
            return
        try:
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), _STDERR)
            yield
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)
