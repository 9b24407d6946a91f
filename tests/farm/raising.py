"""The four kinds of what nobody foresees, raised for real: each with a traceback of its own."""

from __future__ import annotations

import errno
from typing import Any, NoReturn

import pytest

SECRET = "postgresql://farm:hunter2@db.studio.example/farm"


def _runtime_error() -> NoReturn:
    raise RuntimeError(f"it tripped\nover {SECRET}\x1b[31m and {'on ' * 5000}")


def _memory_error() -> NoReturn:
    raise MemoryError


def _recursion_error() -> Any:
    def there() -> Any:
        return back()

    def back() -> Any:
        return there()

    return there()


def _os_error() -> NoReturn:
    raise OSError(errno.EIO, "Input/output error", "/dev/nowhere")


RAISING = {
    "RuntimeError": _runtime_error,
    "MemoryError": _memory_error,
    "RecursionError": _recursion_error,
    "OSError": _os_error,
}


# What is caught is the same for all of them; the default run takes one, the long run the others.
KINDS = [
    pytest.param(kind, marks=() if kind == "RuntimeError" else pytest.mark.slow, id=kind) for kind in RAISING
]


def raiser(kind: str) -> Any:
    """A function that raises this kind of exception, whatever it is called with."""

    def trip(*_: Any, **__: Any) -> Any:
        return RAISING[kind]()

    return trip
