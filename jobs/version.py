"""The version that plans and manifests carry."""

from __future__ import annotations

from importlib.metadata import version


def engine_version() -> str:
    """Version of the installed project.

    Raises:
        importlib.metadata.PackageNotFoundError: The project is not installed; a bare checkout has no version.
    """
    return version("moda-farm")
