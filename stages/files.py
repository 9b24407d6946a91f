"""Files whose names, sizes and contents somebody else chose."""

from __future__ import annotations

import errno
import stat
from pathlib import Path
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

_LARGEST_RECORD: Final = 10_000_000


def is_plain_file(path: Path) -> bool:
    """Whether an ordinary file lies there; False, too, where the name is one that no file can have."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def read_record(path: Path) -> str:
    """The text of a small file, such as a record in JSON.

    Raises:
        OSError: there is no ordinary file, which a pipe is not, or one of 10 MB and more.
        ValueError: it is not UTF-8.
    """
    if not is_plain_file(path):
        raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
    if path.stat().st_size > _LARGEST_RECORD:
        raise OSError(errno.EFBIG, "file too large", str(path))
    return path.read_text(encoding="utf-8")


def check_types(record: Any) -> None:
    """Raise TypeError where a field of a dataclass holds what it cannot hold; making one checks nothing.

    Args:
        record: an instance whose fields are plain types, or unions of them; of what a tuple holds nothing is checked.
    """
    for name, wanted in get_type_hints(type(record)).items():
        value = getattr(record, name)
        is_union = get_origin(wanted) in (Union, UnionType)
        kinds = get_args(wanted) if is_union else (get_origin(wanted) or wanted,)
        # A whole number is a number too; that Python counts booleans among them means nothing here.
        is_right = bool in kinds if isinstance(value, bool) else isinstance(value, kinds)
        if not is_right and not (type(value) is int and float in kinds):
            raise TypeError(f"{name} cannot be {value!r}")
