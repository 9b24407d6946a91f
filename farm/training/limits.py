"""The last step of a subject's training: what its videos are held against is fitted to what they are drawn with now."""

from __future__ import annotations

from farm.training.progress import FittedLimits
from farm.training.train_plan import TrainingPlan
from farm.translation import translated
from stages.subject.package import SubjectPackage


def fit_limits(plan: TrainingPlan) -> FittedLimits | None:
    """Fit the limits of the package that received the weights; None where none did.

    Raises:
        CastingError: The package, or the clip beside it, is damaged.
    """
    if plan.subject is None:
        return None
    with translated("spec.subject"):
        # Imported here: it loads the networks, and commands import this file.
        from stages.inspection.fitting import fit_norms

        found = fit_norms(SubjectPackage.load(plan.subject), folder=plan.subject)
    return FittedLimits(frames=found.fitted.frames, unseen=found.fitted.unseen, beyond=found.beyond)
