from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import StoreError
from jobs.manifest import (
    Manifest,
    MasterRecord,
    SegmentRecord,
    SpeechRecord,
    SubjectRecord,
    files_in_manifest,
)

SHA = "0123456789abcdef" * 4
KEPT = sorted((Path(__file__).parent / "kept_manifests").iterdir())


def a_manifest() -> Manifest:
    return Manifest(
        engine_version="0.1.0",
        device_kind="cpu x86_64 avx2",
        job={"kind": "RenderJob"},
        plan_hash=SHA,
        seed=7,
        take=1,
        takes=1,
        speech=SpeechRecord(sha256=SHA, source_rate=24_000, source_samples=258_000, frame_count=269),
        subject=SubjectRecord(name="actor-a", sha256=SHA, consent="fictional"),
        weights_sha256={"motion": SHA},
        encoder={"codec": "libx264", "crf": 18},
        segments=[
            SegmentRecord(
                index=0, first_frame=0, frame_count=50, key="renders/x.mp4", sha256=SHA, size_bytes=9
            )
        ],
        master=MasterRecord(
            uri="../out/hello.mp4", sha256=SHA, size_bytes=9, frame_count=269, fps="25", size_px=256
        ),
    )


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.stem)
def test_manifests_of_every_release_are_read(kept: Path) -> None:
    manifest = Manifest.from_json(kept.read_bytes())
    record = json.loads(kept.read_text())
    assert manifest.model_dump(mode="json", exclude_unset=True) == record
    assert files_in_manifest(kept.read_bytes()) == {
        record["master"]["sha256"]: record["master"]["size_bytes"]
    }


def test_a_manifest_survives_being_stored() -> None:
    manifest = a_manifest()
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert manifest.to_json() == a_manifest().to_json()


def test_a_manifest_says_that_the_video_is_synthetic() -> None:
    assert json.loads(a_manifest().to_json())["synthetic"] is True


@pytest.mark.parametrize(
    ("field", "value"),
    [("synthetic", False), ("plan_hash", "abc"), ("segments", []), ("extra", 1), ("seed", "7"), ("take", 0)],
)
def test_a_manifest_that_is_not_one_is_refused(field: str, value: Any) -> None:
    record = {**json.loads(a_manifest().to_json()), field: value}
    with pytest.raises(StoreError) as caught:
        Manifest.from_json(json.dumps(record).encode(), where="renders/manifest.json")
    assert caught.value.code == "bad_manifest"
    assert field in caught.value.message


def test_a_subject_without_consent_has_no_manifest() -> None:
    with pytest.raises(ValueError, match="consent"):
        SubjectRecord(name="actor-a", sha256=SHA, consent="")


def test_a_manifest_of_before_there_were_gaps_is_read() -> None:
    record = json.loads(a_manifest().to_json())
    del record["filled"]
    assert Manifest.from_json(json.dumps(record).encode()) == a_manifest()
