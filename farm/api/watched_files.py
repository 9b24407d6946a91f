"""Files of watched takes for any number of watchers: each piece is made once, however many ask for it at once.

Whoever watches asks for what was committed last, so the pieces of the last minutes are at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from threading import Condition
from typing import Final, Protocol

from anyio import CapacityLimiter, to_thread
from cachetools import LRUCache, cached

from farm.watching.file_names import LIST_ENDING, TakeFile
from farm.watching.watched_take import WatchedTake

_KEPT_BYTES: Final = 128_000_000
_AT_ONCE: Final = 8
"""Files that are made at the same moment; others wait, and everything else the server does goes on."""


class MakesFiles(Protocol):
    """See `farm.watching.take_files.TakeFiles`."""

    def file(self, view: WatchedTake, name: str) -> TakeFile:
        """One file of a take."""
        ...


class WatchedFiles:
    """The files of one process."""

    def __init__(self, opened: Callable[[], MakesFiles]) -> None:
        """Nothing is opened before somebody watches.

        Args:
            opened: What makes the files; called once, or twice where the first two watchers come together.
        """
        self._opened = cache(opened)
        self._limiter: CapacityLimiter | None = None
        kept: LRUCache[tuple[str, int, str], TakeFile] = LRUCache(
            _KEPT_BYTES, getsizeof=lambda file: len(file.content)
        )
        self._piece = cached(kept, key=_key_of, condition=Condition())(self._made)

    async def file(self, view: WatchedTake, name: str) -> TakeFile:
        """One file, as `TakeFiles` makes it; raises as it does."""
        if self._limiter is None:
            self._limiter = CapacityLimiter(_AT_ONCE)  # which belongs to the loop that first uses it
        # What a list holds changes, and costs little.
        make = self._made if name.endswith(LIST_ENDING) else self._piece
        return await to_thread.run_sync(make, view, name, limiter=self._limiter)

    def _made(self, view: WatchedTake, name: str) -> TakeFile:
        return self._opened().file(view, name)


def _key_of(view: WatchedTake, name: str) -> tuple[str, int, str]:
    return view.job, view.number, name
