"""The train job: which stage learns from which clips, as it is written in YAML or JSON.

    apiVersion: farm/v1
    kind: TrainJob
    metadata: {name: jane, project: demo}
    spec:
      stage: renderer
      renderer: warped
      clips: [../subjects/jane, "../subjects/tom*"]
      preset: cpu
      subject: ../subjects/jane
      seed: 0
      output: {uri: ../out/jane.safetensors}

Only ``metadata.name``, ``spec.stage`` and ``spec.clips`` must be given. A field that has no meaning for the
stage is refused like an unknown one: nobody should believe that it did something.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from jobs.locations import builtin_name, check_location, is_s3
from jobs.spec_model import Metadata, Seed, Slug, SpecModel, finding

BASE: Final = "base"
"""The word for the base renderer that ships with the farm; a file of that name is written ``./base``."""

WRITTEN_TO_SUBJECT: Final = (
    "inspection.json",
    "references.safetensors",
    "renderer.safetensors",
    "renderer.safetensors.manifest.json",
    "subject.yaml",
)
"""What a package gets of a training, of all its files."""


MOST_WORKERS = 1024  # more than any cluster has GPUs for networks of this size
MOST_STEPS = 100_000_000
LARGEST_BATCH = 65_536

TrainStage = Literal["moda", "faco", "renderer"]
RendererKind = Literal["warped", "paper"]

_OTHER_RENDERER: Final = "leave it out, or set spec.renderer: paper"
_OF_THE_PAPER: Final = ("temporal_encoding", "composed_face", "losses")
"""Fields of the network that only the paper's renderer has."""

_NETWORK_FIELDS: Final[dict[str, TrainStage]] = {
    "attention": "moda",
    "posterior": "moda",
    "encoder": "moda",
    "temporal_encoding": "renderer",
    "composed_face": "renderer",
}
"""Fields of the network that one stage alone has; the others belong to all."""


def weights_manifest(name: str) -> str:
    """What the manifest beside weights is called; a master of the same name has another."""
    return f"{name}.manifest.json"


def _checked_folder(folder: str) -> str:
    check_location(folder)
    if is_s3(folder) or builtin_name(folder) is not None:
        raise ValueError("must be a folder on this machine or on a disk that every worker has")
    return folder


def _checked_pattern(pattern: str) -> str:
    if "**" in pattern:
        raise ValueError("must not hold **; * matches within one name, so write one pattern for each depth")
    return _checked_folder(pattern)


def _checked_weights(uri: str) -> str:
    check_location(uri)
    name = uri.rpartition("/")[2]
    if not name.endswith(".safetensors") or len(name) <= len(".safetensors") or builtin_name(uri) is not None:
        raise ValueError("must name a file that ends in .safetensors")
    return uri


def _checked_start(start_from: str) -> str:
    if start_from == BASE:
        return start_from
    try:
        return _checked_weights(start_from)
    except ValueError as error:
        raise ValueError(f"{error}, or be the word {BASE}") from None


Folder = Annotated[str, AfterValidator(_checked_folder)]
ClipPattern = Annotated[str, AfterValidator(_checked_pattern)]
WeightsLocation = Annotated[str, AfterValidator(_checked_weights)]
StartLocation = Annotated[str, AfterValidator(_checked_start)]
Steps = Annotated[int, Field(ge=1, le=MOST_STEPS)]
LearningRate = Annotated[float, Field(gt=0.0, le=1.0, allow_inf_nan=False)]


class NetworkChoices(SpecModel):
    """Ablations of the paper; what is not given is the preset's, or whole.

    Attributes:
        attention: MODA's branches: ``dual``, ``specific`` (without ProbAttn), ``probabilistic`` (without SpecAttn)
            or ``lstm`` in their place (the paper's Table 3).
        posterior: What MODA's posterior sees: speech and style (``paper``) or the motion too (``cvae``).
        encoder: Name of the speech encoder that MODA hears with.
        temporal_encoding: Whether the renderer knows the frame's time (Table 5).
        composed_face: Whether the renderer's condition is the face FaCo-Net composes; otherwise lips and eyes
            are pasted into the template (Table 4).
        losses: Terms and weights of the ``paper``, of its ``released`` code, or of the ``preset``.
    """

    attention: Literal["dual", "specific", "probabilistic", "lstm"] | None = None
    posterior: Literal["paper", "cvae"] | None = None
    encoder: Slug | None = None
    temporal_encoding: bool = True
    composed_face: bool = True
    losses: Literal["preset", "paper", "released"] = "preset"


class Checkpoints(SpecModel):
    """How often a run is saved, so that a lost machine costs at most so many steps.

    Attributes:
        every: Steps between checkpoints.
        keep: How many of the newest stay; the best weights stay besides.
    """

    every: Steps = 200
    keep: Annotated[int, Field(ge=1, le=1000)] = 2


class Validations(SpecModel):
    """How often the weights are measured on held-out data.

    Attributes:
        every: Steps between validations.
    """

    every: Steps = 200


class TrainedWeights(SpecModel):
    """Where the best weights go.

    Attributes:
        uri: Path or ``s3://`` URI of the weights; ``<name>.safetensors`` beside the job's file when not given.
    """

    uri: WeightsLocation | None = None


class TrainSpec(SpecModel):
    """The work itself.

    Attributes:
        stage: The network that learns: ``moda``, ``faco`` (FaCo-Net) or ``renderer``.
        renderer: Which one: ``warped`` repairs pictures of the subject, warped to the commanded face, at 512 px;
            ``paper`` is the paper's U-Net. When not given, what `start_from` names; else the paper's where the preset
            or a choice of network is the paper's, and ``warped`` otherwise.
        clips: Folders of prepared clips or subjects; ``*`` and ``?`` match within one name.
        held_out: Clips for validation alone, which ``clips`` then leave out. The renderer has none: it holds out
            the last part of each clip.
        preset: The ``paper``'s training, or a smaller one for a ``cpu``.
        start_from: ``base`` for the base renderer, or the path or ``s3://`` URI of weights; from scratch when
            not given.
        subject: The package, one of the clips, that receives the renderer's weights when they are done.
        seed: Start of all randomness; the same seed gives the same weights.
        steps: Optimiser steps, in place of the preset's.
        batch_size: Frames a step (renderer, faco) or windows a step (moda), in place of the preset's.
        learning_rate: The first learning rate, in place of the preset's.
        workers: Processes that share each step's batch; changes the time, not the weights' quality.
        network: Ablations.
        checkpoints: How often the run is saved.
        validation: How often the weights are measured.
        output: Place of the weights.
    """

    # First, because the validators of what belongs to one stage look at it.
    stage: TrainStage
    renderer: RendererKind | None = None
    # Strict mode takes tuples only, and a file can hold nothing but lists.
    clips: Annotated[tuple[ClipPattern, ...], Field(strict=False, min_length=1)]
    held_out: Annotated[tuple[ClipPattern, ...], Field(strict=False)] = ()
    preset: Literal["paper", "cpu"] = "cpu"
    start_from: StartLocation | None = None
    subject: Folder | None = None
    seed: Seed = 0
    steps: Steps | None = None
    batch_size: Annotated[int, Field(ge=1, le=LARGEST_BATCH)] | None = None
    learning_rate: LearningRate | None = None
    workers: Annotated[int, Field(ge=1, le=MOST_WORKERS)] = 1
    network: NetworkChoices = NetworkChoices()
    checkpoints: Checkpoints = Checkpoints()
    validation: Validations = Validations()
    output: TrainedWeights = TrainedWeights()

    @field_validator("renderer")
    @classmethod
    def _renderers_are_of_their_stage(
        cls, renderer: RendererKind | None, info: ValidationInfo
    ) -> RendererKind | None:
        stage = info.data.get("stage", "renderer")
        if renderer is not None and stage != "renderer":
            raise finding(
                "other_stage", f"belongs to the stage renderer, not to {stage}", hint="leave it out"
            )
        return renderer

    @field_validator("preset")
    @classmethod
    def _the_paper_trains_its_own(cls, preset: str, info: ValidationInfo) -> str:
        if preset == "paper" and info.data.get("renderer") == "warped":
            raise finding("other_renderer", "trains the paper's renderer, not warped", hint=_OTHER_RENDERER)
        return preset

    @field_validator("held_out")
    @classmethod
    def _held_out_is_not_for_renderers(
        cls, held_out: tuple[str, ...], info: ValidationInfo
    ) -> tuple[str, ...]:
        if held_out and info.data.get("stage") == "renderer":
            hint = "leave it out: the renderer holds out the last part of each clip"
            raise finding("other_stage", "belongs to the stages moda and faco, not to renderer", hint=hint)
        return held_out

    @field_validator("start_from")
    @classmethod
    def _base_is_a_renderer(cls, start_from: str | None, info: ValidationInfo) -> str | None:
        stage = info.data.get("stage", "renderer")
        if start_from == BASE and stage != "renderer":
            message = f"{BASE} is a renderer and cannot start the stage {stage}"
            raise finding("other_stage", message, hint="name a weights file, or leave it out")
        return start_from

    @field_validator("subject")
    @classmethod
    def _subjects_get_renderers(cls, subject: str | None, info: ValidationInfo) -> str | None:
        stage = info.data.get("stage", "renderer")
        if subject is not None and stage != "renderer":
            message = f"belongs to the stage renderer, not to {stage}"
            raise finding("other_stage", message, hint="leave it out: all subjects share these weights")
        return subject

    @field_validator("network")
    @classmethod
    def _switches_belong_to_the_stage(cls, network: NetworkChoices, info: ValidationInfo) -> NetworkChoices:
        stage = info.data.get("stage")
        given = [name for name in network.model_fields_set if getattr(network, name) is not None]
        strays: dict[str, PydanticCustomError] = {}
        for name in sorted(given):
            owner = _NETWORK_FIELDS.get(name, stage)
            if stage is not None and owner != stage:
                said = f"belongs to the stage {owner}, not to {stage}"
                strays[name] = finding("other_stage", said, hint="leave it out, or change spec.stage")
            elif info.data.get("renderer") == "warped" and name in _OF_THE_PAPER:
                said = "belongs to the paper's renderer, not to warped"
                strays[name] = finding("other_renderer", said, hint=_OTHER_RENDERER)
        if not strays:
            return network
        raise ValidationError.from_exception_data(
            cls.__name__,
            [
                InitErrorDetails(type=mistake, loc=(name,), input=getattr(network, name))
                for name, mistake in strays.items()
            ],
        )


class TrainJob(SpecModel):
    """One train job, exactly as written; ``jobs.parse`` reads it and resolves its paths."""

    api_version: Literal["farm/v1"] = Field(alias="apiVersion")
    kind: Literal["TrainJob"]
    metadata: Metadata
    spec: TrainSpec

    @property
    def weights_uri(self) -> str:
        """Where the weights go, as written or by default."""
        return self.spec.output.uri or f"{self.metadata.name}.safetensors"

    def as_record(self) -> dict[str, Any]:
        """The job as plain data with every default of its stage; parsing it again gives an equal job."""
        record = self.model_dump(mode="json", by_alias=True)
        spec = record["spec"]
        spec["output"]["uri"] = self.weights_uri
        if self.spec.stage != "renderer":
            del spec["renderer"]
        strays = {name for name, stage in _NETWORK_FIELDS.items() if stage != self.spec.stage}
        if self.spec.renderer == "warped":
            strays |= set(_OF_THE_PAPER)
        for name in sorted(strays):
            del spec["network"][name]
        return record
