"""Frames that are made ready in a thread of their own, while those before them are worked on."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import Final, TypeVar

Item = TypeVar("Item")

_AHEAD: Final = 4
"""Items that wait at most: enough to even out single slow ones, and few enough to weigh nothing."""

_LOOK_S: Final = 0.1
"""How often a producer that has to wait looks whether anybody still wants its items."""


class _End:
    """What closes a queue: the error that ended the items, or None where they were all there."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def read_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items in the same order; decoding and conversion of the next run beside the work on this one.

    Closing the result, or leaving it unfinished, ends the thread. Raises what `items` raises, at its place.
    """
    queue: Queue[Item | _End] = Queue(maxsize=_AHEAD)
    unwanted = Event()
    producer = Thread(target=_produce, args=(items, queue, unwanted), name="read-ahead", daemon=True)
    producer.start()
    try:
        while True:
            item = queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        unwanted.set()
        producer.join()


def _produce(items: Iterator[Item], queue: Queue[Item | _End], unwanted: Event) -> None:
    error: BaseException | None = None
    try:
        for item in items:
            if not _put(queue, item, unwanted):
                break
    except BaseException as raised:  # noqa: BLE001 - handed to the thread that waits for the items
        error = raised
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()
    _put(queue, _End(error), unwanted)


def _put(queue: Queue[Item | _End], item: Item | _End, unwanted: Event) -> bool:
    while not unwanted.is_set():
        try:
            queue.put(item, timeout=_LOOK_S)
        except Full:
            continue
        return True
    return False
