from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from stages.files import check_types, is_plain_file, read_record


def test_only_an_ordinary_file_is_one(tmp_path: Path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    names = ("file", "link", "loop", "pipe", ".", "none", "x" * 300, "a\0b")
    assert [name for name in names if is_plain_file(tmp_path / name)] == ["file", "link"]


def test_a_record_is_a_small_file_of_text(tmp_path: Path):
    (tmp_path / "small").write_text("é", encoding="utf-8")
    assert read_record(tmp_path / "small") == "é"
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 1 << 40)
    os.mkfifo(tmp_path / "pipe")
    for name in ("binary", "large", "pipe", "none"):
        with pytest.raises((OSError, ValueError)):
            read_record(tmp_path / name)


@dataclass(frozen=True)
class Facts:
    text: str = "a"
    count: int = 1
    share: float = 0.5
    flag: bool = True
    maybe: float | None = None


@pytest.mark.parametrize("changed", [{}, {"share": 1}, {"maybe": 1}, {"maybe": 0.5}, {"flag": False}])
def test_right_types_pass(changed: dict[str, object]):
    check_types(Facts(**changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"text": 1},
        {"count": 1.0},
        {"count": True},
        {"share": "1"},
        {"share": True},
        {"flag": 1},
        {"maybe": "x"},
    ],
)
def test_other_types_are_told(changed: dict[str, object]):
    with pytest.raises(TypeError, match=next(iter(changed))):
        check_types(Facts(**changed))
