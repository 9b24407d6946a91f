"""Whether what training imports beyond a render is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from jobs.errors import TrainingError
from jobs.installation import INSTALL_ALL

_TRAINING_EXTRA: Final = ("fsspec", "pandas", "pyarrow", "skimage", "tensorboardX")


def check_training_installed() -> None:
    """See that training can be imported.

    Raises:
        TrainingError: The extra is not installed.
    """
    missing = [name for name in _TRAINING_EXTRA if find_spec(name) is None]
    if missing:
        raise TrainingError(
            f"training needs {', '.join(missing)}, which a render does without",
            where="train",
            code="training_extra_missing",
            hint=INSTALL_ALL,
        )
