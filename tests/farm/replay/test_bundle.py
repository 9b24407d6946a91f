"""What a bundle keeps, and that one which is not as it was written is refused with one coded error."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from farm.execution.pools.messages import Task
from farm.replay.bundle import Failure, TryRecord
from farm.replay.reading import read_bundle
from jobs.errors import BundleUnusable, InputChanged, OutputUnwritable
from stages.builtin import builtin_subject
from stages.payloads import MESH_POINTS, TORSO_POINTS
from stages.subject.package import SubjectPackage

FACE = "face.safetensors"
KEPT = Path(__file__).parent / "kept_bundles"
FACE_FRAMES = 15  # of the segment of `segment_task` and of its context


def test_a_bundle_gives_back_the_task(bundle: Any, segment_task: Task) -> None:
    crash = Failure.crash("the replica died")
    folder = bundle(failure=crash, tries=[TryRecord(replica="render-1", failure=crash)])
    read = read_bundle(folder)
    assert read.record.failure == crash
    assert [each.replica for each in read.record.tries] == ["render-1"]
    task = read.task(weights=segment_task.setup.weights, store="/elsewhere")
    assert task.setup == replace(segment_task.setup, store="/elsewhere", subject=folder / "subjects" / "fake")
    assert (task.job, task.unit) == (segment_task.job, segment_task.unit)
    ours, theirs = segment_task.call, task.call
    np.testing.assert_array_equal(ours.face.mesh_TN3, theirs.face.mesh_TN3)
    np.testing.assert_array_equal(ours.face.torso_TN3, theirs.face.torso_TN3)
    assert replace(theirs, face=ours.face) == ours


def test_what_is_behind_the_person_travels_with_the_segment(
    bundle: Any, segment_task: Task, tmp_path: Path
) -> None:
    room = tmp_path / "room.png"
    room.write_bytes(b"a picture")
    sha256 = hashlib.sha256(b"a picture").hexdigest()
    for background, identity in (("#00b140", "#00b140"), (str(room), sha256)):
        setup = replace(segment_task.setup, background=background, background_identity=identity)
        folder = bundle(task=replace(segment_task, setup=setup))
        room.unlink(missing_ok=True)
        read = read_bundle(folder).task(weights=setup.weights, store="/elsewhere").setup
        assert read.background_identity == identity
        held = Path(read.background)
        assert read.background == background or held.read_bytes() == b"a picture"
        assert not held.is_absolute() or held.is_relative_to(folder)
        room.write_bytes(b"a picture")


@pytest.mark.parametrize("left", [b"another picture", None])
def test_a_segment_whose_background_is_another_now_leaves_no_bundle(
    bundle: Any, segment_task: Task, tmp_path: Path, left: bytes | None
) -> None:
    room = tmp_path / "room.png"
    if left is not None:
        room.write_bytes(left)
    sha256 = hashlib.sha256(b"a picture").hexdigest()
    setup = replace(segment_task.setup, background=str(room), background_identity=sha256)
    with pytest.raises(InputChanged):
        bundle(task=replace(segment_task, setup=setup))
    assert not list((tmp_path / "bundles").glob("*"))


@pytest.mark.parametrize("background", ["/etc/hostname", "../room.png", "background"])
def test_a_bundle_names_no_picture_but_the_one_it_holds(bundle: Any, background: str) -> None:
    folder = bundle()
    rewrite(folder, background=background)
    with pytest.raises(BundleUnusable) as refused:
        read_bundle(folder)
    assert refused.value.code == "bad_bundle"


def test_numbers_that_are_none_are_kept(bundle: Any, segment_task: Task) -> None:
    # They may be why the segment failed.
    segment_task.call.face.mesh_TN3[2, 5] = np.nan
    assert np.isnan(read_bundle(bundle()).face.mesh_TN3[2, 5]).all()


def test_a_bundle_holds_plain_files_only(bundle: Any) -> None:
    folder = bundle()
    assert {path.name for path in folder.iterdir()} == {"bundle.json", "face.safetensors", "subjects"}
    assert load_file(folder / "face.safetensors")["mesh_TN3"].dtype == np.float32
    json.loads((folder / "bundle.json").read_text())


def test_a_built_in_subject_travels_with_the_weights_it_shares(bundle: Any, segment_task: Task) -> None:
    original = builtin_subject("actor-b")
    task = replace(segment_task, setup=replace(segment_task.setup, subject=original))
    read = read_bundle(bundle(task=task))
    assert (read.folder / "subjects" / "renderer.safetensors").is_file()
    copy = SubjectPackage.load(read.folder / read.record.subject)
    assert copy.sha256 == SubjectPackage.load(original).sha256


def test_a_newer_bundle_of_the_same_segment_replaces_the_older(bundle: Any) -> None:
    bundle(failure=Failure.crash("first"))
    folder = bundle(failure=Failure.crash("second"))
    assert read_bundle(folder).record.failure.message == "second"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_bundle_that_cannot_be_written_leaves_nothing(bundle: Any, tmp_path: Path) -> None:
    (tmp_path / "bundles").write_text("a file in the way")
    with pytest.raises(OutputUnwritable):
        bundle()
    (tmp_path / "bundles").unlink()
    bundle()


def test_a_segment_that_no_bundle_can_hold_is_an_error_of_the_farm(
    bundle: Any, segment_task: Task, tmp_path: Path
) -> None:
    odd = tmp_path / "a\nname"
    odd.mkdir()
    task = replace(segment_task, setup=replace(segment_task.setup, subject=odd))
    with pytest.raises(OutputUnwritable) as caught:
        bundle(task=task)
    assert "subject" in caught.value.message
    assert list((tmp_path / "bundles").iterdir()) == []


def rewrite(folder: Path, **fields: Any) -> None:
    path = folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def relist(folder: Path, name: str) -> None:
    """Make the list of files agree with a file that was changed."""
    data = (folder / name).read_bytes()
    files = json.loads((folder / "bundle.json").read_text())["files"]
    entry = {"path": name, "sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
    rewrite(folder, files=[file for file in files if file["path"] != name] + [entry])


def save_face(folder: Path, *, frame_count: int = FACE_FRAMES, **arrays: Any) -> None:
    """Put another face into a bundle, which then lists it."""
    face = {
        "mesh_TN3": np.zeros((frame_count, MESH_POINTS, 3), np.float32),
        "torso_TN3": np.zeros((frame_count, TORSO_POINTS, 3), np.float32),
    }
    save_file(face | arrays, folder / FACE)
    relist(folder, FACE)


def _cut(folder: Path) -> None:
    data = (folder / FACE).read_bytes()
    (folder / FACE).write_bytes(data[: len(data) // 2])


def _flip(folder: Path) -> None:
    data = bytearray((folder / FACE).read_bytes())
    data[5000] ^= 1
    (folder / FACE).write_bytes(bytes(data))


def _link(folder: Path) -> None:
    data = (folder / FACE).read_bytes()
    outside = folder.parent / FACE
    outside.write_bytes(data)
    (folder / FACE).unlink()
    (folder / FACE).symlink_to(outside)


def _loop(folder: Path) -> None:
    (folder / FACE).unlink()
    (folder / FACE).symlink_to(FACE)


def _linked_folder(folder: Path) -> None:
    shutil.move(folder / "subjects", folder.parent / "moved")
    (folder / "subjects").symlink_to(folder.parent / "moved")


def _escape(folder: Path) -> None:
    files = json.loads((folder / "bundle.json").read_text())["files"]
    rewrite(folder, files=[*files, {"path": "../../etc/passwd", "sha256": "0" * 64, "size_bytes": 1}])


def _long_name(folder: Path) -> None:
    files = json.loads((folder / "bundle.json").read_text())["files"]
    rewrite(folder, files=[*files, {"path": "n" * 400, "sha256": "0" * 64, "size_bytes": 1}])


def _huge(folder: Path) -> None:
    """Far more frames than it should hold."""
    save_face(folder, frame_count=10_000)


def _other_shape(folder: Path) -> None:
    save_face(folder, torso_TN3=np.zeros(3, np.float32))


def _other_type(folder: Path) -> None:
    save_face(folder, mesh_TN3=np.zeros((FACE_FRAMES, MESH_POINTS, 3), np.float64))


def _more_arrays(folder: Path) -> None:
    save_face(folder, more=np.zeros(1, np.float32))


def _unknown_type(folder: Path) -> None:
    """Of a type that the file format has, and numpy has not."""
    header = json.dumps({"mesh_TN3": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    (folder / FACE).write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    relist(folder, FACE)


def _long_header(folder: Path) -> None:
    """A header that claims to be longer than the file."""
    (folder / FACE).write_bytes((1 << 62).to_bytes(8, "little") + b"{}")
    relist(folder, FACE)


def _objects(folder: Path) -> None:
    """Numpy stores objects as a pickle, which would run what it likes."""
    array = np.empty((12, MESH_POINTS, 3), dtype=object)
    with (folder / FACE).open("wb") as file:
        np.savez(file, mesh_TN3=array, torso_TN3=array)
    relist(folder, FACE)


def _file_of_holes(folder: Path) -> None:
    os.truncate(folder / "bundle.json", 1 << 40)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "cut": _cut,
    "flipped": _flip,
    "link": _link,
    "loop": _loop,
    "linked folder": _linked_folder,
    "escape": _escape,
    "long name": _long_name,
    "huge": _huge,
    "other shape": _other_shape,
    "other type": _other_type,
    "more arrays": _more_arrays,
    "unknown type": _unknown_type,
    "long header": _long_header,
    "objects": _objects,
    "file of holes": _file_of_holes,
    "missing": lambda folder: (folder / FACE).unlink(),
    "stray": lambda folder: (folder / "subjects" / "fake" / "inspection.json").write_text("{}"),
    "pipe": lambda folder: os.mkfifo(folder / "subjects" / "pipe"),
    "record cut": lambda folder: os.truncate(folder / "bundle.json", 100),
    "record no text": lambda folder: (folder / "bundle.json").write_bytes(b"\xff\xfe\0"),
    "record nested": lambda folder: (folder / "bundle.json").write_text("[" * 100_000),
    "record a list": lambda folder: (folder / "bundle.json").write_text("[]"),
    "no version": lambda folder: rewrite(folder, schema_version=None),
    "unknown field": lambda folder: rewrite(folder, colour="red"),
    "subject outside": lambda folder: rewrite(folder, subject="../elsewhere"),
    "absolute subject": lambda folder: rewrite(folder, subject="/etc"),
    "key outside": lambda folder: rewrite(folder, key="../../master.mp4"),
    "rate of nothing": lambda folder: rewrite(folder, fps="0"),
    "rate of many digits": lambda folder: rewrite(folder, fps="9" * 5000),
    "too many frames": lambda folder: rewrite(folder, frame_count=10**9),
    "other frames": lambda folder: rewrite(folder, face_frames=FACE_FRAMES + 1),
    "frames beyond the face": lambda folder: rewrite(folder, frame_count=FACE_FRAMES),
    "a lead beyond the face": lambda folder: rewrite(folder, lead=FACE_FRAMES),
    "a lead before the face": lambda folder: rewrite(folder, lead=-1),
    "no files": lambda folder: rewrite(folder, files=[]),
    "profile": lambda folder: rewrite(folder, profile="cinema"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_bundle_that_is_not_as_it_was_written_is_refused(bundle: Any, damage: Any) -> None:
    folder = bundle()
    damage(folder)
    with pytest.raises(BundleUnusable) as caught:
        read_bundle(folder)
    assert caught.value.code == "bad_bundle"
    assert len(caught.value.line()) < 600


def test_a_bundle_of_another_version_says_so(bundle: Any) -> None:
    folder = bundle()
    rewrite(folder, schema_version="farm.bundle/v4", new_field=1)
    with pytest.raises(BundleUnusable) as caught:
        read_bundle(folder)
    assert caught.value.code == "bundle_version"


def test_of_every_version_a_bundle_is_kept_and_only_that_of_this_one_is_read() -> None:
    assert read_bundle(KEPT / "v3").face.mesh_TN3[:, 1].tolist() == [[3.0, 4.0, 5.0], [4.0, 5.0, 6.0]]
    for version in ("v1", "v2"):
        with pytest.raises(BundleUnusable) as caught:
            read_bundle(KEPT / version)
        assert caught.value.code == "bundle_version"
        assert f"'farm.bundle/{version}'" in caught.value.message
        assert caught.value.hint == "replay it with the release that wrote it"


@pytest.mark.parametrize("place", ["nowhere", "empty", "bundle.json", "nul\0byte", "n" * 5000])
def test_where_there_is_no_bundle_that_is_what_is_told(tmp_path: Path, place: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bundle.json").write_text("{}")
    with pytest.raises(BundleUnusable) as caught:
        read_bundle(tmp_path / place)
    assert caught.value.code == "bundle_not_found"


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_bytes_of_a_face_make_the_reader_do_anything_but_refuse(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("bundles") / "v3"
    shutil.copytree(KEPT / "v3", folder)
    whole = bytearray((folder / FACE).read_bytes())
    # Where the structure is: the length of the header, and the header.
    header = 8 + int.from_bytes(whole[:8], "little")
    for spot in data.draw(st.lists(st.integers(0, header - 1), min_size=1, max_size=4)):
        whole[spot] = data.draw(st.integers(0, 255))
    (folder / FACE).write_bytes(bytes(whole))
    relist(folder, FACE)
    try:
        read = read_bundle(folder)
    except BundleUnusable:
        return
    assert read.face.frame_count == 2


def test_a_face_is_kept_to_the_last_bit(bundle: Any, segment_task: Task) -> None:
    read, given = read_bundle(bundle()).face, segment_task.call.face
    assert read.mesh_TN3.tobytes() == given.mesh_TN3.tobytes()
    assert read.torso_TN3.tobytes() == given.torso_TN3.tobytes()
    assert read.mesh_TN3.flags.writeable
    assert read.torso_TN3.dtype == np.float32
