"""`farm` as a process of its own, wired to small stages on a real cluster that it starts itself.

    python farm_with_small_stages.py FOLDER SECONDS_PER_SEGMENT ARGUMENTS_OF_FARM...

The first renderer to reach frame 50 is killed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import fake_stages

from farm.cli import main
from farm.cli.wiring import Wiring
from infra.settings import prepare_ray_environment

if __name__ == "__main__":
    folder, seconds_per_segment, *arguments = sys.argv[1:]
    prepare_ray_environment(auth="token", embedded=True)
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(fake_stages)
    faults = (fake_stages.Fault(stage="render", frame=50, kind="kill"),)
    stages = fake_stages.FakeStages.in_folder(
        Path(folder), faults=faults, seconds_per_segment=float(seconds_per_segment)
    )
    sys.exit(main(arguments, wiring=Wiring(stages=stages)))
