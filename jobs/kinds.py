"""The kinds of job there are: the model of each, the words for it, and the command that takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from jobs.evaluate_spec import EvaluateJob
from jobs.farm_spec import Farm
from jobs.prepare_spec import PrepareJob
from jobs.simulation_spec import Simulation
from jobs.spec import RenderJob
from jobs.spec_model import SpecModel
from jobs.train_spec import TrainJob

JobT_co = TypeVar("JobT_co", bound=SpecModel, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind(Generic[JobT_co]):
    """One kind of job.

    Attributes:
        name: What the job's ``kind`` says.
        model: The job as it is written.
        noun: The job in a sentence, with its article.
        command: What to type to have it done.
        example: A file of the project that shows one.
        missing: How to write each field that must be given, by its dotted path.
        renamed: The names of today for fields that earlier releases called otherwise, by the old dotted path.
    """

    name: str
    model: type[JobT_co]
    noun: str
    command: str
    example: str
    missing: Mapping[str, str]
    renamed: Mapping[str, str] = field(default_factory=dict)


RENDER_JOB: Final = JobKind(
    name="RenderJob",
    model=RenderJob,
    noun="a render job",
    command="farm render",
    example="examples/hello.yaml",
    missing={
        "apiVersion": "write apiVersion: farm/v1",
        "kind": "write kind: RenderJob",
        "metadata": "write metadata: {name: NAME}",
        "metadata.name": "give the job a name",
        "spec": "write spec: with at least speech and subject",
        "spec.speech": "give the path or s3:// URI of the recorded speech",
        "spec.speech.uri": "give the path or s3:// URI of the recorded speech",
        "spec.subject": "write builtin:NAME, or the folder or s3:// URI of a subject package",
    },
)

TRAIN_JOB: Final = JobKind(
    name="TrainJob",
    model=TrainJob,
    noun="a train job",
    command="farm train",
    example="examples/train-renderer.yaml",
    missing={
        "apiVersion": "write apiVersion: farm/v1",
        "kind": "write kind: TrainJob",
        "metadata": "write metadata: {name: NAME}",
        "metadata.name": "give the job a name",
        "spec": "write spec: with at least stage and clips",
        "spec.stage": "say which network learns: moda, faco or renderer",
        "spec.clips": "list the folders of prepared clips or subjects",
    },
)

PREPARE_JOB: Final = JobKind(
    name="PrepareJob",
    model=PrepareJob,
    noun="a prepare job",
    command="farm subject prepare",
    example="examples/prepare.yaml",
    missing={
        "apiVersion": "write apiVersion: farm/v1",
        "kind": "write kind: PrepareJob",
        "metadata": "write metadata: {name: NAME}",
        "metadata.name": "give the job a name",
        "spec": "write spec: with clip and consent",
        "spec.clip": "give the path of a video of the subject speaking, or of one photo",
        "spec.consent": "give the path of the document in which the person agrees",
    },
)

EVALUATE_JOB: Final = JobKind(
    name="EvaluateJob",
    model=EvaluateJob,
    noun="an evaluate job",
    command="farm evaluate",
    example="examples/evaluate.yaml",
    missing={
        "apiVersion": "write apiVersion: farm/v1",
        "kind": "write kind: EvaluateJob",
        "metadata": "write metadata: {name: NAME}",
        "metadata.name": "give the job a name",
        "spec": "write spec: with truth and systems, or with pairs",
        "spec.pairs.system": "name the system, a row of the table",
        "spec.pairs.generated": "give the path or s3:// URI of the video to judge",
        "spec.pairs.truth": "give the path or s3:// URI of the true video",
    },
    renamed={"spec.references": "truth", "spec.pairs.reference": "truth"},
)

SIMULATION: Final = JobKind(
    name="Simulation",
    model=Simulation,
    noun="a simulation",
    command="farm simulate",
    example="examples/simulation.yaml",
    missing={
        "apiVersion": "write apiVersion: farm/v1",
        "kind": "write kind: Simulation",
        "metadata": "write metadata: {name: NAME}",
        "metadata.name": "give the simulation a name",
        "spec": "write spec: with at least jobs",
        "spec.jobs": "list jobs, each with name, studio, subject and segments",
    },
)

FARM: Final = JobKind(
    name="Farm",
    model=Farm,
    noun="a farm",
    command="farm serve",
    example="examples/farm.yaml",
    missing={
        "apiVersion": "write apiVersion: farm/v1",
        "kind": "write kind: Farm",
        "metadata": "write metadata: {name: NAME}",
        "metadata.name": "give the farm a name",
        "spec": "write spec: with studios, pool or replicas, or spec: {}",
    },
)

COMMANDS: Final[Mapping[str, str]] = {
    kind.name: kind.command for kind in (RENDER_JOB, PREPARE_JOB, TRAIN_JOB, EVALUATE_JOB, SIMULATION, FARM)
}
"""The command that takes each kind of job."""
