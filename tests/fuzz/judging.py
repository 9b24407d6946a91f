"""Running one case in this process and judging how it ended."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import tempfile
import time
import traceback
from pathlib import Path

import av
from all_kinds import KINDS
from fuzz_case import Bench, FuzzCase, Outcome, Room
from watch import inventory

from farm.translation import translate
from jobs.errors import FarmError
from stages.errors import StageError

LONGEST_SECONDS = 10.0
MOST_MEGABYTES = 1_500.0
_LIBRARIES_OWN = ("home", "temporary")
"""Folders in which libraries may write besides."""


class Judge:
    """Runs cases below one folder, in which nothing but the case's own folder may change."""

    def __init__(self, root: Path, *, recordings: Path) -> None:
        self._root, self._recordings = root, recordings
        self._outside = root / "outside" / "secret.wav"
        self._outside.parent.mkdir(parents=True)
        shutil.copy(recordings / "speech" / "a.wav", self._outside)
        for name in (*_LIBRARIES_OWN, "here"):
            (root / name).mkdir()
        os.chdir(root / "here")
        # Python tries the folder out by a file when it is first asked for.
        tempfile.gettempdir()
        self._bench = Bench()

    def judge(self, case: FuzzCase) -> Outcome:
        """Make the case's files, ask the farm, compare with what was promised, and clear up."""
        folder = self._root / "case" / "own"
        folder.mkdir(parents=True)
        room = Room(folder=folder, recordings=self._recordings, outside=self._outside, bench=self._bench)
        try:
            attempt = KINDS[case.kind](case.random(), room)
            before = self._inventory(folder)
            started, floor = time.process_time(), _reset_peak()
            self._bench.watch.start(folder, *(self._root / name for name in _LIBRARIES_OWN))
            try:
                code, problem = _ask(attempt)
            finally:
                self._bench.watch.stop()
            seconds, megabytes = time.process_time() - started, _peak() - floor
            after = self._inventory(folder)
        finally:
            _clear(folder.parent)
        strays = [*self._bench.watch.strays, *sorted(before.items() ^ after.items())]
        if not problem and strays:
            problem = f"files outside its folder: {strays[:5]}"
        if not problem and seconds > LONGEST_SECONDS:
            problem = f"took {seconds:.1f} s"
        if not problem and megabytes > MOST_MEGABYTES:
            problem = f"took {megabytes:.0f} MB"
        return Outcome(case=case, code=code, problem=problem, seconds=seconds, megabytes=megabytes)

    def _inventory(self, folder: Path) -> dict[str, tuple[int, int, int]]:
        found = inventory(self._root, without=folder)
        home = str(self._root / _LIBRARIES_OWN[0])
        # Caches that libraries keep as long as they like; temporary files must be gone.
        return {
            path: facts
            for path, facts in found.items()
            if not (path.startswith(home) or "torchinductor" in path)
        }


def _ask(attempt) -> tuple[str, str]:
    """The code of the outcome, and what is wrong with it."""
    try:
        return attempt(), ""
    except Exception as error:  # noqa: BLE001 - whatever comes is judged
        return _judged(error)


def _judged(error: Exception) -> tuple[str, str]:
    chain: BaseException | None = error
    while chain is not None:
        # FFmpeg says so itself of what is beyond its own bound, and goes on.
        if isinstance(chain, MemoryError) and not isinstance(chain, av.FFmpegError):
            return "MemoryError", _trace(error)
        chain = chain.__cause__ or chain.__context__
    if not isinstance(error, (FarmError, StageError)):
        return type(error).__name__, _trace(error)
    ours = translate(error, where="the case")
    # Told on a terminal, in JSON and to another process.
    json.dumps(ours.as_record())
    assert str(pickle.loads(pickle.dumps(ours))) == str(ours)
    if not (ours.code and ours.message and ours.where):
        return ours.code, f"the error lacks a part: {ours.as_record()}"
    return ours.code, ""


def _trace(error: Exception) -> str:
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"{frames[-3_000:]}{type(error).__name__}: {str(error)[:300]}"


def _clear(folder: Path) -> None:
    for place, _, files in os.walk(folder):
        Path(place).chmod(0o700)
        for name in files:
            Path(place, name).unlink()
    shutil.rmtree(folder)


def _reset_peak() -> float:
    """Megabytes held now; the peak is counted from here."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> float:
    return _status("VmHWM")


def _status(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return 0.0
