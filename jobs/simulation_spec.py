"""The simulation: a made-up farm, its jobs and what goes wrong, as it is written in YAML or JSON.

    apiVersion: farm/v1
    kind: Simulation
    metadata: {name: three-studios}
    spec:
      seed: 7
      pool: {replicas: 8}
      studios:
        north: {weight: 60}
        south: {weight: 30}
      jobs:
        - {name: film, studio: north, subject: actor-a, segments: 200, copies: 10}
        - {name: spot, studio: south, subject: actor-b, segments: 20, tier: interactive, at: 300}
      faults: {crash: 0.01, slow: 0.02}

All times are seconds of a virtual clock; all faults are chances for each try of a segment.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from jobs.farm_spec import PoolTerms, Studio
from jobs.scheduling_spec import QueueTerms, ReplicaCount, SegmentCount
from jobs.spec import Profile
from jobs.spec_model import Metadata, Seed, Slug, SpecModel, finding

Chance = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=1e7)]


class SimulatedPool(PoolTerms):
    """The replicas.

    Attributes:
        replicas: How many there are; one that dies is replaced.
        start: From a replica's death to its replacement.
        load: A subject's weights from disk to the device.
        stitch: From the last segment to the delivered master.
    """

    replicas: ReplicaCount = 4
    start: Seconds = 20.0
    load: Seconds = 4.0
    stitch: Seconds = 5.0


class SimulatedJob(QueueTerms):
    """One job, or several that are alike.

    Attributes:
        name: With several copies they are called name-1, name-2, ...
        copies: How many there are.
        at: When the first is submitted.
        every: From one copy's submit to the next one's.
        segment_seconds: What one segment takes on average.
        motion_seconds: Each segment's motion is merged so long after the one before; all at once with 0.
        poison: Segments that kill every replica that runs them.
        broken: Segments whose result never passes the check.
        unusable: Segments for which no try can help.
    """

    name: Slug
    studio: Slug
    subject: Slug
    segments: SegmentCount
    copies: Annotated[int, Field(ge=1, le=10_000)] = 1
    at: Seconds = 0.0
    every: Seconds = 0.0
    profile: Annotated[Profile, Field(strict=False)] = Profile.PREVIEW
    segment_seconds: Annotated[float, Field(gt=0, le=1e5)] = 10.0
    motion_seconds: Seconds = 0.0
    poison: Annotated[tuple[int, ...], Field(strict=False)] = ()
    broken: Annotated[tuple[int, ...], Field(strict=False)] = ()
    unusable: Annotated[tuple[int, ...], Field(strict=False)] = ()

    @property
    def bad_segments(self) -> tuple[int, ...]:
        """Segments that cannot be rendered, whatever the farm does."""
        return (*self.poison, *self.broken, *self.unusable)

    @model_validator(mode="after")
    def _segments_are_there(self) -> Self:
        if self.preview_first > self.segments:
            raise finding("bad_value", "preview_first is more than there are segments")
        if not all(0 <= index < self.segments for index in self.bad_segments):
            raise finding(
                "bad_value", f"poison, broken and unusable are numbers from 0 to {self.segments - 1}"
            )
        return self


class SimulatedFaults(SpecModel):
    """Chances for each try of a segment, until `until`.

    Attributes:
        crash: The replica dies.
        hang: The segment never ends.
        output: The result does not pass the check.
        storage: The store is away.
        slow: The segment takes `slow_factor` times as long.
        spread: Relative standard deviation of what a segment takes.
        until: When faults stop; never when not given.
    """

    crash: Chance = 0.0
    hang: Chance = 0.0
    output: Chance = 0.0
    storage: Chance = 0.0
    slow: Chance = 0.0
    slow_factor: Annotated[float, Field(ge=1, le=1000)] = 6.0
    spread: Annotated[float, Field(ge=0, le=2)] = 0.1
    until: Seconds | None = None

    @model_validator(mode="after")
    def _at_most_one_happens(self) -> Self:
        if self.crash + self.hang + self.output + self.storage + self.slow > 1:
            raise finding("bad_value", "the chances of a try add up to more than 1")
        return self


class SimulationSpec(SpecModel):
    """The farm, its jobs and its troubles.

    Attributes:
        seed: The same seed gives the same run.
        audited: Whether every invariant is checked after every event; takes time on a large farm.
        longest: The clock stops here, whatever is left.
    """

    seed: Seed = 0
    pool: SimulatedPool = SimulatedPool()
    studios: Annotated[dict[Slug, Studio], Field(default_factory=dict)]
    # Strict mode takes tuples only, and a file can hold nothing but lists.
    jobs: Annotated[tuple[SimulatedJob, ...], Field(strict=False, min_length=1)]
    faults: SimulatedFaults = SimulatedFaults()
    audited: bool = False
    longest: Annotated[float, Field(gt=0, le=1e9)] = 1e7


class Simulation(SpecModel):
    """One simulation, exactly as written."""

    api_version: Literal["farm/v1"] = Field(alias="apiVersion")
    kind: Literal["Simulation"]
    metadata: Metadata
    spec: SimulationSpec
