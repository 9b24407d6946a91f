"""The farm: who may take how much of it, and how its replicas are run, as it is written in YAML or JSON.

    apiVersion: farm/v1
    kind: Farm
    metadata: {name: main}
    spec:
      replicas: {motion: 1, face: 1, render: 8}
      studios:
        north: {weight: 60}
        south: {weight: 30, max_replicas: 4}
      pool: {slots: 2, stall: 60}

Every field of the spec may be left out. All times are in seconds.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from jobs.scheduling_spec import LONGEST, ReplicaCount, SegmentCount, Weight
from jobs.spec_model import Metadata, Slug, SpecModel

WholeCount = Annotated[int, Field(ge=0, le=1024)]
Duration = Annotated[float, Field(gt=0, le=LONGEST)]
Limit = Annotated[int, Field(ge=1, le=1000)]


class Studio(SpecModel):
    """A studio's share and limits.

    Attributes:
        weight: Its share of a busy tier, relative to the other studios there.
        max_replicas: Replicas that work for it at once; without a limit when not given.
        max_queued_segments: Segments of its live jobs that are not settled yet; a submit beyond is refused.
    """

    weight: Weight = 1.0
    max_replicas: ReplicaCount | None = None
    max_queued_segments: SegmentCount | None = None


class PoolTerms(SpecModel):
    """How replicas are kept busy and watched.

    Attributes:
        slots: Segments a replica holds at once: one runs, the others wait beside it.
        warm_lead: Segments that a job may be ahead of its fair turn where its subject is loaded. 0 keeps strictly to
            the turn.
        stall: A replica that owes a frame and draws none for so long is killed. To load before the first frame and to
            commit after the last may take longer, up to the run timeout.
        grace: What does not stop when asked to loses its replica after this.
    """

    slots: Annotated[int, Field(ge=1, le=8)] = 2
    warm_lead: Annotated[float, Field(ge=0, le=1000)] = 4.0
    stall: Annotated[float, Field(gt=0, le=1e6)] = 60.0
    grace: Annotated[float, Field(gt=0, le=1e6)] = 20.0


class FarmPool(PoolTerms):
    """How the renderers are run.

    Attributes:
        first_cost: Seconds that a segment is taken to cost before any was rendered.
        run_timeout: A window, face or segment that runs for longer loses its replica.
        max_suspicion: Replicas that may die while they run one of these before it has to run alone.
        max_failures: Different replicas on which one may fail before it is given up.
        max_tries_failed: Failures of one on whatever replica before it is given up.
        sick_after: A replica that failed on so many different jobs in a row is shunned.
        cool_down: After which it is forgiven.
        backoff: First wait of a segment for what does not answer; doubles with each failure, up to sixteen times, with
            jitter.
        speculate_after: What runs so many times as long as 95 of 100 segments is also given to an idle replica.
        speculate_with: Segments that must have been rendered before that.
        restart: A replacement for a replica is expected within this.
        whole_stall: A preparation, a training or an evaluation that gets no further for so long loses its replica.
    """

    first_cost: Duration = 10.0
    run_timeout: Duration = 900.0
    max_suspicion: Limit = 2
    max_failures: Limit = 2
    max_tries_failed: Limit = 4
    sick_after: Limit = 3
    cool_down: Duration = 300.0
    backoff: Duration = 2.0
    speculate_after: Annotated[float, Field(ge=1, le=1000)] = 2.0
    speculate_with: Limit = 8
    restart: Duration = 180.0
    whole_stall: Duration = 3600.0


class FarmReplicas(SpecModel):
    """Replicas of each stage.

    Attributes:
        motion, face: The small stages; one of each keeps several renderers busy.
        render: One for each GPU, or for each core, when not given.
        preparation, training, evaluation: For jobs of these kinds, each of which one replica does in one piece; with 0
            they wait. They start with the first such job.
    """

    motion: ReplicaCount = 1
    face: ReplicaCount = 1
    render: ReplicaCount | None = None
    preparation: WholeCount = 1
    training: WholeCount = 1
    evaluation: WholeCount = 1


class FarmSpec(SpecModel):
    """The farm itself.

    Attributes:
        studios: By name.
        other_studios: The terms of each studio that is not listed.
        pool: How the renderers are run.
        replicas: How many there are.
        choice: A job whose takes can be looked at waits for somebody to choose one for so long before it expires.
        patience: A job waits for a store, an input or an output that does not answer for so long before it fails.
    """

    studios: dict[Slug, Studio] = Field(default_factory=dict)
    other_studios: Studio = Studio()
    pool: FarmPool = FarmPool()
    replicas: FarmReplicas = FarmReplicas()
    choice: Duration = 604_800.0
    patience: Annotated[float, Field(ge=0, le=LONGEST)] = 900.0

    def terms(self, studio: str) -> Studio:
        """What the studio may take."""
        return self.studios.get(studio, self.other_studios)


class Farm(SpecModel):
    """One farm, exactly as written."""

    api_version: Literal["farm/v1"] = Field(alias="apiVersion")
    kind: Literal["Farm"]
    metadata: Metadata
    spec: FarmSpec
