"""What a store keeps of renders, and for how long: a segment lives while a manifest or a link of a plan names it.

A plan's folder holds its links, its masters and its manifests. Letting go of a render removes them, and nothing that
was delivered. What nothing names any more is swept.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from infra.storage import ObjectStore
from jobs.errors import ObjectNotFound, StoreError
from jobs.manifest import Manifest
from jobs.plan import inspection_key
from jobs.segment_link import SegmentLink

RENDERS: Final = "renders/"
SEGMENTS: Final = "segments/"

_TAKE = re.compile(r"(?P<take>.*/take-\d+)/(?:(?P<link>segment-\d+\.json)|(?P<manifest>manifest[^/]*\.json))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep came to.

    Attributes:
        let_go: Objects in the folders of renders that were let go of.
        kept: Segments that something names.
        removed: Segments that nothing named.
        removed_bytes: Their size.
    """

    let_go: int
    kept: int
    removed: int
    removed_bytes: int

    def as_record(self) -> dict[str, Any]:
        """The sweep as plain data."""
        return {
            "let_go": self.let_go,
            "kept": self.kept,
            "removed": self.removed,
            "removed_bytes": self.removed_bytes,
        }


def folder_of_render(owner: str, render: str) -> str:
    """Where a store keeps what it has of a job's renders, with a slash at the end.

    Args:
        owner: The studio.
        render: Project and name of the job, joined by a slash.
    """
    return f"{RENDERS}{owner}/{render}/"


def sweep(store: ObjectStore, *, let_go: Collection[str] = (), is_rehearsal: bool = False) -> Swept:
    """Let go of renders, and remove the segments that nothing names any more.

    A render that finds a segment while it is being removed fails at its master (``object_not_found``), and renders it
    when it is run again: sweep while none runs.

    Args:
        store: The store.
        let_go: Folders of renders, see `folder_of_render`.
        is_rehearsal: Only say what would be removed.

    Raises:
        StoreError: The store failed; there is nothing in a folder (``nothing_rendered_there``); or something that may
            name segments cannot be read (``bad_link``, ``bad_manifest``), and no segment is removed.
    """
    # First: what is committed from here on is not among them.
    everything = list(store.list(SEGMENTS))
    held = [key for key in everything if key.endswith(".mp4")]
    folders: dict[str, list[str]] = {folder: list(store.list(folder)) for folder in let_go}
    for folder, keys in folders.items():
        if not keys:
            raise StoreError(
                "the store keeps nothing of it",
                where=folder,
                code="nothing_rendered_there",
                hint="name project and name of a render job, and its --studio",
            )
    gone = {key for keys in folders.values() for key in keys}
    named = frozenset(_named(store, without=gone))
    unnamed = [key for key in held if key not in named]
    sizes = [facts.size_bytes for key in unnamed if (facts := store.head(key)) is not None]
    if not is_rehearsal:
        stay = named | {inspection_key(key) for key in named}
        doomed = [key for key in everything if key not in stay]
        # Segments before their inspections: what is committed has always been inspected.
        for key in [*sorted(gone), *sorted(doomed, key=lambda key: not key.endswith(".mp4"))]:
            store.delete(key)
    return Swept(
        let_go=len(gone), kept=len(held) - len(unnamed), removed=len(unnamed), removed_bytes=sum(sizes)
    )


def _named(store: ObjectStore, *, without: Collection[str]) -> Iterator[str]:
    """Keys of the segments that links and manifests name, those in some files apart."""
    found = [match for key in store.list(RENDERS) if key not in without and (match := _TAKE.fullmatch(key))]
    # A whole take's manifest names all that its links do.
    whole = {match["take"] for match in found if match["manifest"] == "manifest.json"}
    for match in found:
        key = match.string
        if match["link"] and match["take"] in whole:
            continue
        try:
            data = store.get(key)
        except ObjectNotFound:
            continue
        if match["link"]:
            yield SegmentLink.from_json(data, where=key).key
        else:
            yield from (segment.key for segment in Manifest.from_json(data, where=key).segments)
