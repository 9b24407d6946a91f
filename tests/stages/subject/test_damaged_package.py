from __future__ import annotations

import contextlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from average_actor import average_template

from stages.errors import SubjectError
from stages.subject.package import SubjectPackage


def refusal(folder: Path) -> SubjectError:
    with pytest.raises(SubjectError) as caught:
        SubjectPackage.load(folder)
    return caught.value


@pytest.mark.parametrize("content", [b"name: [", b"- a\n- b\n", b"", b"\xff\xfe\x00", b"name: only\n"])
def test_damaged_facts_are_refused(folder: Path, content: bytes):
    (folder / "subject.yaml").write_bytes(content)
    error = refusal(folder)
    assert (error.code, error.where) == ("subject_damaged", str(folder / "subject.yaml"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"no archive",
        lambda data: data[: len(data) // 2],
        lambda data: data[:200] + bytes(100) + data[300:],
        lambda data: b"\x93NUMPY" + data[6:],
    ],
    ids=["empty", "text", "cut", "overwritten", "other kind"],
)
def test_a_damaged_template_is_refused(folder: Path, damage):
    path = folder / "template.npz"
    path.write_bytes(damage(path.read_bytes()))
    assert (refusal(folder).code, refusal(folder).where) == ("subject_damaged", str(path))


def test_an_array_instead_of_an_archive_is_refused(folder: Path):
    np.save(folder / "template.npy", average_template().mesh_N3)
    (folder / "template.npy").rename(folder / "template.npz")
    assert refusal(folder).code == "subject_damaged"


def test_damage_anywhere_in_the_template_is_refused_or_harmless(folder: Path):
    random, path = np.random.default_rng(0), folder / "template.npz"
    whole = path.read_bytes()
    for start in random.integers(len(whole) - 8, size=60):
        path.write_bytes(whole[:start] + random.bytes(8) + whole[start + 8 :])
        with contextlib.suppress(SubjectError):
            template = SubjectPackage.load(folder).template
            np.testing.assert_array_equal(template.mesh_N3, average_template().mesh_N3)


@pytest.mark.parametrize("part", ["mesh_N3", "head_7", "torso_N3"])
@pytest.mark.parametrize("damage", ["absent", "short", "not finite", "text"])
def test_a_template_of_the_wrong_numbers_is_refused(folder: Path, part: str, damage: str):
    template = average_template()
    arrays = {name: getattr(template, name).copy() for name in ("mesh_N3", "head_7", "torso_N3")}
    if damage == "absent":
        del arrays[part]
    elif damage == "short":
        arrays[part] = arrays[part][:-1]
    elif damage == "not finite":
        arrays[part].flat[0] = np.nan
    else:
        arrays[part] = np.array("a face")
    np.savez(folder / "template.npz", **arrays)
    assert refusal(folder).code == "subject_damaged"


@pytest.mark.parametrize("damage", ["absent", "text", "not square"])
def test_a_damaged_reference_is_refused(folder: Path, reference_HW3: np.ndarray, damage: str):
    path = folder / "reference.png"
    path.unlink()
    if damage == "text":
        path.write_text("no picture")
    elif damage == "not square":
        cv2.imwrite(str(path), reference_HW3[:40])
    assert (refusal(folder).code, refusal(folder).where) == ("subject_damaged", str(path))
