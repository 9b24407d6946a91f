"""Put trained weights and the digital actor where they ship.

`python -m stages.training.publish --work DIR --licence LICENSE.ICT-FaceKit [--builtin stages/builtin]`
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np

from stages.payloads import FRAMES_PER_SECOND
from stages.render.generator import Generator
from stages.subject.package import SubjectPackage
from stages.subject.template import Template
from stages.subject.tracks import ClipTracks
from stages.training.checkpoint import load_checkpoint
from stages.training.renderer_data import HELD_OUT_SHARE, RendererClip
from stages.training.train_renderer import RendererTraining
from stages.weights import WeightsHeader, save_weights

_ACTOR_CONSENT: Final = (
    "Not needed: a fictional person, invented for this project; no real person's likeness."
)
_ACTOR_PROVENANCE: Final = (
    "Digital actor: geometry from ICT-FaceKit, everything else procedural; reference picture and renderer made "
    "from its rendered clip."
)
_ACTOR_LICENCE: Final = "Apache-2.0; geometry MIT, see LICENSE.ICT-FaceKit"


def publish_renderer(work: Path, builtin: Path, *, clip_name: str, subject: str, licence: Path) -> None:
    """The renderer's running average and the subject package around it."""
    state = load_checkpoint(work / "renderer" / "checkpoint.pt")
    if state is None:
        raise SystemExit("no checkpoint of the renderer: run stages.training.train_renderer first")
    config = RendererTraining().generator
    generator = Generator(config)
    generator.load_state_dict(state["average"])
    clip = RendererClip(work / "tracks" / clip_name, size=config.size)
    folder = builtin / "subjects" / subject
    SubjectPackage.write(
        folder,
        facts={
            "name": subject,
            "consent": _ACTOR_CONSENT,
            "provenance": _ACTOR_PROVENANCE,
            "licence": _ACTOR_LICENCE,
            "renderer": "renderer.safetensors",
        },
        template=Template.from_clips(
            [ClipTracks.load(work / "tracks" / clip_name)], share=1 - HELD_OUT_SHARE
        ),
        reference_HW3=clip.frames_THW3[clip.reference_frame],
    )
    shutil.copyfile(licence, folder / licence.name)
    trained = clip.frames_THW3[: clip.trained_frames]
    header = WeightsHeader(
        architecture="renderer",
        sizes=asdict(config),
        encoder="",
        fps=FRAMES_PER_SECOND,
        training_data=hashlib.sha256(np.ascontiguousarray(trained).tobytes()).hexdigest(),
        facts={f"trained_frames:{subject}": clip.trained_frames, "steps": state["step"]},
    )
    save_weights(folder / "renderer.safetensors", generator, header)


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--work", type=Path, required=True, help="folder with prepared tracks and checkpoints"
    )
    parser.add_argument(
        "--licence", type=Path, required=True, help="the licence notice of the actor's geometry"
    )
    parser.add_argument("--builtin", type=Path, default=Path("stages/builtin"))
    options = parser.parse_args()
    for stage in ("moda", "faco"):
        target = options.builtin / "weights" / f"{stage}.safetensors"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(options.work / stage / f"{stage}.safetensors", target)
    publish_renderer(
        options.work, options.builtin, clip_name="actor_a", subject="actor-a", licence=options.licence
    )


if __name__ == "__main__":
    main()
