"""Packages made to cost memory or time, or to show what lies elsewhere."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np
import pytest
import yaml
from average_actor import average_template

from stages.errors import SubjectError
from stages.subject.claim import check_consent
from stages.subject.package import SubjectPackage

PARTS = ("mesh_N3", "head_7", "torso_N3")


def refusal(folder: Path) -> SubjectError:
    with pytest.raises(SubjectError) as caught:
        SubjectPackage.load(folder)
    return caught.value


def change_facts(folder: Path, **changed: object) -> None:
    facts = yaml.safe_load((folder / "subject.yaml").read_text())
    (folder / "subject.yaml").write_text(yaml.safe_dump({**facts, **changed}, allow_unicode=True))


@pytest.mark.parametrize("name", ["subject.yaml", "template.npz", "reference.png"])
def test_no_file_of_a_package_lies_elsewhere(folder: Path, name: str):
    stray = (folder / name).rename(folder.parents[1] / name)
    (folder / name).symlink_to(stray)
    error = refusal(folder)
    assert (error.code, "points out" in error.what) == ("subject_damaged", True)


def test_a_consent_record_that_lies_elsewhere_is_no_record(folder: Path):
    (folder.parents[1] / "consent.pdf").write_bytes(b"I agree")
    (folder / "consent.pdf").symlink_to(folder.parents[1] / "consent.pdf")
    change_facts(folder, consent_record="consent.pdf", consent_sha256="0" * 64)
    assert refusal(folder).code == "subject_damaged"


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "loop", "/".join("d" * 3000)])
def test_weights_that_can_lie_nowhere_are_refused(folder: Path, name: str):
    (folder / "loop").symlink_to("loop")
    change_facts(folder, renderer=name)
    assert refusal(folder).code in {"subject_damaged", "subject_weights_not_found"}


@pytest.mark.parametrize("field", ["name", "consent", "licence", "renderer"])
@pytest.mark.parametrize("value", [True, 7, ["a"], {"a": "b"}, "a\0b"])
def test_a_fact_that_is_no_text_is_refused(folder: Path, field: str, value: object):
    change_facts(folder, **{field: value})
    error = refusal(folder)
    assert (error.code, error.where) == ("subject_damaged", str(folder / "subject.yaml"))


@pytest.mark.parametrize(
    "line",
    [
        "a: !!timestamp 2024-99-99",
        "a: !!timestamp x",
        "a: !!int x",
        "? [a]\n: b",
        "a: " + "[" * 3_000,
        "a: &a [1]\nb: *a",
        "a: " + "9" * 5_000,
        "a: " + "x" * 100_000,
    ],
    ids=["date", "no date", "number", "key", "depth", "alias", "digits", "length"],
)
def test_facts_that_cost_or_mean_nothing_are_refused(folder: Path, line: str):
    path = folder / "subject.yaml"
    path.write_text(f"{path.read_text()}{line}\n")
    error = refusal(folder)
    assert (error.code, error.where) == ("subject_damaged", str(path))


@pytest.mark.parametrize("shape", [(1 << 40, 3), (478, 3, 1), (-1,), (10**30,)])
def test_an_array_is_not_made_because_a_header_claims_it(folder: Path, shape: tuple[int, ...]):
    header = repr({"descr": "<f4", "fortran_order": False, "shape": shape}).encode()
    with zipfile.ZipFile(folder / "template.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for part in PARTS:
            archive.writestr(f"{part}.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    assert refusal(folder).code == "subject_damaged"


def test_a_packed_file_is_not_unpacked_beyond_what_a_template_is(folder: Path):
    with zipfile.ZipFile(folder / "template.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for part in PARTS:
            archive.writestr(f"{part}.npy", bytes(3_000_000))
    assert "too large" in refusal(folder).what


@pytest.mark.parametrize("header", [b"(" * 9_000, b"{[]: 1}", b"{'a':\n\t\\", b"'''", b"-" * 9_000 + b"1"])
def test_a_header_that_is_no_header_is_refused(folder: Path, header: bytes):
    with zipfile.ZipFile(folder / "template.npz", "w") as archive:
        for part in PARTS:
            archive.writestr(f"{part}.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    assert refusal(folder).code == "subject_damaged"


@pytest.mark.parametrize("value", [1e30, -1e30, np.inf])
@pytest.mark.parametrize("part", PARTS)
def test_points_that_are_no_face_are_refused(folder: Path, part: str, value: float):
    template = average_template()
    arrays = {name: getattr(template, name).copy() for name in PARTS}
    arrays[part].flat[0] = value
    np.savez(folder / "template.npz", **arrays)
    assert refusal(folder).code == "subject_damaged"


@pytest.mark.parametrize("scale", [0.0, 1e-40, -1.0, 1e4])
def test_a_head_of_no_size_is_none(folder: Path, scale: float):
    template = average_template()
    head_7 = template.head_7.copy()
    head_7[6] = scale
    np.savez(folder / "template.npz", mesh_N3=template.mesh_N3, head_7=head_7, torso_N3=template.torso_N3)
    assert refusal(folder).code == "subject_damaged"


def test_a_picture_is_not_made_because_a_header_claims_it(folder: Path):
    path = folder / "reference.png"
    png = path.read_bytes()
    head = b"IHDR" + (30_000).to_bytes(4, "big") * 2 + png[24:29]
    path.write_bytes(png[:12] + head + crc32(head).to_bytes(4, "big") + png[33:])
    assert refusal(folder).code == "subject_damaged"


def test_a_reference_is_a_png(folder: Path, reference_HW3: np.ndarray):
    (folder / "reference.png").write_bytes(cv2.imencode(".jpg", reference_HW3)[1].tobytes())
    assert refusal(folder).code == "subject_damaged"


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.95])
def test_half_a_reference_is_none(folder: Path, kept: float):
    path = folder / "reference.png"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    assert refusal(folder).code == "subject_damaged"


def test_nobody_waits_for_a_consent_record_that_is_a_pipe(tmp_path: Path):
    os.mkfifo(tmp_path / "consent.pdf")
    with pytest.raises(SubjectError) as caught:
        check_consent(tmp_path / "consent.pdf")
    assert caught.value.code == "subject_no_consent"


@pytest.mark.parametrize("name", ["renderer.safetensors", "reference.png", "template.npz", "subject.yaml"])
def test_a_file_of_holes_is_not_read_through(folder: Path, name: str):
    os.truncate(folder / name, 1 << 40)
    error = refusal(folder)
    assert (error.code, "larger than" in error.what) == ("subject_damaged", True)


def test_a_consent_record_of_holes_is_not_read_through(tmp_path: Path):
    (tmp_path / "consent.pdf").touch()
    os.truncate(tmp_path / "consent.pdf", 1 << 40)
    with pytest.raises(SubjectError) as caught:
        check_consent(tmp_path / "consent.pdf")
    assert caught.value.code == "subject_no_consent"
