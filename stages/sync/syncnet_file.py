"""Where SyncNet's weights lie; apart from their loading, so that who only names them needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from stages.errors import WeightsError

NAMES: Final = ("syncnet_v2.safetensors", "syncnet_v2.model")


def syncnet_file(path: Path) -> Path:
    """The file itself, or the weights in a folder.

    Raises:
        WeightsError: ``weights_not_found``.
    """
    candidates = [path / name for name in NAMES] if path.is_dir() else [path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise WeightsError(
        code="weights_not_found",
        where=str(path),
        what="no SyncNet weights here",
        hint=f"put {' or '.join(NAMES)} into the folder",
    )
