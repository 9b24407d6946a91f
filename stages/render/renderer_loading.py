"""The renderer that a subject's package asks for, by the header of its weights."""

from __future__ import annotations

from stages.errors import SubjectError
from stages.render.forms import unavailable
from stages.render.renderer_facts import Architecture, RendererFacts
from stages.render.renderer_stage import RendererStage
from stages.render.repairing import RepairForm
from stages.render.warped_stage import WarpedStage
from stages.subject.library_file import LIBRARY_FILE
from stages.subject.package import SubjectPackage


def load_renderer(
    *, subject: SubjectPackage, device: str, form: RepairForm = RepairForm.EXACT
) -> RendererStage | WarpedStage:
    """Load it.

    Raises:
        SubjectError: it warps references, and the package has none (``library_missing``), or damaged ones.
        WeightsError: the weights are of another network, or of another subject, or the network cannot be computed in
            this form here (``form_unavailable``).
    """
    if RendererFacts.of(subject).architecture is Architecture.DRAWN:
        if form is not RepairForm.EXACT:
            raise unavailable(form, f"the paper's U-Net, which draws {subject.name}, has no such form")
        return RendererStage.load(subject=subject, device=device)
    if subject.library is None:
        raise SubjectError(
            code="library_missing",
            where=subject.name,
            what=f"the renderer warps references, and the package has no {LIBRARY_FILE}",
            hint="complete the package, or prepare the subject again, into an empty folder",
        )
    return WarpedStage.load(subject=subject, device=device, form=form)
