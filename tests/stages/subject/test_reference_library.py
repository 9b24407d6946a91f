from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from average_actor import average_template
from made_library import made_references, template_of
from posed_actor import PosedActor
from safetensors import safe_open
from safetensors.numpy import save_file

from stages.errors import SubjectError
from stages.subject import library_file
from stages.subject.library_file import (
    LARGEST_LIBRARY,
    LIBRARY_FILE,
    StoredReferences,
    read_library,
    write_library,
)
from stages.subject.package import SubjectPackage


@pytest.fixture(scope="module")
def actor() -> PosedActor:
    return PosedActor.of()


@pytest.fixture(scope="module")
def references(actor: PosedActor) -> StoredReferences:
    return made_references(actor)


@pytest.fixture(scope="module")
def written(
    actor: PosedActor, references: StoredReferences, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("library") / LIBRARY_FILE
    write_library(path, references, template=template_of(actor))
    return path


def changed(written: Path, path: Path, *, header: dict[str, object] | None = None, **tensors: object) -> Path:
    """A copy of a library with other tensors, or with another header."""
    with safe_open(written, framework="numpy") as file:
        kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        stated = json.loads(file.metadata()["header"])
    for name, change in tensors.items():
        kept[name] = change(kept[name]) if callable(change) else change
    kept = {name: np.ascontiguousarray(tensor) for name, tensor in kept.items() if tensor is not None}
    save_file(kept, path, metadata={"header": json.dumps({**stated, **(header or {})})})
    return path


def refusal(path: Path, actor: PosedActor) -> SubjectError:
    with pytest.raises(SubjectError) as caught:
        read_library(path, template=template_of(actor))
    assert caught.value.where == str(path)
    return caught.value


def test_a_library_is_read_as_it_was_written(written: Path, references: StoredReferences, actor: PosedActor):
    back = read_library(written, template=template_of(actor))
    for name in ("frames_R", "points_RP2", "heads_RK", "mouths_RK", "eyes_RK"):
        assert np.array_equal(getattr(back, name), getattr(references, name))
    assert (back.plate.unseen, back.plate.restless) == (references.plate.unseen, references.plate.restless)
    for name, least in (("pictures_RSS3", 40), ("masks_RMM", 45)):
        pairs = zip(getattr(back, name), getattr(references, name), strict=True)
        assert min(cv2.PSNR(*pair) for pair in pairs) > least
    assert np.abs(back.plate.picture_SS3.astype(int) - references.plate.picture_SS3).max() <= 2
    assert written.stat().st_size <= LARGEST_LIBRARY


def test_a_library_of_another_subject_is_refused(written: Path):
    with pytest.raises(SubjectError) as caught:
        read_library(written, template=average_template())
    assert caught.value.code == "library_mismatch"


@pytest.mark.parametrize("version", ["farm.references/v1", "farm.references/v7"])
def test_a_library_of_another_version_is_refused(
    written: Path, tmp_path: Path, actor: PosedActor, version: str
):
    path = changed(written, tmp_path / "other", header={"schema": version}, heads=None)
    error = refusal(path, actor)
    assert (error.code, version in error.what) == ("subject_version", True)


@pytest.mark.parametrize("change", ["pictures", "masks"])
def test_pictures_that_are_not_those_written_are_refused(
    written: Path, tmp_path: Path, actor: PosedActor, change: str
):
    def flipped(stream: np.ndarray) -> np.ndarray:
        stream = stream.copy()
        stream[len(stream) // 2] ^= 1
        return stream

    path = changed(written, tmp_path / "flipped", **{change: flipped})
    error = refusal(path, actor)
    assert (error.code, "not those that were written" in error.what) == ("subject_damaged", True)


def shorter(tensor: np.ndarray) -> np.ndarray:
    return tensor[:-1]


def spoilt(tensor: np.ndarray) -> np.ndarray:
    tensor = tensor.copy()
    tensor.flat[3] = np.nan
    return tensor


@pytest.mark.parametrize(
    "tensors",
    [
        {"points": None},
        {"points": shorter},
        {"points": spoilt},
        {"points": lambda tensor: tensor * 1e9},
        {"points": lambda tensor: tensor[..., :1]},
        {"points": lambda tensor: tensor.astype(np.float64)},
        {"points": lambda tensor: np.zeros((len(tensor), 5000, 2), np.float32)},
        {"heads": None},
        {"heads": spoilt},
        {"heads": lambda tensor: tensor[:, :2]},
        {"mouths": spoilt},
        {"mouths": lambda tensor: tensor[:, :-1]},
        {"eyes": shorter},
        {"frames": shorter},
        {"eyes": lambda tensor: tensor * np.inf},
        {"picture_sizes": shorter},
        {"picture_sizes": lambda sizes: -sizes},
        {"picture_sizes": lambda sizes: np.zeros_like(sizes)},
        {"mask_sizes": lambda sizes: sizes + 1},
        {"masks": shorter},
    ],
)
def test_tensors_that_are_no_library_are_refused(
    written: Path, tmp_path: Path, actor: PosedActor, tensors: dict[str, object]
):
    assert refusal(changed(written, tmp_path / "hostile", **tensors), actor).code == "subject_damaged"


@pytest.mark.parametrize(
    "header", [{"unseen": 7.0}, {"restless": "much"}, {"more": 1}, {"unseen": float("nan")}, {"unseen": None}]
)
def test_headers_that_are_none_are_refused(
    written: Path, tmp_path: Path, actor: PosedActor, header: dict[str, object]
):
    path = changed(written, tmp_path / "hostile", header=header)
    assert refusal(path, actor).code == "subject_damaged"


def test_a_stream_that_is_signed_and_no_stream_is_refused(written: Path, tmp_path: Path, actor: PosedActor):
    with safe_open(written, framework="numpy") as file:
        masks, pictures = file.get_tensor("masks"), file.get_tensor("pictures")
    noise = np.random.default_rng(0).integers(0, 256, len(pictures), dtype=np.uint8)
    signed = {"streams_sha256": library_file._digest(noise, masks)}
    path = changed(written, tmp_path / "hostile", header=signed, pictures=noise)
    error = refusal(path, actor)
    assert (error.code, "picture 0" in error.what) == ("subject_damaged", True)


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff" * 9, b"\x02" + b"\0" * 7 + b"{}", None])
def test_files_that_are_no_library_are_refused(tmp_path: Path, actor: PosedActor, content: bytes | None):
    path = tmp_path / LIBRARY_FILE
    if content is not None:
        path.write_bytes(content)
    assert refusal(path, actor).code == "subject_damaged"


def test_a_file_larger_than_any_library_is_not_read(tmp_path: Path, actor: PosedActor):
    path = tmp_path / LIBRARY_FILE
    with path.open("wb") as file:
        file.truncate(1 << 36)
    error = refusal(path, actor)
    assert (error.code, "larger" in error.what) == ("subject_damaged", True)


def test_pictures_that_hardly_compress_are_stored_coarser(
    written: Path,
    references: StoredReferences,
    tmp_path: Path,
    actor: PosedActor,
    monkeypatch: pytest.MonkeyPatch,
):
    path, template = tmp_path / LIBRARY_FILE, template_of(actor)
    room = written.stat().st_size * 2 // 3
    monkeypatch.setattr(library_file, "LARGEST_LIBRARY", room)
    write_library(path, references, template=template)
    assert path.stat().st_size <= room
    coarse = read_library(path, template=template).pictures_RSS3[0]
    monkeypatch.undo()
    fine = read_library(written, template=template).pictures_RSS3[0]
    truth = references.pictures_RSS3[0]
    assert 30 < cv2.PSNR(coarse, truth) < cv2.PSNR(fine, truth)


def test_pictures_that_fit_in_no_way_are_refused(
    references: StoredReferences, tmp_path: Path, actor: PosedActor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(library_file, "LARGEST_LIBRARY", 20_000)
    with pytest.raises(SubjectError) as caught:
        write_library(tmp_path / LIBRARY_FILE, references, template=template_of(actor))
    assert caught.value.code == "clip_too_noisy"
    assert list(tmp_path.iterdir()) == []


def test_a_package_with_a_library_needs_no_renderer(
    folder: Path, facts: dict[str, str], references: StoredReferences
):
    SubjectPackage.write(
        folder,
        facts={**facts, "renderer": ""},
        template=average_template(),
        reference_HW3=np.zeros((8, 8, 3), np.uint8),
    )
    with pytest.raises(SubjectError) as caught:
        SubjectPackage.load(folder)
    assert caught.value.code == "subject_no_renderer"
    write_library(folder / LIBRARY_FILE, references, template=average_template())
    subject = SubjectPackage.load(folder)
    assert subject.renderer_weights is None
    assert subject.library == (folder / LIBRARY_FILE).resolve()


def test_the_hash_of_a_package_knows_its_library(folder: Path, references: StoredReferences, tmp_path: Path):
    without = SubjectPackage.load(folder)
    assert without.library is None
    write_library(tmp_path / LIBRARY_FILE, references, template=average_template())
    changed(tmp_path / LIBRARY_FILE, folder / LIBRARY_FILE, frames=lambda frames_R: frames_R + 1)
    other = SubjectPackage.load(folder).sha256
    changed(tmp_path / LIBRARY_FILE, folder / LIBRARY_FILE)
    assert len({without.sha256, other, SubjectPackage.load(folder).sha256}) == 3


def test_a_package_with_the_library_of_another_is_refused(folder: Path, written: Path):
    (folder / LIBRARY_FILE).write_bytes(written.read_bytes())
    with pytest.raises(SubjectError) as caught:
        SubjectPackage.load(folder)
    assert caught.value.code == "library_mismatch"


def test_a_library_that_lies_elsewhere_is_none(folder: Path, written: Path):
    (folder / LIBRARY_FILE).symlink_to(written)
    with pytest.raises(SubjectError, match="points out") as caught:
        SubjectPackage.load(folder)
    assert caught.value.code == "subject_damaged"


def test_a_template_that_differs_anywhere_is_another(actor: PosedActor):
    other = replace(template_of(actor), torso_N3=actor.torso_18x3 + np.float32(1))
    assert library_file.template_digest(other) != library_file.template_digest(template_of(actor))
