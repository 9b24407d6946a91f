"""What a subject package is and holds, found by loading everything that a render of it loads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from stages.inspection.norms import Norms, read_norms
from stages.render.renderer_facts import RendererFacts
from stages.render.renderer_loading import load_renderer
from stages.subject.library_file import read_library
from stages.subject.package import SubjectPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLibrary:
    """The reference library of a package.

    Attributes:
        references: Pictures of the subject.
        size_bytes: Of the file.
        is_still: Whether there is a background that stands still; if not, the subject is not cut out of it.
        unseen, restless: See `stages.warp.plate.BackgroundPlate`.
    """

    references: int
    size_bytes: int
    is_still: bool
    unseen: float
    restless: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLimits:
    """What videos of a subject are held against.

    Attributes:
        own: Whether these are the subject's own limits; if not, those for all.
        frames, unseen: See `stages.inspection.norms.FittedOn`; None where nothing is said of it.
        notice: Why its own are not used; empty where they are, and where it has none.
    """

    own: bool
    frames: int | None
    unseen: int | None
    notice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectOverview:
    """A package.

    Attributes:
        name, consent, provenance, licence: As it says.
        sha256: Of all that draws it.
        untrained: It is drawn by warping its references alone.
        architecture: How it is drawn, see `stages.render.renderer_facts.Architecture`.
        size_px: Side of what is drawn.
        trained_frames: Frames of its clip that the renderer has seen.
        library: Its references; None where it has none.
        limits: What videos of it are held against.
        motion: How far its head moves, in words; empty where that is not limited.
    """

    name: str
    consent: str
    provenance: str
    licence: str
    sha256: str
    untrained: bool
    architecture: str
    size_px: int
    trained_frames: int
    library: HeldLibrary | None
    limits: HeldLimits
    motion: str = ""

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Look at a package.

        Raises:
            SubjectError: It is none, or something in it is missing, damaged, or another subject's.
            WeightsError: Its weights are damaged, of another network, or another subject's.
        """
        subject = SubjectPackage.load(folder)
        facts = RendererFacts.of(subject)
        # To load it is the only proof that it can be.
        load_renderer(subject=subject, device="cpu")
        return cls(
            name=subject.name,
            consent=subject.consent,
            provenance=subject.provenance,
            licence=subject.licence,
            sha256=subject.sha256,
            untrained=not subject.is_trained,
            architecture=facts.architecture.value,
            size_px=facts.size,
            trained_frames=facts.trained_frames,
            library=_held_library(subject),
            limits=_held_limits(subject, folder=folder, size=facts.size),
            motion="" if subject.motion_limits is None else subject.motion_limits.sentence(),
        )


def _held_library(subject: SubjectPackage) -> HeldLibrary | None:
    if subject.library is None:
        return None
    stored = read_library(subject.library, template=subject.template)
    return HeldLibrary(
        references=len(stored.frames_R),
        size_bytes=subject.library.stat().st_size,
        is_still=stored.plate.is_still,
        unseen=stored.plate.unseen,
        restless=stored.plate.restless,
    )


def _held_limits(subject: SubjectPackage, *, folder: Path, size: int) -> HeldLimits:
    norms, stored = Norms.of(subject, folder=folder, size=size), read_norms(folder)
    fitted = stored.fitted if stored is not None and norms.is_fitted else None
    return HeldLimits(
        own=norms.is_fitted,
        frames=None if fitted is None else fitted.frames,
        unseen=None if fitted is None else fitted.unseen,
        notice=norms.notice,
    )
