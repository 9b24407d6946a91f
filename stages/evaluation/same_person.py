"""Is it the same person? Face embeddings of FaceNet, where it is installed.

Legend: H/W pixels, 3 = RGB, E embedding width, M faces.
"""

from __future__ import annotations

from threading import Lock
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.assets import FACENET
from stages.metrics.steadiness import Box

Floats = NDArray[np.float32]

_SIDE: Final = 160
_MARGIN: Final = 0.25
"""FaceNet was trained on boxes from the hair to below the chin: the face's box and a quarter of its height more."""


class FaceEmbedder:
    """FaceNet (Inception-ResNet-v1); threads take turns."""

    def __init__(self) -> None:
        """Raises WeightsError when the network is not installed, or altered."""
        graph = np.frombuffer(FACENET.read(), dtype=np.uint8)
        self._network = cv2.dnn.readNetFromTensorflow(graph)
        self._lock = Lock()

    def embed(self, frame_HW3: NDArray[np.uint8], face: Box) -> Floats:
        """Unit vector (E,) of the face in a box of an RGB picture."""
        face_HW3 = cv2.resize(_cut(frame_HW3, face), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        pixels = face_HW3.astype(np.float32)
        whitened = (pixels - pixels.mean()) / max(float(pixels.std()), 1.0 / np.sqrt(pixels.size))
        with self._lock:
            self._network.setInput(cv2.dnn.blobFromImage(whitened))
            vector_E = self._network.forward()[0].astype(np.float32)
        return np.asarray(vector_E / np.linalg.norm(vector_E), dtype=np.float32)


def likeness(faces_ME: Floats, of_ME: Floats) -> float:
    """Mean cosine of faces to the mean of others."""
    mean_E = of_ME.mean(axis=0)
    return float((faces_ME @ (mean_E / np.linalg.norm(mean_E))).mean())


def _cut(frame_HW3: NDArray[np.uint8], face: Box) -> NDArray[np.uint8]:
    """A square around a face, as far as the picture reaches."""
    height, width = frame_HW3.shape[:2]
    rows, columns = face
    half = (1 + _MARGIN) * (rows.stop - rows.start) / 2
    y, x = (rows.start + rows.stop) / 2, (columns.start + columns.stop) / 2
    top, bottom = max(0, int(y - half)), min(height, int(y + half) + 1)
    left, right = max(0, int(x - half)), min(width, int(x + half) + 1)
    return np.ascontiguousarray(frame_HW3[top:bottom, left:right])
