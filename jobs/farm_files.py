"""A farm and a simulation from files; neither is a job that has places."""

from __future__ import annotations

from pathlib import Path

from jobs.farm_spec import Farm
from jobs.kinds import FARM, SIMULATION
from jobs.reading import read_document, read_file, validated
from jobs.simulation_spec import Simulation


def load_simulation(path: Path) -> Simulation:
    """Read a simulation from a YAML or JSON file.

    Raises:
        SpecError: The file cannot be read, or the simulation in it has mistakes.
    """
    text, _, json_only = read_file(path, SIMULATION)
    where = str(path)
    return validated(read_document(text, json_only=json_only, where=where), SIMULATION, where=where)


def load_farm(path: Path) -> Farm:
    """Read a farm from a YAML or JSON file.

    Raises:
        SpecError: The file cannot be read, or the farm in it has mistakes.
    """
    text, _, json_only = read_file(path, FARM)
    where = str(path)
    return validated(read_document(text, json_only=json_only, where=where), FARM, where=where)
