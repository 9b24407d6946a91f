"""The detector that looks for mouths in rendered pictures: MediaPipe, where it can be loaded.

Legend: H/W pixels, N points, 3 = RGB or (x, y, z).
"""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from stages.errors import StageError, WeightsError

if TYPE_CHECKING:
    from stages.subject.face_tracker import FaceTracker


class FaceDetector:
    """A `Detector` that finds the face of each picture anew; use as a context manager, or close it."""

    def __init__(self) -> None:
        """Load MediaPipe and its model.

        Raises:
            StageError: They are not installed, or a system library is missing (``inspection_no_detector``).
        """
        self._open = ExitStack()
        try:
            # Imported here: MediaPipe is large, and everything but re-detection works without it.
            from stages.subject.face_tracker import FaceTracker

            self._tracker: FaceTracker = self._open.enter_context(FaceTracker())
        except (ImportError, OSError, RuntimeError, ValueError, WeightsError) as error:
            raise StageError(
                code="inspection_no_detector",
                where="MediaPipe",
                what=f"it cannot be loaded: {_first_line(error)}",
                hint="install the system libraries EGL and GLES (libegl1, libgles2) and, with pip install --no-deps,"
                " what requirements-render.txt lists",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def find(self, frame_HW3: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """(478, 3) points in px on the 512 canvas, or None where there is no face."""
        track = self._tracker.track(frame_HW3)
        return None if track is None else track.mesh_N3

    def close(self) -> None:
        """Free the detector; may be called twice."""
        self._open.close()


def _first_line(error: Exception) -> str:
    if isinstance(error, StageError):
        return error.what
    return next(iter(str(error).splitlines()), "") or type(error).__name__
