"""What lies where a command writes is replaced only where the farm wrote it, and only as the farm left it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from farm.outputs import WRITTEN_MANIFEST, OutputFiles, check_replaceable
from infra.storage.s3 import s3_client
from jobs.errors import FarmError, OutputRefused, OutputUnwritable
from jobs.identity import sha256_of_bytes
from jobs.locations import is_s3, s3_address
from jobs.places import Place


class Disk(Protocol):
    """A place that files are written to, as its owner sees it."""

    home: str

    def put(self, name: str, data: bytes) -> None: ...

    def all(self) -> dict[str, bytes]: ...


class Folder:
    def __init__(self, path: Path) -> None:
        self.home, self._path = str(path), path

    def put(self, name: str, data: bytes) -> None:
        (self._path / name).parent.mkdir(parents=True, exist_ok=True)
        (self._path / name).write_bytes(data)

    def all(self) -> dict[str, bytes]:
        found = (path for path in self._path.rglob("*") if path.is_file())
        return {path.relative_to(self._path).as_posix(): path.read_bytes() for path in found}


class Bucket:
    def __init__(self, name: str) -> None:
        self.home = f"s3://{name}/reports/one"

    def put(self, name: str, data: bytes) -> None:
        address = s3_address(f"{self.home}/{name}")
        s3_client().put_object(Bucket=address.bucket, Key=address.key, Body=data)

    def all(self) -> dict[str, bytes]:
        address = s3_address(self.home)
        listed = s3_client().list_objects_v2(Bucket=address.bucket).get("Contents", [])
        return {
            each["Key"].removeprefix(f"{address.key}/"): s3_client()
            .get_object(Bucket=address.bucket, Key=each["Key"])["Body"]
            .read()
            for each in listed
        }


@pytest.fixture(params=["folder", "bucket"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    if request.param == "folder":
        return Folder(tmp_path / "out")
    make_bucket: Callable[[], str] = request.getfixturevalue("s3_bucket")
    return Bucket(make_bucket())


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "out")


def outputs(disk: Disk, *, overwrite: bool = False, by: str = "evaluate", of: str = "") -> OutputFiles:
    return OutputFiles(
        home=disk.home, manifest=WRITTEN_MANIFEST, field="--out", by=by, of=of, overwrite=overwrite
    )


def write(disk: Disk, files: dict[str, bytes], **options: Any) -> None:
    made = outputs(disk, **options)
    made.check(list(files))
    with made.writing() as scratch:
        for name, data in files.items():
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            (scratch / name).write_bytes(data)


def code_of(action: Callable[[], object]) -> str | None:
    try:
        action()
    except FarmError as refusal:
        return refusal.code
    return None


REPORT = {"a.json": b"figures", "take-1/b.png": b"a picture"}


def test_files_go_where_nothing_is_and_are_named_beside_it(disk: Disk) -> None:
    write(disk, REPORT, of="a judgement")
    found = disk.all()
    manifest = json.loads(found.pop(WRITTEN_MANIFEST))
    assert found == REPORT
    assert manifest["schema_version"] == "farm.written/v1"
    assert (manifest["by"], manifest["of"]) == ("evaluate", "a judgement")
    assert {each["name"]: each["sha256"] for each in manifest["files"]} == {
        name: sha256_of_bytes(data) for name, data in REPORT.items()
    }


def test_what_the_farm_wrote_is_replaced_again_and_again(disk: Disk) -> None:
    for number in range(3):
        fresh = {"a.json": b"figures %d" % number, "take-1/b.png": b"a picture"}
        write(disk, fresh)
        assert {**fresh, WRITTEN_MANIFEST: disk.all()[WRITTEN_MANIFEST]} == disk.all()


@pytest.mark.parametrize("edited", [b"Figures", b"figures, with a remark"], ids=["same size", "longer"])
def test_what_was_edited_since_is_the_studio_s_own(disk: Disk, edited: bytes) -> None:
    write(disk, REPORT)
    disk.put("a.json", edited)
    before = disk.all()
    assert code_of(lambda: write(disk, {"a.json": b"new"})) == "output_exists"
    assert disk.all() == before
    write(disk, {"a.json": b"new"}, overwrite=True)
    assert disk.all()["a.json"] == b"new"


def test_a_file_that_the_farm_did_not_write_stays(disk: Disk) -> None:
    disk.put("a.json", b"my own")
    disk.put("letter.txt", b"dear")
    before = disk.all()
    assert code_of(lambda: write(disk, REPORT)) == "output_exists"
    assert disk.all() == before
    write(disk, REPORT, overwrite=True)
    assert disk.all()["letter.txt"] == b"dear"
    assert disk.all()["a.json"] == REPORT["a.json"]


@pytest.mark.parametrize(
    "foreign", [b"{}", b"", b"\x00\xff", b'{"schema_version": "theirs/v1", "files": []}', b"[" * 9000]
)
def test_a_manifest_of_anybody_else_stays(disk: Disk, foreign: bytes) -> None:
    disk.put(WRITTEN_MANIFEST, foreign)
    assert code_of(lambda: write(disk, REPORT)) == "output_exists"
    assert disk.all() == {WRITTEN_MANIFEST: foreign}
    write(disk, REPORT, overwrite=True)
    assert set(disk.all()) == {*REPORT, WRITTEN_MANIFEST}


def test_what_came_meanwhile_is_not_replaced(disk: Disk) -> None:
    made = outputs(disk)
    made.check(list(REPORT))

    def be_late() -> None:
        with made.writing() as scratch:
            (scratch / "a.json").write_bytes(b"figures")
            disk.put("a.json", b"my own")

    assert code_of(be_late) == "output_exists"
    assert disk.all() == {"a.json": b"my own"}


def test_a_file_that_is_not_written_any_more_is_removed_unless_it_was_edited(folder: Folder) -> None:
    write(folder, {"a.json": b"1", "old.png": b"2", "edited.png": b"3"})
    folder.put("edited.png", b"4")
    write(folder, {"a.json": b"5"})
    assert set(folder.all()) == {"a.json", "edited.png", WRITTEN_MANIFEST}
    assert folder.all()["edited.png"] == b"4"
    assert code_of(lambda: write(folder, {"edited.png": b"6"})) == "output_exists"


def test_what_stays_in_a_bucket_is_known_to_be_the_farm_s(s3_bucket: Callable[[], str]) -> None:
    bucket = Bucket(s3_bucket())
    write(bucket, REPORT)
    write(bucket, {"a.json": b"new"})
    assert bucket.all()["take-1/b.png"] == REPORT["take-1/b.png"]
    write(bucket, REPORT)
    bucket.put("take-1/b.png", b"my own")
    write(bucket, {"a.json": b"new"})
    assert code_of(lambda: write(bucket, REPORT)) == "output_exists"


def test_what_another_command_wrote_is_not_taken_for_its_own(disk: Disk) -> None:
    write(disk, {"segment.mp4": b"a segment"}, by="replay")
    before = disk.all()
    assert code_of(lambda: write(disk, REPORT)) == "output_exists"
    assert disk.all() == before
    write(disk, REPORT, overwrite=True)
    assert set(disk.all()) == {"segment.mp4", *REPORT, WRITTEN_MANIFEST}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["a.json", WRITTEN_MANIFEST])
def test_a_folder_is_never_replaced(folder: Folder, name: str, overwrite: bool) -> None:
    (Path(folder.home) / name).mkdir(parents=True)
    folder.put(f"{name}/letter.txt", b"dear")
    before = folder.all()
    with pytest.raises(OutputUnwritable):
        outputs(folder, overwrite=overwrite).check(["a.json"])
    assert folder.all() == before


def test_a_link_to_nothing_is_somebody_s(folder: Folder) -> None:
    Path(folder.home).mkdir()
    link = Path(folder.home) / "a.json"
    link.symlink_to("elsewhere.json")
    assert code_of(lambda: write(folder, REPORT)) == "output_exists"
    assert link.is_symlink()
    write(folder, REPORT, overwrite=True)
    assert not link.is_symlink()
    assert not link.with_name("elsewhere.json").exists()


def test_the_file_that_a_link_points_to_is_not_written_through_it(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_bytes(b"my own")
    Path(folder.home).mkdir()
    (Path(folder.home) / "a.json").symlink_to(tmp_path / "mine.json")
    assert code_of(lambda: write(folder, REPORT)) == "output_exists"
    write(folder, REPORT, overwrite=True)
    assert (tmp_path / "mine.json").read_bytes() == b"my own"


def fail_half_way(disk: Disk) -> None:
    with outputs(disk).writing() as scratch:
        (scratch / "a.json").write_bytes(b"half")
        raise ZeroDivisionError


def test_a_block_that_raises_changes_nothing(disk: Disk) -> None:
    with pytest.raises(ZeroDivisionError):
        fail_half_way(disk)
    assert disk.all() == {}
    assert is_s3(disk.home) or not Path(disk.home).exists()
    write(disk, REPORT)
    before = disk.all()
    with pytest.raises(ZeroDivisionError):
        fail_half_way(disk)
    assert disk.all() == before


def test_a_manifest_cannot_have_files_elsewhere_removed(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_bytes(b"mine")
    named = [
        {"name": name, "sha256": sha256_of_bytes(b"mine"), "size_bytes": 4}
        for name in ("../mine.txt", str(tmp_path / "mine.txt"), "a/../../mine.txt")
    ]
    manifest = {"schema_version": "farm.written/v1", "engine_version": "1", "by": "evaluate", "files": named}
    folder.put(WRITTEN_MANIFEST, json.dumps(manifest).encode())
    write(folder, REPORT)
    assert (tmp_path / "mine.txt").read_bytes() == b"mine"


class Killed(BaseException):
    """The process ends here."""


STEPS = 8


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(STEPS))
def test_whatever_moment_a_run_is_killed_at_the_next_one_is_not_refused(
    folder: Folder, step: int, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, {"a.json": b"old", "b.json": b"old", "gone.png": b"old"})
    fresh = {"a.json": b"new", "b.json": b"newer", "c.json": b"newest"}
    done = 0

    def mortal(name: str) -> None:
        real = getattr(OutputFiles, name)

        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            nonlocal done
            if done == step and when == "before":
                raise Killed
            result = real(*arguments, **keywords)
            done += 1
            if done == step + 1 and when == "after":
                raise Killed
            return result

        patch.setattr(OutputFiles, name, wrapped)

    with monkeypatch.context() as patch:
        for name in ("_write_manifest", "_put", "_remove"):
            mortal(name)
        try:
            write(folder, fresh)
        except Killed:
            pass
        else:
            assert step >= done
    assert {data for name, data in folder.all().items() if name != WRITTEN_MANIFEST} <= {
        b"old",
        *fresh.values(),
    }
    write(folder, fresh)
    assert {**fresh, WRITTEN_MANIFEST: folder.all()[WRITTEN_MANIFEST]} == folder.all()
    assert not list(Path(folder.home).glob(".*"))


def place(disk: Disk, name: str) -> Place:
    return Place(location=f"{disk.home}/{name}", field="spec.output.uri")


def hashed(data: bytes) -> dict[str, Any]:
    return {"sha256": sha256_of_bytes(data), "size_bytes": len(data)}


@pytest.mark.parametrize(
    "manifest",
    [
        {"schema_version": "farm.manifest/v1", "master": hashed(b"a master")},
        {"schema_version": "farm.written/v1", "files": [{"name": "x.mp4", **hashed(b"a master")}]},
        {"schema_version": "farm.manifest/v9", "master": {**hashed(b"a master"), "hue": 3}, "mood": "blue"},
        {
            "schema_version": "farm.written/v2",
            "files": [{"path": "x.mp4", "parts": [], **hashed(b"a master")}],
            "signed_by": "north",
        },
    ],
    ids=["of a master", "of files", "of a later master", "of later files"],
)
def test_manifests_of_every_version_say_what_the_farm_wrote(disk: Disk, manifest: dict[str, Any]) -> None:
    disk.put("x.mp4", b"a master")
    disk.put("x.manifest.json", json.dumps(manifest).encode())
    arguments: dict[str, Any] = {"manifest": place(disk, "x.manifest.json"), "overwrite": False}
    check_replaceable([place(disk, "x.mp4")], **arguments)
    disk.put("x.mp4", b"A master")
    with pytest.raises(OutputRefused) as refused:
        check_replaceable([place(disk, "x.mp4")], **arguments)
    assert refused.value.where == "spec.output.uri"
    assert "--overwrite" in refused.value.hint
    check_replaceable([place(disk, "x.mp4")], **{**arguments, "overwrite": True})


def test_what_the_store_knows_is_the_farm_s_without_a_manifest(disk: Disk) -> None:
    disk.put("x.mp4", b"a master")
    asked: dict[str, Any] = {"manifest": place(disk, "x.manifest.json"), "overwrite": False}
    check_replaceable([place(disk, "x.mp4")], **asked, known=lambda: {sha256_of_bytes(b"a master"): 8})
    with pytest.raises(OutputRefused):
        check_replaceable([place(disk, "x.mp4")], **asked, known=lambda: {sha256_of_bytes(b"another"): 8})


def test_a_server_that_loses_the_farm_s_hash_is_read_instead(
    signing_s3_bucket: Callable[[], str],
) -> None:
    bucket = Bucket(signing_s3_bucket())
    write(bucket, REPORT)
    for name, data in REPORT.items():
        bucket.put(name, data)  # as the farm wrote it, without what the farm says of it
    write(bucket, {"a.json": b"new", "take-1/b.png": b"new"})
    bucket.put("a.json", b"old")
    assert code_of(lambda: write(bucket, REPORT)) == "output_exists"


KILLED = """
import os, signal, sys
from pathlib import Path
from farm.outputs import OutputFiles
outputs = OutputFiles(home=sys.argv[1], manifest="manifest.json", field="--out", by="evaluate", overwrite=False)
with outputs.writing() as folder:
    (folder / "table.md").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_hidden_folder_of_a_killed_command_goes_with_its_next_run(tmp_path: Path) -> None:
    home = tmp_path / "report"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(home)], cwd=Path(__file__).parents[2], check=False
    )
    assert done.returncode == -9
    assert list(home.iterdir())
    outputs = OutputFiles(
        home=str(home), manifest="manifest.json", field="--out", by="evaluate", overwrite=False
    )
    with outputs.writing() as folder:
        (folder / "table.md").write_text("whole")
    assert sorted(path.name for path in home.iterdir()) == ["manifest.json", "table.md"]
