"""What a run of the farm that was killed left beside the masters it was writing."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from infra.storage import ObjectStore
from jobs.queued import QueuedJob, outputs_of
from stages.whole_files import PARTIAL

logger = logging.getLogger(__name__)

# So much of the name of a missing folder is in the name of the one that room is proved in; see `farm.destinations`.
_FOLDER_NAME = 64


# What a commit is tried with; see `infra.storage.folder` and `farm.preparation`.
_PROBE = "probe"


@dataclass(slots=True)
class _Known:
    """Names of one folder that the farm may have written there under a partial name."""

    files: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)


def remove_leftovers(jobs: Iterable[QueuedJob], *, store: ObjectStore) -> None:
    """Remove half-written masters, manifests and proofs of room of these jobs.

    Call it before this run of the farm plans or finishes anything: it does not ask who writes. Another run that still
    does may write no word of it into the journal.
    """
    known: defaultdict[Path, _Known] = defaultdict(_Known)
    for place in (f"{store.uri.rstrip('/')}/{_PROBE}", *_places(jobs)):
        if "://" in place:
            continue
        path = Path(place)
        known[path.parent].files.add(path.name)
        for folder in path.parents:
            # Room is proved beside the first folder that was missing then; all may be there now.
            known[folder.parent].folders.add(folder.name[:_FOLDER_NAME])
    if "://" not in store.uri:
        for folder in Path(store.uri, _PROBE).parents:
            # A commit is tried in the first folder that is there, which may have been one above the store's.
            known[folder].files.add(_PROBE)
    for folder, names in known.items():
        _remove(folder, names)


def _places(jobs: Iterable[QueuedJob]) -> Iterable[str]:
    for loaded in jobs:
        yield from (place.location for place in outputs_of(loaded) if not place.is_folder)


def _remove(folder: Path, known: _Known) -> None:
    try:
        found = [path for path in folder.iterdir() if PARTIAL.fullmatch(path.name)]
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        # What is left there is in the way of nothing but the disk.
        logger.info("%s cannot be searched for leftovers: %s", folder, error)
        return
    for path in found:
        try:
            if _remove_one(path, known):
                logger.info("%s was left by an earlier run of the farm and is removed", path)
        except (OSError, ValueError) as error:
            logger.info("%s was left by an earlier run of the farm and stays: %s", path, error)


def _remove_one(path: Path, known: _Known) -> bool:
    """Remove what is found under a partial name, if the name is known; says whether it was."""
    partial = PARTIAL.fullmatch(path.name)
    name = partial[1] if partial else ""
    if _is_folder(path):
        if name not in known.folders:
            return False
        _remove_proof(path)
    elif name not in known.files:
        return False
    else:
        path.unlink(missing_ok=True)
    return True


def _remove_proof(top: Path) -> None:
    """Remove a folder that room was proved in: one in the other, with an empty file in the last one at most.

    Raises:
        OSError: It is anything else; what is in it stays.
    """
    folders = [top]
    # One by one: a job may name a thousand, which is more than a walk that calls itself can do.
    while True:
        inside = list(folders[-1].iterdir())
        if len(inside) != 1 or not _is_folder(inside[0]):
            break
        folders.append(inside[0])
    for path in inside:
        if PARTIAL.fullmatch(path.name) and path.is_file() and path.lstat().st_size == 0:
            path.unlink()
    for folder in reversed(folders):
        folder.rmdir()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
