"""A driver of its own, for tests that kill it: trains the job of a folder on the tiny trainer.

`python train_in_process.py FOLDER [--pause SECONDS]`: events as JSON lines on standard error, the report on standard
output.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import tiny_trainer

from farm.training.train_job import train
from infra.hardware import Hardware
from infra.settings import FarmSettings, prepare_ray_environment
from jobs.parse import load_training


class Printer:
    """Tells what happens, one JSON object a line."""

    def resumed(self, **facts: object) -> None:
        self._say("resumed", facts)

    def advanced(self, **facts: object) -> None:
        self._say("advanced", facts)

    def validated(self, **facts: object) -> None:
        self._say("validated", facts)

    def restarted(self, **facts: object) -> None:
        self._say("restarted", facts)

    def waits(self, **facts: object) -> None:
        self._say("waits", facts)

    def _say(self, event: str, facts: dict[str, object]) -> None:
        sys.stderr.write(json.dumps({"event": event, **facts}) + "\n")
        sys.stderr.flush()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pause", type=float, default=0.0)
    options = parser.parse_args()
    prepare_ray_environment(auth="disabled", embedded=True)
    # Imported here: Ray reads the environment that was just prepared.
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(tiny_trainer)
    report = train(
        load_training(options.folder / "job.yaml"),
        settings=FarmSettings(
            store=str(options.folder / "store"), cache=options.folder / "cache", ray_auth="disabled"
        ),
        hardware=Hardware(cores=2, memory_bytes=8 << 30, cpu_kind="cpu test", gpus=()),
        listener=Printer(),
        trainers=tiny_trainer.TinyTrainers(pause_s=options.pause),
    )
    sys.stdout.write(json.dumps(report.as_record()) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
