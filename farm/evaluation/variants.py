"""What the paper's ablations leave out, as the train jobs that leave it out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from jobs.parse import LoadedTraining, parse_training

PROJECT: Final = "ablations"
"""The project of all their runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One network of a table.

    Attributes:
        label: Its row.
        slug: Its part of names and paths; variants of two tables that are one network share it, and are trained once.
        stage: ``moda`` or ``renderer``.
        network: How it differs from the whole, see `jobs.train_spec.NetworkChoices`.
    """

    label: str
    slug: str
    stage: str
    network: Mapping[str, str | bool]

    @property
    def composed_face(self) -> bool:
        """Whether a renderer draws from whole faces."""
        return bool(self.network.get("composed_face", True))


TABLES: Final[Mapping[int, tuple[Variant, ...]]] = {
    3: (
        Variant(label="LSTM", slug="lstm", stage="moda", network={"attention": "lstm"}),
        Variant(
            label="w/o multimodal attention", slug="specific", stage="moda", network={"attention": "specific"}
        ),
        Variant(
            label="w/o specific attention",
            slug="probabilistic",
            stage="moda",
            network={"attention": "probabilistic"},
        ),
        Variant(label="final", slug="dual", stage="moda", network={"attention": "dual"}),
    ),
    4: (
        Variant(label="w/o FaCo-Net", slug="no-faco", stage="renderer", network={"composed_face": False}),
        Variant(label="final", slug="whole", stage="renderer", network={}),
    ),
    5: (
        Variant(label="w/o TPE", slug="no-tpe", stage="renderer", network={"temporal_encoding": False}),
        Variant(label="final", slug="whole", stage="renderer", network={}),
    ),
}
"""The variants of each table, in the paper's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AblationRequest:
    """What to train and to judge on.

    Attributes:
        clips: Absolute patterns of prepared clips that MODA learns from.
        held_out: Absolute patterns of clips that judge it.
        portrait: Folder of the prepared clip whose first part the renderers learn, and whose end judges them.
        tables: Which tables.
        motion_steps, renderer_steps: The budget of each network; all of a table get the same.
        takes: Over which Diverse is taken.
        seed: Of all runs.
        out: Folder for weights and report.
        overwrite: Whether files that the farm did not write may be replaced.
    """

    clips: tuple[str, ...]
    held_out: tuple[str, ...]
    portrait: Path | None
    tables: tuple[int, ...]
    motion_steps: int
    renderer_steps: int
    takes: int
    seed: int
    out: Path
    overwrite: bool = False

    def weights_of(self, variant: Variant) -> Path:
        """Where a variant's weights go."""
        return self.out / "weights" / variant.slug / f"{variant.stage}.safetensors"

    def job_of(self, variant: Variant) -> LoadedTraining:
        """The train job of a variant. Raises SpecError when a value of the request is none that a job takes."""
        is_motion = variant.stage == "moda"
        steps = self.motion_steps if is_motion else self.renderer_steps
        spec: dict[str, Any] = {
            "stage": variant.stage,
            "clips": list(self.clips) if is_motion else [str(self.portrait)],
            "network": dict(variant.network),
            "seed": self.seed,
            "steps": steps,
            # Judged often enough that the choice of the best weights is the same for all, and not a matter of luck.
            "validation": {"every": max(1, steps // 4)},
            "checkpoints": {"every": max(1, steps // 4), "keep": 1},
            "output": {"uri": str(self.weights_of(variant))},
        }
        if is_motion:
            spec["held_out"] = list(self.held_out)
        document = {
            "apiVersion": "farm/v1",
            "kind": "TrainJob",
            "metadata": {"name": f"ablation-{variant.slug}", "project": PROJECT},
            "spec": spec,
        }
        loaded = parse_training(json.dumps(document), folder=self.out, where=f"ablation {variant.label}")
        return replace(loaded, overwrite=self.overwrite)
