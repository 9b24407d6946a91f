"""The identity of what renders: part of every plan, so that a segment of other code is never taken for ours."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from jobs.version import engine_version

_PACKAGES: Final = ("jobs", "stages")
"""Our packages whose code decides bytes: what is planned, and what is made."""

_LIBRARIES: Final = ("av", "numpy", "opencv-python-headless", "scipy", "torch")
"""Libraries whose release decides bytes."""


def engine_identity() -> str:
    """Version and a digest of the code and libraries that decide bytes, such as ``0.1.0+3f9c2a7b51d0``.

    The version alone does not tell an edited checkout, installed in place, from the release it started as.

    Raises:
        importlib.metadata.PackageNotFoundError: The project is not installed.
    """
    digest = hashlib.sha256()
    for package in _PACKAGES:
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            digest.update(source_digest(Path(spec.origin).parent).encode())
    for library in _LIBRARIES:
        digest.update(f"{library}=={version(library)}\n".encode())
    return f"{engine_version()}+{digest.hexdigest()[:12]}"


def source_digest(folder: Path) -> str:
    """sha256 over the names and contents of all Python files and data of the code below `folder`.

    Weights and subjects are left out: a plan names those it uses by hashes of their own.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (path.suffix == ".py" or path.parent.name == "data"):
            digest.update(f"{path.relative_to(folder).as_posix()}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
