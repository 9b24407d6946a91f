"""`farm` as a process of its own, wired to small stages on a real cluster that it starts itself.

    python farm_with_raising_stages.py FOLDER ARGUMENTS_OF_FARM...

Every renderer that reaches frame 50 raises.
"""

from __future__ import annotations

import sys
from pathlib import Path

import fake_stages

from farm.cli import main
from farm.cli.wiring import Wiring
from infra.settings import prepare_ray_environment

if __name__ == "__main__":
    folder, *arguments = sys.argv[1:]
    prepare_ray_environment(auth="token", embedded=True)
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(fake_stages)
    faults = (fake_stages.Fault(stage="render", frame=50, kind="raise", times=99),)
    stages = fake_stages.FakeStages.in_folder(Path(folder), faults=faults)
    sys.exit(main(arguments, wiring=Wiring(stages=stages)))
