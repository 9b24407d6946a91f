from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.errors import SpecError
from jobs.farm_files import load_simulation
from jobs.simulation_spec import SimulationSpec

JOB: dict[str, Any] = {"name": "film", "studio": "north", "subject": "actor-a", "segments": 10}


def load(tmp_path: Path, **spec: Any) -> SimulationSpec:
    record = {"apiVersion": "farm/v1", "kind": "Simulation", "metadata": {"name": "x"}, "spec": spec}
    path = tmp_path / "scenario.yaml"
    path.write_text(yaml.safe_dump(record))
    return load_simulation(path).spec


def test_jobs_are_enough(tmp_path: Path) -> None:
    spec = load(tmp_path, jobs=[JOB])
    assert spec.jobs[0].tier.value == "normal"
    assert spec.pool.replicas == 4
    assert spec.faults.crash == 0


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"jobs": []}, "spec.jobs"),
        ({}, "spec.jobs"),
        ({"jobs": [{**JOB, "poison": [10]}]}, "spec.jobs[0]"),
        ({"jobs": [{**JOB, "preview_first": 11}]}, "spec.jobs[0]"),
        ({"jobs": [{**JOB, "tier": "urgent"}]}, "spec.jobs[0].tier"),
        ({"jobs": [{**JOB, "studio": "../x"}]}, "spec.jobs[0].studio"),
        ({"jobs": [JOB], "faults": {"crash": 0.6, "slow": 0.6}}, "spec.faults"),
        ({"jobs": [JOB], "pool": {"replicas": 0}}, "spec.pool.replicas"),
        ({"jobs": [JOB], "studios": {"north": {"weight": 0}}}, "spec.studios.north.weight"),
    ],
)
def test_a_scenario_that_cannot_be_is_refused_at_its_field(
    tmp_path: Path, spec: dict[str, Any], path: str
) -> None:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, **spec)
    assert path in [mistake.path for mistake in caught.value.mistakes]
