"""The average face. Legend: N points (478), 3 = (x, y, z)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray


@cache
def average_face() -> NDArray[np.float64]:
    """The average face (478, 3) in canonical space; not to be written into."""
    with np.load(str(files("stages.geometry") / "data" / "canonical_mesh.npz")) as stored:
        mesh_N3: NDArray[np.float64] = stored["mesh_N3"].astype(np.float64)
    mesh_N3.flags.writeable = False
    return mesh_N3
