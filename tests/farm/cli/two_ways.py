"""A farm's API, and commands that reach it by either way; for tests of both."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))

from api_client import Api
from stand_in_farm import StandInFarm

from farm.cli import main

CONTENT = bytes(range(256)) * 50


@dataclass(slots=True)
class Way:
    """One way to the farm, and what a command said last."""

    name: str
    api: Api
    capture: pytest.CaptureFixture[str]
    out: str = ""
    err: str = ""

    def run(self, *arguments: str | Path) -> int:
        self.capture.readouterr()
        code = main([str(argument) for argument in arguments])
        self.out, self.err = self.capture.readouterr()
        return code

    def told(self, *arguments: str | Path) -> tuple[int, Any]:
        code = self.run(*arguments, "--json")
        return code, json.loads(self.out)


def delivered(farm: StandInFarm, tmp_path: Path, job: str) -> Path:
    master = tmp_path / "farm" / f"master-{job}.mp4"
    master.write_bytes(CONTENT)
    farm.succeed(job, master=str(master), content=CONTENT)
    return master
