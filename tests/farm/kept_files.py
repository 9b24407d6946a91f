"""What a command left of a folder: every file by its hash, and what its refusal said."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm.cli import main
from farm.cli.wiring import Wiring
from jobs.identity import sha256_of_file

FARM_S_OWN = ("cache", "stages", "notes")
"""Folders of a test that are no studio's."""


def hashes(folder: Path) -> dict[str, str]:
    """Every file and link below a folder, and every folder, by its path."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name.split("/")[0] in FARM_S_OWN:
            continue
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = "a folder" if path.is_dir() else sha256_of_file(path)
    return found


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    exit_code: int
    record: dict[str, Any]

    @property
    def error(self) -> dict[str, Any]:
        return self.record.get("error") or {}

    @property
    def code(self) -> str:
        return str(self.error.get("code", ""))

    @property
    def text(self) -> str:
        return f"{self.error.get('where', '')}: {self.error.get('message', '')}"


def run(*arguments: str | Path, wiring: Wiring, read: Callable[[], Any]) -> Said:
    """A command with --json; `read` gives what was printed, as `capsys.readouterr` does."""
    read()
    exit_code = main([*(str(each) for each in arguments), "--json"], wiring=wiring)
    record = json.loads(read().out)
    return Said(exit_code, record)
