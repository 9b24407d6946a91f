from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from average_actor import average_template

from stages.errors import SubjectError
from stages.subject.package import SubjectPackage

KEPT = sorted((Path(__file__).parent / "kept_packages").iterdir())


def refusal(folder: Path) -> SubjectError:
    with pytest.raises(SubjectError) as caught:
        SubjectPackage.load(folder)
    return caught.value


def change_facts(folder: Path, **changed: object) -> None:
    facts = yaml.safe_load((folder / "subject.yaml").read_text())
    (folder / "subject.yaml").write_text(yaml.safe_dump({**facts, **changed}, allow_unicode=True))


def test_a_package_is_read_as_it_was_written(folder: Path, facts: dict[str, str], reference_HW3: np.ndarray):
    subject = SubjectPackage.load(folder)
    assert (subject.name, subject.consent, subject.licence) == ("Zoë", facts["consent"], "CC0-1.0")
    np.testing.assert_array_equal(subject.reference_HW3, reference_HW3)
    for part in ("mesh_N3", "head_7", "torso_N3"):
        np.testing.assert_array_equal(getattr(subject.template, part), getattr(average_template(), part))
    assert subject.renderer_weights == (folder / "renderer.safetensors").resolve()


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.name)
def test_packages_of_every_release_are_read(kept: Path):
    subject = SubjectPackage.load(kept)
    assert (subject.name, subject.reference_HW3.shape) == ("kept", (32, 32, 3))
    np.testing.assert_array_equal(subject.template.mesh_N3, average_template().mesh_N3)


def test_a_package_of_a_later_version_is_refused(folder: Path):
    change_facts(folder, schema="farm.subject/v9")
    error = refusal(folder)
    assert error.code == "subject_version"
    assert "farm.subject/v9" in error.what


def test_the_hash_changes_with_every_file_and_only_then(folder: Path, reference_HW3: np.ndarray):
    hashes = [SubjectPackage.load(folder).sha256]
    assert SubjectPackage.load(folder).sha256 == hashes[0]
    (folder / "renderer.safetensors").write_bytes(b"other weights")
    hashes.append(SubjectPackage.load(folder).sha256)
    change_facts(folder, provenance="elsewhere")
    hashes.append(SubjectPackage.load(folder).sha256)
    cv2.imwrite(str(folder / "reference.png"), reference_HW3[::-1])
    hashes.append(SubjectPackage.load(folder).sha256)
    template = average_template()
    np.savez(
        folder / "template.npz", mesh_N3=template.mesh_N3, head_7=template.head_7, torso_N3=template.torso_N3
    )
    hashes.append(SubjectPackage.load(folder).sha256)
    assert len(set(hashes)) == 5


def test_the_hash_does_not_depend_on_where_the_package_lies(folder: Path, tmp_path: Path):
    before = SubjectPackage.load(folder).sha256
    assert SubjectPackage.load(folder.rename(tmp_path / "moved")).sha256 == before


def test_a_folder_without_a_package_is_said_to_have_none(tmp_path: Path):
    assert refusal(tmp_path).code == "subject_not_found"


@pytest.mark.parametrize("consent", ["", "  ", None])
def test_no_face_is_loaded_without_a_consent_record(folder: Path, consent: str | None):
    change_facts(folder, consent=consent)
    assert refusal(folder).code == "subject_no_consent"


def test_missing_renderer_weights_are_named(folder: Path):
    (folder / "renderer.safetensors").unlink()
    error = refusal(folder)
    assert error.code == "subject_weights_not_found"
    assert error.where.endswith("renderer.safetensors")


@pytest.mark.parametrize(
    "renderer", ["../../stray.safetensors", "/etc/hostname", "../../../stray.safetensors"]
)
def test_weights_outside_the_folder_of_subjects_are_refused(folder: Path, renderer: str):
    (folder.parents[1] / "stray.safetensors").write_bytes(b"weights")
    change_facts(folder, renderer=renderer)
    assert refusal(folder).code == "subject_damaged"


def test_a_link_out_of_the_folder_is_refused(folder: Path):
    (folder.parents[1] / "stray.safetensors").write_bytes(b"weights")
    (folder / "renderer.safetensors").unlink()
    (folder / "renderer.safetensors").symlink_to(folder.parents[1] / "stray.safetensors")
    assert refusal(folder).code == "subject_damaged"


def test_subjects_may_share_the_weights_beside_their_folders(folder: Path):
    shared = (folder / "renderer.safetensors").rename(folder.parent / "shared.safetensors")
    change_facts(folder, renderer="../shared.safetensors")
    assert SubjectPackage.load(folder).renderer_weights == shared.resolve()


def test_a_package_with_other_fields_is_not_written(tmp_path: Path, reference_HW3: np.ndarray):
    with pytest.raises(ValueError, match="fields"):
        SubjectPackage.write(
            tmp_path, facts={"name": "Zoë"}, template=average_template(), reference_HW3=reference_HW3
        )


def test_a_package_without_a_renderer_says_to_train_one_and_takes_it(folder: Path, tmp_path: Path):
    (folder / "renderer.safetensors").unlink()
    change_facts(folder, renderer="")
    error = refusal(folder)
    assert error.code == "subject_no_renderer"
    assert "farm train" in error.hint
    trained = tmp_path / "best.safetensors"
    trained.write_bytes(b"trained weights")
    SubjectPackage.add_renderer(folder, trained)
    assert SubjectPackage.load(folder).renderer_weights.read_bytes() == b"trained weights"
    assert trained.is_file()
    assert not list(folder.glob(".partial*"))


def test_a_renderer_is_added_to_a_package_only(tmp_path: Path):
    with pytest.raises(SubjectError) as caught:
        SubjectPackage.add_renderer(tmp_path, tmp_path / "best.safetensors")
    assert caught.value.code == "subject_not_found"


@pytest.mark.parametrize("damage", ["none", "absent", "altered", "elsewhere"])
def test_the_consent_record_must_be_the_one_that_was_kept(folder: Path, damage: str):
    record = folder / "consent.pdf"
    record.write_bytes(b"I agree")
    digest = hashlib.sha256(b"I agree").hexdigest()
    change_facts(folder, consent_record="consent.pdf", consent_sha256=digest)
    if damage == "none":
        assert SubjectPackage.load(folder).name == "Zo\N{LATIN SMALL LETTER E WITH DIAERESIS}"
        return
    if damage == "absent":
        record.unlink()
    elif damage == "altered":
        record.write_bytes(b"I agreed")
    else:
        (folder.parent / "consent.pdf").write_bytes(b"I agree")
        change_facts(folder, consent_record="../consent.pdf")
    assert refusal(folder).code == "subject_no_consent"


def test_reading_a_package_needs_no_face_tracker():
    code = (
        "import sys, stages.subject.package, stages.moda.motion_stage; sys.exit('mediapipe' in sys.modules)"
    )
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
