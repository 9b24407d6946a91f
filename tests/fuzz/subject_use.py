"""Everything that a render asks of a subject package, for one frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fuzz_case import Room

from farm.translation import translated
from infra.fetch import fetch_subject_folder
from stages.faco.composer_stage import Amplitude
from stages.payloads import Motion
from stages.render.renderer_loading import load_renderer
from stages.subject.package import SubjectPackage

STILL = Motion(
    mouth_TN3=np.zeros((1, 40, 3), np.float32),
    eyes_TN3=np.zeros((1, 60, 3), np.float32),
    head_TC=np.zeros((1, 7), np.float32),
    torso_TN3=np.zeros((1, 18, 3), np.float32),
)


def draw(folder: Path, room: Room) -> str:
    """Load the package and its renderer, and draw a frame of the subject keeping still."""
    found = fetch_subject_folder(str(folder), cache=room.folder / "cache")
    with translated("spec.subject"):
        subject = SubjectPackage.load(found)
        for text in (subject.name, subject.consent, subject.provenance, subject.licence):
            assert isinstance(text, str)
            text.encode()
        renderer = load_renderer(subject=subject, device="cpu")
        face = room.bench.composer.compose(
            STILL, lead=0, frame_count=1, subject=subject, amplitude=Amplitude()
        )
        (frame_HW3,) = renderer.render(face, first_frame=123_456)
    assert np.isfinite(face.mesh_TN3).all()
    assert frame_HW3.shape == (renderer.size, renderer.size, 3)
    return "ok"
