"""Files that the farm writes where a studio wants them, and the manifest beside them that says which these are.

What lies at such a place and is in no manifest is the studio's own: it is replaced only where somebody said so.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from farm.destinations import explained, folder_beside, write_whole
from farm.engine import engine_identity
from infra.delivery import deliver, delivered_sha256, read_delivered
from jobs.errors import OutputRefused, OutputUnwritable, Retry
from jobs.identity import sha256_of_file
from jobs.locations import is_s3
from jobs.manifest import WrittenFile, WrittenManifest, files_in_manifest
from jobs.places import Place
from stages.whole_files import flush

WRITTEN_MANIFEST: Final = "manifest.json"
"""Name of the manifest in a folder that one command fills."""

STORE_FOLDERS: Final = ("renders", "segments", "training", "evaluations")
"""What the store's keys start with."""

_LARGEST_MANIFEST: Final = 1 << 28
_CONTENT_TYPES: Final = {
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".png": "image/png",
}


def check_replaceable(
    files: Sequence[Place],
    *,
    manifest: Place,
    overwrite: bool,
    known: Callable[[], Mapping[str, int]] = dict,
) -> None:
    """See that nothing lies at the places of outputs but what the farm wrote there before.

    Args:
        files: Where they go.
        manifest: Where the manifest beside them goes.
        overwrite: Whether anything may be replaced.
        known: Asked for files that may be replaced although no manifest names them: sizes by SHA-256.

    Raises:
        OutputRefused: There is another file at one of the places (``output_exists``).
        OutputUnwritable: A place cannot be looked at, or is a folder, which nothing replaces.
    """
    for place in (*files, manifest):
        _refuse_folder(place)
    if overwrite:
        return
    data = _read(manifest)
    said = None if data is None else files_in_manifest(data)
    if said is None and _sha256_at(manifest, among={}) is not None:
        raise _exists(manifest, "is no manifest of the farm")
    for place in files:
        if _sha256_at(place, among={}) is None:
            continue
        ours = {**(said or {}), **known()}
        if _sha256_at(place, among=ours) not in ours:
            raise _exists(place, "was not written by the farm, or has changed since")


def store_places(store: str) -> list[Place]:
    """Where a store keeps what is committed: no job writes there but through the store.

    Args:
        store: Its address; one in memory has no place.
    """
    if not (is_s3(store) or store.startswith("/")):
        return []
    return [
        Place(
            location=f"{store.rstrip('/')}/{name}", field=f"the store (its folder '{name}')", is_folder=True
        )
        for name in STORE_FOLDERS
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFiles:
    """Files that one run of a command writes together: into a folder, or below an ``s3://`` prefix.

    Attributes:
        home: Absolute folder or ``s3://`` URI, without a slash at its end.
        manifest: Name of their manifest in it.
        field: The field or option that names the place, for errors.
        by: The command.
        overwrite: Whether files that the farm did not write may be replaced.
        of: What they are made from, see `WrittenManifest`.
    """

    home: str
    manifest: str
    field: str
    by: str
    overwrite: bool
    of: str = ""

    def check(self, names: Sequence[str]) -> None:
        """See that files of these names may be written.

        Raises:
            OutputRefused: The farm did not write what lies there.
            OutputUnwritable: A place cannot be looked at.
        """
        check_replaceable(
            [self._place(name) for name in names],
            manifest=self._place(self.manifest),
            overwrite=self.overwrite,
        )
        before = None if self.overwrite else self._before()
        if before is not None and before.by != self.by:
            raise _exists(self._place(self.manifest), f"is of what farm {before.by} wrote")

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """An empty folder; what the block writes into it goes to its place once the block ends, each file whole.

        Where the block raises, nothing at the place has changed. What an earlier run wrote there and this one did not
        is removed.

        Raises:
            OutputRefused: The farm did not write what lies there.
            OutputError: The place cannot be written.
        """
        if is_s3(self.home):
            with tempfile.TemporaryDirectory(prefix="farm-outputs-") as scratch:
                yield Path(scratch)
                self._install(Path(scratch))
            return
        home = Path(self.home)
        with folder_beside(home / self.manifest, where=self.field) as scratch:
            yield scratch
            self._install(scratch)

    def _install(self, scratch: Path) -> None:
        found = sorted(path for path in scratch.rglob("*") if path.is_file())
        fresh = [_written(path, scratch) for path in found]
        self.check([each.name for each in fresh])
        manifest = self._before_if_readable()
        # What another command wrote is replaced by name at most, where somebody said so.
        before = [] if manifest is None or manifest.by != self.by else manifest.files
        names = {each.name for each in fresh}
        # First, so that whatever is there after a crash is in the manifest.
        self._write_manifest([*before, *fresh], of="")
        for path, each in zip(found, fresh, strict=True):
            self._put(path, self._place(each.name))
        left = [each for each in before if each.name not in names and not self._remove(each)]
        self._write_manifest([*fresh, *left], of=self.of)

    def _before(self) -> WrittenManifest | None:
        data = _read(self._place(self.manifest))
        return None if data is None else WrittenManifest.from_json(data)

    def _before_if_readable(self) -> WrittenManifest | None:
        """What an earlier run wrote; None, too, where everything may be replaced and a bucket may only be written."""
        try:
            return self._before()
        except OutputUnwritable as error:
            if not self.overwrite or error.retry is Retry.LATER:
                raise
            return None

    def _put(self, path: Path, place: Place) -> None:
        if is_s3(place.location):
            kind = _CONTENT_TYPES.get(path.suffix, "application/octet-stream")
            deliver(path, place.location, content_type=kind, where=self.field)
            return
        target = Path(place.location)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            flush(path)
            path.replace(target)
        except OSError as error:
            raise explained(error, path=target, where=self.field, need_bytes=0) from error

    def _remove(self, file: WrittenFile) -> bool:
        """Remove what an earlier run wrote, unless somebody changed it since; False where it stays as it was."""
        if not _is_plain_name(file.name):
            return True
        place = self._place(file.name)
        if is_s3(place.location):
            return False
        if _sha256_at(place, among={file.sha256: file.size_bytes}) != file.sha256:
            return True
        with suppress(OSError):
            Path(place.location).unlink()
            return True
        return False

    def _write_manifest(self, files: Sequence[WrittenFile], *, of: str) -> None:
        manifest = WrittenManifest(
            engine_version=engine_identity(), by=self.by, of=of, files=list(dict.fromkeys(files))
        )
        place, data = self._place(self.manifest), manifest.to_json()
        if not is_s3(place.location):
            write_whole(Path(place.location), data, where=self.field)
            return
        with tempfile.TemporaryDirectory(prefix="farm-outputs-") as scratch:
            path = Path(scratch) / "manifest.json"
            path.write_bytes(data)
            deliver(path, place.location, content_type="application/json", where=self.field)

    def _place(self, name: str) -> Place:
        return Place(location=f"{self.home.rstrip('/')}/{name}", field=self.field)


def manifest_of(folder: Path, *, name: str) -> WrittenManifest | None:
    """The manifest of files in a local folder; None where there is none that can be read."""
    data = _read(Place(location=str(folder / name), field=""))
    return None if data is None else WrittenManifest.from_json(data)


def _written(path: Path, folder: Path) -> WrittenFile:
    name = path.relative_to(folder).as_posix()
    return WrittenFile(name=name, sha256=sha256_of_file(path), size_bytes=path.stat().st_size)


def _is_plain_name(name: str) -> bool:
    # A manifest may be anybody's: what it names must lie in its own folder.
    return not name.startswith("/") and ".." not in name.split("/")


def _sha256_at(place: Place, *, among: Mapping[str, int]) -> str | None:
    """What lies there hashes to; None where nothing does, empty where its size alone says that it is none of these."""
    sizes = frozenset(among.values())
    if is_s3(place.location):
        return delivered_sha256(place.location, sizes=sizes, where=place.field)
    path = Path(place.location)
    try:
        if not os.path.lexists(path):
            return None
        is_candidate = path.is_file() and path.stat().st_size in sizes
        return sha256_of_file(path) if is_candidate else ""
    except OSError as error:
        raise explained(error, path=path, where=place.field, need_bytes=0) from error


def _read(manifest: Place) -> bytes | None:
    """The bytes of a manifest; None where there is none, or it is none by its size."""
    if is_s3(manifest.location):
        return read_delivered(manifest.location, where=manifest.field, largest=_LARGEST_MANIFEST)
    path = Path(manifest.location)
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_MANIFEST:
            return None
        return path.read_bytes()
    except OSError as error:
        raise explained(error, path=path, where=manifest.field, need_bytes=0) from error


def _refuse_folder(place: Place) -> None:
    if is_s3(place.location):
        return
    path = Path(place.location)
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise explained(error, path=path, where=place.field, need_bytes=0) from error
    if is_folder:
        raise OutputUnwritable(f"'{path}' is a folder", where=place.field, hint="name another place")


def _exists(place: Place, what: str) -> OutputRefused:
    return OutputRefused(
        f"'{place.location}' is there already and {what}",
        where=place.field,
        hint="name another place, move it away, or give --overwrite to replace it",
        code="output_exists",
    )
