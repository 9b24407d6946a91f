"""A store in a folder of a local or shared disk.

    <root>/renders/demo/hello/3f9c.../take-01/segment-00007.mp4     an object
    <root>/.checksums/renders/.../segment-00007.mp4                 the hash it was committed with
    <root>/.incoming/<random>                                       an object being written

An object is written beside its place, flushed to the disk, and then linked into place. ``link`` fails where
a name exists, so it is the moment of creation: before it there is nothing under the key, after it all of
it.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from infra.storage.base import (
    ObjectFacts,
    PutOutcome,
    checked_key,
    checked_prefix,
    checked_sha256,
    corruption,
    divergence,
    missing,
)
from jobs.errors import DiskFull, FarmError, StoreError, StoreUnavailable, is_away
from jobs.identity import sha256_of_bytes, sha256_of_file

LEFTOVER_AGE_S = 24 * 3600  # no write takes a day; what is older was left by a process that was killed

# What file systems answer that have no hard links, allow one name for a file, or lie one in the other.
_WITHOUT_LINKS = frozenset(
    {
        *(errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY, errno.EINVAL),
        *(errno.EXDEV, errno.EMLINK),
    }
)


class FolderStore:
    """Objects as files under a root. Safe for any number of threads and processes; can be pickled."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._incoming = self._root / ".incoming"
        self._checksums = self._root / ".checksums"
        self._is_prepared = False

    @property
    def uri(self) -> str:
        """The root as an absolute path."""
        return str(self._root)

    def put_if_absent(self, key: str, data: bytes | Path, *, sha256: str | None = None) -> PutOutcome:
        """Create an object, see ``ObjectStore``."""
        target = self._path(key)
        with _translated(key):
            offered = checked_sha256(key, data, expected=sha256)
            if not target.exists():
                self._prepare()
                _make_folders(target.parent)
                self._check_inside(key, target)
                with self._written(data) as temporary:
                    # What was hashed and what was copied are the same only if the file did not change between.
                    checked_sha256(key, temporary, expected=offered)
                    if _linked(temporary, target):
                        _sync_folder(target.parent)
                        self._record_checksum(key, offered)
                        return PutOutcome.CREATED
            return self._compare(key, target, offered)

    def refuses_second_copies(self, *, below: str = "", size_bytes: int = 0) -> bool:
        """See `ObjectStore.refuses_second_copies`; found out by linking an empty file twice, as a commit does."""
        folder = self._path(below.rstrip("/")) if below else self._root
        with _translated(below or self.uri):
            file, linked = _proof_in(self._incoming), _proof_in(folder)
            with _gone_after(file, linked):
                file.touch(exist_ok=False)
                try:
                    is_first = _linked(file, linked)
                except OSError as error:
                    # `rclone mount` says of what it cannot do that it failed, as a disk does that is away.
                    if is_away(error) and _can_only_be_renamed(file):
                        raise _without_links(linked, error) from error
                    raise
                _sync_folder(linked.parent)
                return is_first and not _linked(file, linked)

    def get(self, key: str) -> bytes:
        """The bytes of an object, see ``ObjectStore``."""
        path = self._path(key)
        with _translated(key), _missing_if_absent(key):
            data = path.read_bytes()
            self._check_unchanged(key, found=sha256_of_bytes(data))
            return data

    def head(self, key: str) -> ObjectFacts | None:
        """The facts of an object, see ``ObjectStore``."""
        path = self._path(key)
        with _translated(key):
            if not path.is_file():
                return None
            sha256 = self._recorded_checksum(key) or sha256_of_file(path)
            return ObjectFacts(key=key, size_bytes=path.stat().st_size, sha256=sha256)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Keys that start with a prefix, see ``ObjectStore``."""
        # Only the deepest whole folder of the prefix is walked, not the entire store.
        parent = checked_prefix(prefix).rpartition("/")[0]
        start = self._path(parent) if parent else self._root
        with _translated(prefix):
            paths = sorted(path.relative_to(self._root).as_posix() for path in _files_below(start))
        return (key for key in paths if key.startswith(prefix))

    def delete(self, key: str) -> None:
        """Remove an object, see ``ObjectStore``."""
        path = self._path(key)
        with _translated(key):
            path.unlink(missing_ok=True)
            self._checksum_path(key).unlink(missing_ok=True)

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        """The object's own file, see ``ObjectStore``; nothing is copied."""
        path = self._path(key)
        with _translated(key), _missing_if_absent(key):
            self._check_unchanged(key, found=sha256_of_file(path))
        yield path

    def _path(self, key: str) -> Path:
        path = self._root / checked_key(key)
        self._check_inside(key, path)
        return path

    def _check_inside(self, key: str, path: Path) -> None:
        # The key itself cannot climb, but a link planted inside the root could lead out of it.
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self._root)):
            raise StoreError(
                "leads out of the store through a link",
                where=key,
                code="bad_key",
                hint=f"remove the symbolic link below {self._root}",
            )

    def _prepare(self) -> None:
        if not self._is_prepared:
            self._incoming.mkdir(parents=True, exist_ok=True)
            self._sweep()
            self._is_prepared = True

    def _sweep(self) -> None:
        for path in self._incoming.iterdir():
            with suppress(FileNotFoundError):  # another process sweeps too
                if time.time() - path.stat().st_mtime > LEFTOVER_AGE_S:
                    path.unlink()

    @contextmanager
    def _written(self, data: bytes | Path) -> Iterator[Path]:
        """The bytes in a temporary file on the same disk, safely flushed; gone again afterwards."""
        temporary = self._incoming / secrets.token_hex(16)
        try:
            with temporary.open("xb") as file:
                if isinstance(data, bytes):
                    file.write(data)
                else:
                    with data.open("rb") as source:
                        shutil.copyfileobj(source, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    def _compare(self, key: str, target: Path, offered: str) -> PutOutcome:
        # The bytes are hashed afresh, so a damaged object is not taken for an equal or a diverging one.
        found = sha256_of_file(target)
        self._check_unchanged(key, found=found)
        if found != offered:
            raise divergence(key, stored=found, offered=offered)
        return PutOutcome.ALREADY_EQUAL

    def _checksum_path(self, key: str) -> Path:
        path = self._checksums / key
        self._check_inside(key, path)
        return path

    def _record_checksum(self, key: str, sha256: str) -> None:
        # A process that dies between the link and this line leaves an object without a recorded hash. The
        # object is whole all the same: its bytes were flushed before it was linked, and its hash can be
        # computed.
        path = self._checksum_path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._written(sha256.encode("ascii")) as temporary:
            temporary.replace(path)

    def _recorded_checksum(self, key: str) -> str | None:
        try:
            return self._checksum_path(key).read_text("ascii")
        except FileNotFoundError:
            return None

    def _check_unchanged(self, key: str, *, found: str) -> None:
        recorded = self._recorded_checksum(key)
        if recorded is not None and recorded != found:
            raise corruption(key, recorded=recorded, found=found)


def _linked(temporary: Path, target: Path) -> bool:
    """Whether the file could be linked into place; False where another writer was first.

    Raises:
        StoreError: No file can be linked there, now or later.
        OSError: This one could not.
    """
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _WITHOUT_LINKS:
            raise
        raise _without_links(target, error) from error
    return True


def _without_links(target: Path, error: OSError) -> StoreError:
    return StoreError(
        f"no file can be linked into the store: {(error.strerror or type(error).__name__).lower()}",
        where=str(target.parent),
        code="store_without_links",
        hint="put the whole store on one file system with hard links, or use an s3:// store",
    )


def _can_only_be_renamed(file: Path) -> bool:
    """Whether a file whose disk seemed to be away can be renamed, and still not be linked."""
    other = _proof_in(file.parent)
    try:
        file.rename(other).rename(file)
    except OSError:
        return False
    try:
        os.link(file, other)
    except OSError as error:
        return is_away(error)
    other.unlink()
    return False


@contextmanager
def _gone_after(*files: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        # What looks like a disk may still be writing what was closed, and make anew what was removed meanwhile.
        for _ in range(3):
            _unlink(files)
            time.sleep(0.05)
        raise
    finally:
        _unlink(files)


def _unlink(files: Iterable[Path]) -> None:
    for path in files:
        path.unlink(missing_ok=True)


def _proof_in(folder: Path) -> Path:
    """A name for a file that proves what can be done in a folder, or where it is to be made, in the one it comes to."""
    existing = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    return existing / f".probe.{secrets.token_hex(4)}.part"


def _make_folders(folder: Path) -> None:
    """Make a folder and those above it, each safely on the disk: an object is gone if a folder above it is."""
    if not folder.is_dir():
        _make_folders(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files_below(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        # What is not there holds nothing; what cannot be read may hold anything.
        if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            raise error

    for parent, names, files in os.walk(folder, onerror=refuse):
        names[:] = [name for name in names if not name.startswith(".")]
        yield from (Path(parent, name) for name in files if not name.startswith("."))


@contextmanager
def _translated(key: str) -> Iterator[None]:
    """Turns the operating system's errors into the farm's."""
    try:
        yield
    except FarmError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                "no space is left in the store", where=key, hint="free some space or choose another --store"
            ) from error
        reason = (error.strerror or type(error).__name__).lower()
        kind = StoreUnavailable if is_away(error) else StoreError
        raise kind(
            f"the store failed: {reason}",
            where=str(error.filename or key),
            hint="check that its folder exists, is a folder and may be written",
        ) from error


@contextmanager
def _missing_if_absent(key: str) -> Iterator[None]:
    """Around reads alone, where a file that is not there means that nothing was committed."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise missing(key) from error
