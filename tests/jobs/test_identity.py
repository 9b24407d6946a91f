from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from jobs.identity import canonical_json, sha256_of_bytes, sha256_of_file, sha256_of_record


def test_the_order_of_fields_does_not_change_a_record() -> None:
    assert canonical_json({"b": 1, "a": [1.0, "ä"]}) == canonical_json({"a": [1.0, "ä"], "b": 1})
    assert canonical_json({"b": 1, "a": "ä"}) == b'{"a":"\\u00e4","b":1}'


def test_numbers_that_json_cannot_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"head": float("nan")})


def test_objects_without_a_form_in_json_are_refused() -> None:
    with pytest.raises(TypeError):
        canonical_json({"path": Path("x")})


def test_a_file_and_its_bytes_have_one_hash(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    path = tmp_path / "large"
    path.write_bytes(data)
    assert sha256_of_file(path) == sha256_of_bytes(data) == hashlib.sha256(data).hexdigest()


def test_the_hash_of_a_record_is_written_down_so_that_it_cannot_drift() -> None:
    known = hashlib.sha256(b'{"a":1,"b":[true,null,0.5]}').hexdigest()
    assert sha256_of_record({"b": [True, None, 0.5], "a": 1}) == known
