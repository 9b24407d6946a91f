"""Looking for a file whose name somebody else chose."""

from __future__ import annotations

import stat
from pathlib import Path


def is_plain_file(path: Path) -> bool:
    """Whether an ordinary file lies there; False, too, where the name is one that no file can have."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False
