"""`farm subject show`: what a package holds; anybody's library is refused in one line, there and before a render."""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

sys.path.insert(0, str(Path(__file__).parents[2] / "stages"))

from made_library import made_references, template_of
from posed_actor import PosedActor

from farm.cli import main
from jobs.errors import ExitCode
from stages.inspection.checks import Limits
from stages.inspection.look import LOOK_CELLS
from stages.inspection.norms import NORMS_FILE, FittedOn, drawing_sha256, write_norms
from stages.subject.library_file import LIBRARY_FILE, write_library
from stages.subject.package import SubjectPackage

SPEECH = Path(__file__).parents[3] / "examples" / "hello.wav"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package as preparation leaves it."""
    actor, home = PosedActor.of(), tmp_path_factory.mktemp("package") / "zoe"
    facts = {"name": "zoe", "consent": "none needed", "provenance": "test", "licence": "none", "renderer": ""}
    SubjectPackage.write(home, facts=facts, template=template_of(actor), reference_HW3=actor.reference_HW3)
    write_library(home / LIBRARY_FILE, made_references(actor), template=template_of(actor))
    fitted = FittedOn(frames=50, unseen=19, drawn_by=drawing_sha256(SubjectPackage.load(home)))
    write_norms(home, limits=Limits(), look_LL3=np.zeros((LOOK_CELLS, LOOK_CELLS, 3)), fitted=fitted)
    return home


@pytest.fixture
def package(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to spoil."""
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    copy = tmp_path / "zoe"
    copy.mkdir()
    for file in made.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


def shown(package: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    assert main(["subject", "show", str(package), "--json"]) == ExitCode.OK
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    return document


def test_a_package_is_shown_with_library_background_and_limits(package: Path, capsys) -> None:
    document = shown(package, capsys)
    assert (document["name"], document["untrained"], document["size_px"]) == ("zoe", True, 512)
    assert document["library"] == {
        "references": 4,
        "size_bytes": (package / LIBRARY_FILE).stat().st_size,
        "is_still": True,
        "unseen": 0.25,
        "restless": 0.0,
    }
    assert document["limits"] == {"own": True, "frames": 50, "unseen": 19, "notice": ""}
    assert main(["subject", "show", str(package)]) == ExitCode.OK
    text = capsys.readouterr().out
    for told in (
        "512 px, from warped references, untrained",
        "4 references",
        "25% of it was never seen",
        "19 of",
    ):
        assert told in text


def test_limits_of_another_library_are_not_its_own(package: Path, capsys) -> None:
    record = json.loads((package / NORMS_FILE).read_text())
    record["fitted"]["drawn_by"] = "0" * 64
    (package / NORMS_FILE).write_text(json.dumps(record))
    limits = shown(package, capsys)["limits"]
    assert limits["own"] is False
    assert "limits for all" in limits["notice"]


def test_the_actors_that_ship_are_shown(capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    assert main(["subject", "show", "builtin:actor-a", "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["untrained"] is False


def of_another_subject(path: Path) -> None:
    actor = PosedActor.of()
    template = template_of(actor)
    write_library(path, made_references(actor), template=type(template)(
        mesh_N3=template.mesh_N3 + np.float32(1), head_7=template.head_7, torso_N3=template.torso_N3
    ))  # fmt: skip


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def claiming_gigabytes(path: Path) -> None:
    header = json.dumps(
        {"pictures": {"dtype": "U8", "shape": [1 << 32], "data_offsets": [0, 1 << 32]}}
    ).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(100))


def of_gigabytes(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(4 << 30)


def header_of_gigabytes(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 4 << 30) + b"{}")


def with_masks(change: Callable[[np.ndarray], np.ndarray], *, honest: bool) -> Callable[[Path], None]:
    """Other masks; `honest`: under a hash that is right for them."""

    def spoil(path: Path) -> None:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            header = json.loads(file.metadata()["header"])
        tensors["masks"] = change(tensors["masks"].copy())
        if honest:
            data = tensors["pictures"].tobytes() + tensors["masks"].tobytes()
            header["streams_sha256"] = hashlib.sha256(data).hexdigest()
        save_file(tensors, path, metadata={"header": json.dumps(header)})

    return spoil


SPOILT = {
    "another subject's": (of_another_subject, "library_mismatch"),
    "truncated": (truncated, "subject_damaged"),
    "a claim of gigabytes": (claiming_gigabytes, "subject_damaged"),
    "gigabytes": (of_gigabytes, "subject_damaged"),
    "a header of gigabytes": (header_of_gigabytes, "subject_damaged"),
    "masks of another file": (with_masks(lambda masks_N: masks_N[::-1], honest=False), "subject_damaged"),
    "masks that are no pictures": (with_masks(np.zeros_like, honest=True), "subject_damaged"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_anybody_s_library_is_refused_in_one_line(case: str, package: Path, capsys) -> None:
    spoil, code = SPOILT[case]
    spoil(package / LIBRARY_FILE)
    assert main(["subject", "show", str(package)]) == ExitCode.CASTING
    error = capsys.readouterr().err.splitlines()
    assert error[0].startswith(f"error [{code}] {package / LIBRARY_FILE}: "), error
    assert len(error) <= 2, "one line, and a hint"


@pytest.mark.parametrize("case", SPOILT)
def test_it_is_refused_before_a_render_as_well(case: str, package: Path, tmp_path: Path, capsys) -> None:
    spoil, code = SPOILT[case]
    spoil(package / LIBRARY_FILE)
    job = tmp_path / "job.yaml"
    job.write_text(
        "apiVersion: farm/v1\nkind: RenderJob\nmetadata: {name: zoe, project: tests}\n"
        f"spec: {{speech: '{SPEECH}', subject: zoe, output: {{profile: full, uri: zoe.mp4}}}}\n"
    )
    assert main(["plan", str(job)]) == ExitCode.CASTING
    error = capsys.readouterr().err.splitlines()
    assert f"[{code}]" in error[0], error
    assert len(error) <= 2
