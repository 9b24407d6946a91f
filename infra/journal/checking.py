"""Proof that a journal is whole: no gap, every hash, and the end where it should be."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from infra.journal.chain import NO_ENTRY, Link, chain_of
from jobs.errors import JournalCorrupt


def check_links(
    links: Iterable[Link],
    *,
    sequence: int,
    chain: bytes,
    epoch: int,
    last_epoch: int,
    damage: Callable[[], str],
    where: str,
) -> None:
    """Check entries 1 to `sequence`, then what the database itself finds.

    Args:
        links: Entries with the hashes that lie beside them.
        sequence: Of the last entry, as the head says it.
        chain: The head's hash.
        epoch: The head's epoch.
        last_epoch: The greatest epoch that was begun.
        damage: The database's own check.
        where: The journal's address.

    Raises:
        JournalCorrupt: Something does not fit; the first entry that is wrong is named.
    """
    expected, before, last = 0, NO_ENTRY, 0
    for link in links:
        expected += 1
        entry = link.entry
        if entry.sequence != expected:
            raise _corrupt(f"entry {expected} is missing", where)
        if not _is_sound(link) or chain_of(before, entry) != link.chain:
            raise _corrupt(f"entry {expected} is not what was written, or something before it is not", where)
        if not last <= entry.epoch <= epoch:
            raise _corrupt(f"entry {expected} is of epoch {entry.epoch}, after {last}", where)
        before, last = link.chain, entry.epoch
    if expected != sequence:
        raise _corrupt(f"entry {expected + 1} is missing", where)
    found = damage()
    if found:
        raise _corrupt(f"the database is damaged: {found}", where)
    if before != chain or epoch != last_epoch:
        raise _corrupt(f"the end of the journal, after entry {sequence}, is not what was written", where)


def _is_sound(link: Link) -> bool:
    """Damage can change what kind of value a database finds."""
    entry = link.entry
    kinds = (
        (entry.epoch, int),
        (entry.at, float),
        (entry.body, str),
        (link.chain, bytes),
    )
    return all(isinstance(value, kind) for value, kind in kinds)


def _corrupt(message: str, where: str) -> JournalCorrupt:
    return JournalCorrupt(message, where=where, hint="restore the journal from a backup")
