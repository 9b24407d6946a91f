"""Which files a subject package is made of, for whoever copies one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from stages.files import is_plain_file
from stages.subject.package_files import damaged, inside, read_facts

_FACTS: Final = "subject.yaml"
_MOST_FILES: Final = 100


def package_contents(folder: Path) -> dict[str, Path]:
    """Every file of a package by its path relative to the folder above it, such as ``jane/subject.yaml``.

    What lies in folders of the package (clips, training data) draws nothing and is left out; so are hidden files.
    Weights that the package shares with its neighbours lie beside its folder and belong to it all the same.

    Raises:
        SubjectError: The folder is no package, or a damaged one.
    """
    try:
        names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise damaged(folder, f"the folder cannot be read: {error.strerror}") from error
    files = {f"{folder.name}/{name}": folder / name for name in names if is_plain_file(folder / name)}
    if len(files) > _MOST_FILES:
        raise damaged(folder, f"it holds more than {_MOST_FILES} files")
    if f"{folder.name}/{_FACTS}" in files:
        weights = read_facts(inside(folder, _FACTS), fields=("name", "renderer"))["renderer"]
        path = inside(folder, weights, root=folder.parent)
        if weights and not path.is_relative_to(folder.resolve()):
            files[path.relative_to(folder.parent.resolve()).as_posix()] = path
    return files
