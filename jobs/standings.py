"""What the farm's coordinator says of itself while it runs: which jobs wait, behind how many, and for what."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError


class Standing(BaseModel):
    """Why nothing, or nothing more, of a job runs.

    Attributes:
        code: For programs; ``turn`` where it waits for its turn.
        sentence: For people.
        position: Jobs whose turn comes before this one's, where it waits for its turn.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    sentence: str
    position: int | None = None


class Standings(BaseModel):
    """The body of a heartbeat.

    Attributes:
        owner: Host and process of the coordinator.
        replicas: Renderers that have joined.
        jobs: Those that have not ended, by name; of very many those whose turn comes first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["farm.standings/v1"] = "farm.standings/v1"
    owner: str = ""
    replicas: int = 0
    jobs: dict[str, Standing] = {}


def standings_from_json(body: str) -> Standings:
    """What a heartbeat holds; nothing where a coordinator of another version wrote it, for the next one is at hand."""
    try:
        return Standings.model_validate_json(body)
    except ValidationError:
        return Standings()
