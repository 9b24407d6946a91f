from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.errors import SpecError
from jobs.farm_files import load_farm, load_simulation
from jobs.farm_spec import FarmSpec

ROOT = Path(__file__).resolve().parents[2]


def load(tmp_path: Path, spec: Any) -> FarmSpec:
    record = {"apiVersion": "farm/v1", "kind": "Farm", "metadata": {"name": "x"}, "spec": spec}
    path = tmp_path / "farm.yaml"
    path.write_text(yaml.safe_dump(record))
    return load_farm(path).spec


def test_a_farm_may_say_nothing_of_itself(tmp_path: Path) -> None:
    spec = load(tmp_path, {})
    assert spec.studios == {}
    assert spec.replicas.render is None
    assert spec.pool.slots == 2


def test_the_example_is_a_farm() -> None:
    farm = load_farm(ROOT / "examples" / "farm.yaml")
    assert [farm.spec.studios[name].weight for name in ("north", "south", "west")] == [60, 30, 10]


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"pool": {"slots": 0}}, "spec.pool.slots"),
        ({"pool": {"stall": 0}}, "spec.pool.stall"),
        ({"pool": {"cool_down": float("inf")}}, "spec.pool.cool_down"),
        ({"pool": {"speculate_after": 0.5}}, "spec.pool.speculate_after"),
        ({"pool": {"colour": 1}}, "spec.pool.colour"),
        ({"replicas": {"render": 0}}, "spec.replicas.render"),
        ({"studios": {"north": {"weight": 0}}}, "spec.studios.north.weight"),
        ({"studios": {"north": {"weight": float("nan")}}}, "spec.studios.north.weight"),
        ({"studios": {"../north": {}}}, "spec.studios.../north"),
        ({"other_studios": {"max_replicas": 0}}, "spec.other_studios.max_replicas"),
    ],
)
def test_a_farm_that_cannot_be_is_refused_at_its_field(
    tmp_path: Path, spec: dict[str, Any], path: str
) -> None:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, spec)
    assert path in [mistake.path for mistake in caught.value.mistakes]


def test_a_farm_handed_to_another_command_names_the_right_one() -> None:
    with pytest.raises(SpecError) as caught:
        load_simulation(ROOT / "examples" / "farm.yaml")
    assert caught.value.mistakes[0].hint == "use farm serve"
