"""Put trained weights and the digital actors where they ship.

`python -m recipes.publish --renderer FILE --actors FOLDER... --licence LICENSE.ICT-FaceKit
[--moda FILE] [--faco FILE] [--encoder FILE]`
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Final

import numpy as np

from stages.builtin import BuiltinNetwork, builtin_weights
from stages.inspection.fitting import fit_norms
from stages.inspection.norms import NORMS_FILE
from stages.render.generator_config import GeneratorConfig
from stages.render.renderer_facts import Architecture
from stages.subject.library_file import LIBRARY_FILE
from stages.subject.library_of_clip import make_library
from stages.subject.package import SubjectPackage
from stages.subject.template import Template
from stages.subject.tracks import ClipTracks
from stages.training.renderer_config import RendererTraining
from stages.training.renderer_data import RendererClip
from stages.training.split import HELD_OUT_SHARE
from stages.weights_header import read_header, read_sizes

_ACTOR_FACTS: Final = {
    "consent": "Not needed: a fictional person, invented for this project; no real person's likeness.",
    "provenance": "Digital actor: geometry from ICT-FaceKit, everything else procedural; reference picture and "
    "renderer made from its rendered clip.",
    "licence": "Apache-2.0; geometry MIT, see LICENSE.ICT-FaceKit",
}


def publish_actor(folder: Path, *, renderer: Path, licence: Path) -> Path:
    """Write the package of the actor in a prepared clip's folder beside `renderer`, which actors share.

    Where that warps references, the package receives those of the clip, and limits fitted to what is drawn with them.
    """
    is_warped = read_header(renderer).architecture == Architecture.WARPED
    sizes = GeneratorConfig() if is_warped else read_sizes(renderer, GeneratorConfig)
    clip = RendererClip(folder, config=RendererTraining(generator=sizes))
    tracks, package = ClipTracks.load(folder), renderer.parent / clip.speaker
    template = Template.from_clips([tracks], share=1 - HELD_OUT_SHARE)
    SubjectPackage.write(
        package,
        facts={"name": clip.speaker, **_ACTOR_FACTS, "renderer": f"../{renderer.name}"},
        template=template,
        reference_HW3=np.array(clip.frames_THW3[clip.reference_frame]),
    )
    shutil.copyfile(licence, package / licence.name)
    if is_warped:
        if not (folder / LIBRARY_FILE).is_file():
            make_library(folder / LIBRARY_FILE, tracks, iter(clip.frames_THW3), template=template)
        shutil.copyfile(folder / LIBRARY_FILE, package / LIBRARY_FILE)
        # They are written beside the clip that they are fitted on.
        fit_norms(SubjectPackage.load(package), folder=folder)
        shutil.copyfile(folder / NORMS_FILE, package / NORMS_FILE)
    return package


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    networks: tuple[BuiltinNetwork, ...] = ("moda", "faco", "compact-3", "renderer")
    for network in networks:
        parser.add_argument(f"--{network}", dest=network, type=Path, help=f"weights of {network}")
    parser.add_argument("--actors", type=Path, nargs="*", default=[], help="prepared clips of the actors")
    parser.add_argument("--licence", type=Path, help="the licence notice of the actors' geometry")
    options = parser.parse_args()
    for network in networks:
        weights: Path | None = getattr(options, network)
        if weights is not None:
            target = builtin_weights(network)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(weights, target)
    if options.actors and options.licence is None:
        parser.error("--actors needs --licence: the notice ships beside every actor")
    for folder in options.actors:
        publish_actor(folder, renderer=builtin_weights("renderer"), licence=options.licence)


if __name__ == "__main__":
    main()
