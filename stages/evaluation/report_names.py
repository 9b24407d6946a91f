"""What the files of an evaluation's report are called; known without loading what judges."""

from __future__ import annotations

from typing import Final

RECORD: Final = "evaluation.json"
PAGE: Final = "evaluation.md"
TRACKS: Final = "tracks.png"
ERRORS: Final = "errors.png"
WORST: Final = "worst.png"


def folder_of_take(take: int, *, takes: int) -> str:
    """Where the pictures of a take lie, with a slash at its end; empty where there is only one take."""
    return f"take-{take}/" if takes > 1 else ""


def report_files(takes: int) -> tuple[str, ...]:
    """Names of all files of the report on so many takes."""
    folders = [folder_of_take(take, takes=takes) for take in range(1, takes + 1)]
    return (RECORD, PAGE, *(f"{folder}{name}" for folder in folders for name in (TRACKS, ERRORS, WORST)))
