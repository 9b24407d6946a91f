from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import StoreError
from jobs.segment_link import SegmentLink

KEPT = sorted((Path(__file__).parent / "kept_links").iterdir())


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.stem)
def test_links_of_every_version_are_read(kept: Path) -> None:
    link = SegmentLink.from_json(kept.read_bytes(), where=kept.name)
    assert link.model_dump(mode="json") == json.loads(kept.read_bytes())


def test_a_link_survives_being_stored() -> None:
    link = SegmentLink(key=f"segments/north/ab/{'ab' * 32}.mp4")
    assert SegmentLink.from_json(link.to_json(), where="a link") == link


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema_version", "farm.link/v2"),
        ("key", "segments/north/ab/../../../etc.mp4"),
        ("key", "renders/demo/hello/0123456789abcdef/take-01/segment-00007.mp4"),
        ("found", "no"),
        ("extra", 1),
    ],
)
def test_what_is_no_link_of_this_version_is_refused_by_a_code(field: str, value: Any) -> None:
    record = {"schema_version": "farm.link/v1", "key": f"segments/north/ab/{'ab' * 32}.mp4", field: value}
    with pytest.raises(StoreError) as caught:
        SegmentLink.from_json(json.dumps(record).encode(), where="segment-00007.json")
    assert (caught.value.code, caught.value.where) == ("bad_link", "segment-00007.json")
    assert field in caught.value.message
