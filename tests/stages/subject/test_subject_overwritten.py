"""Another subject takes the place of one that was prepared; what else its owner keeps there stays."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from stages.errors import SubjectError
from stages.subject.claim import Claim, keep_consent, take_folder

ZOE = Claim(
    clip="zoe.mp4",
    clip_sha256="1" * 64,
    name="Zoe",
    consent_sha256=sha256(b"I agree").hexdigest(),
    audio_lag=None,
)
JANE = replace(ZOE, name="Jane", clip_sha256="2" * 64)

OURS = (
    "subject.yaml",
    "template.npz",
    "reference.png",
    "renderer.safetensors",
    "renderer.safetensors.manifest.json",
    "inspection.json",
    "clip/frames.mp4",
    "clip/tracks.npz",
    "clip/clip.json",
    "clip/frames-256.npy",
    "clip/hubert-0123abcd.npy",
    "report/report.json",
    "report/report.png",
    "report/index.html",
)
THEIRS = (
    "notes.txt",
    "consent.draft.docx",
    "renderer.safetensors.backup",
    "clip/tracks.txt",
    "clip/marks.npy",
    "clip/frames-of-mine.npy",
    "report/remarks.md",
    "stills/a.png",
)


@pytest.fixture
def subject(tmp_path: Path) -> Path:
    """The folder of a subject that was prepared and trained, and is used for other things beside."""
    folder, consent = tmp_path / "zoe", tmp_path / "agreement.PDF"
    consent.write_bytes(b"I agree")
    take_folder(folder, ZOE)
    keep_consent(consent, folder)
    for name in (*OURS, *THEIRS):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    return folder


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_only_what_the_farm_knows_makes_way(subject: Path) -> None:
    assert take_folder(subject, JANE, overwrite=True) == JANE
    assert files(subject) == {*THEIRS, "preparation.json"}


def test_without_a_word_nothing_makes_way(subject: Path) -> None:
    before = files(subject)
    with pytest.raises(SubjectError) as refused:
        take_folder(subject, JANE)
    assert refused.value.code == "subject_occupied"
    assert files(subject) == before


def test_the_same_subject_is_gone_on_with_whatever_is_said(subject: Path) -> None:
    before = files(subject)
    for overwrite in (False, True):
        assert take_folder(subject, ZOE, overwrite=overwrite) == ZOE
    assert files(subject) == before


@pytest.mark.parametrize("damaged", ["{", '{"clip": 3}'])
def test_a_folder_of_somebody_else_is_taken_and_its_files_stay(tmp_path: Path, damaged: str) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a.png", "consent.pdf"):
        (folder / name).write_text("my own")
    (folder / "preparation.json").write_text(damaged)
    with pytest.raises(SubjectError):
        take_folder(folder, ZOE)
    take_folder(folder, ZOE, overwrite=True)
    assert files(folder) == {"a.png", "consent.pdf", "preparation.json"}


def test_what_a_link_points_to_stays(subject: Path, tmp_path: Path) -> None:
    (tmp_path / "original.npz").write_text("my own")
    (subject / "template.npz").unlink()
    (subject / "template.npz").symlink_to(tmp_path / "original.npz")
    take_folder(subject, JANE, overwrite=True)
    assert (tmp_path / "original.npz").read_text() == "my own"
    assert not (subject / "template.npz").is_symlink()
