"""Where the shipped weights and subjects lie."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal

from stages.errors import SubjectError

BuiltinNetwork = Literal["moda", "faco", "compact-1", "compact-3", "renderer", "sync", "lip_predictor"]


def _root() -> Path:
    return Path(str(files("stages.builtin")))


def builtin_subject_names() -> tuple[str, ...]:
    """Names of the shipped subjects, sorted."""
    return tuple(sorted(path.parent.name for path in (_root() / "subjects").glob("*/subject.yaml")))


def builtin_subject(name: str) -> Path:
    """Folder of a shipped subject. Raises SubjectError for an unknown name."""
    if name not in builtin_subject_names():
        raise SubjectError(
            code="subject_unknown",
            where=f"builtin:{name}",
            what="no such built-in subject",
            hint=f"built-in are: {', '.join(builtin_subject_names())}",
        )
    return _root() / "subjects" / name


def builtin_weights(network: BuiltinNetwork) -> Path:
    """The shared weights of a stage or of a speech encoder; the actors share one renderer, beside their packages."""
    folder = "subjects" if network == "renderer" else "weights"
    return _root() / folder / f"{network}.safetensors"
