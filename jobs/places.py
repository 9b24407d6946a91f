"""What a job reads and what it writes, and whether one of these places is another by a second name.

A file has many names: links, ``..``, ``//``, letters composed or not, capitals where the file system folds them. A
studio's recording is lost under each of them alike, so places are compared by what they are, not by how they are
spelled.
"""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final, NoReturn

from jobs.errors import OutputRefused
from jobs.locations import is_s3, s3_address

Identity = tuple[int, int]
"""Device and inode of something on a disk."""

_MOST_LOOKED_AT: Final = 100
"""Names of a folder that are looked at before the folder around it is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file or an object that a job reads or writes; of a folder everything in it is meant.

    Attributes:
        location: Absolute path or ``s3://`` URI.
        field: The field of the job, or the option of the command, that names it.
        is_folder: Everything below it is meant as well.
    """

    location: str
    field: str
    is_folder: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlaces:
    """All places of one job.

    Attributes:
        job: What to call the job beside others; empty where there is only one.
        reads: Its inputs.
        writes: Its outputs.
    """

    job: str = ""
    reads: tuple[Place, ...]
    writes: tuple[Place, ...]

    def reading(self, places: Iterable[Place]) -> JobPlaces:
        """The same job, with places that it reads without naming them."""
        return replace(self, reads=(*self.reads, *places))


@dataclass(frozen=True, slots=True)
class _Name:
    """One name of a place or of a folder above it.

    Attributes:
        text: Links followed, in one spelling.
        identity: What lies there; None where nothing does, or the disk is not asked.
        path: The name as the disk spells it.
    """

    text: str
    identity: Identity | None
    path: Path | None = None

    @property
    def keys(self) -> tuple[str | Identity, ...]:
        """Two names are names of one thing where they have one of these in common."""
        return (self.text,) if self.identity is None else (self.text, self.identity)


@dataclass(frozen=True, slots=True)
class FoundPlace:
    """A place of a job, looked up."""

    job: str
    place: Place
    is_output: bool
    name: _Name
    above: tuple[_Name, ...]

    def still_has(self, identity: Identity) -> bool:
        """Whether what was there is there still: the number of a file that is gone is given to a new one."""
        return any(
            _identity(name.path) == identity
            for name in (self.name, *self.above)
            if name.identity == identity and name.path is not None
        )


FoundPlaces = tuple[FoundPlace, ...]
"""All places of one job, looked up, that have been held against one another."""


def folds_case(folder: Path) -> bool:
    """Whether the file system takes ``A`` and ``a`` for one name in a folder, told by the names that are there.

    Nothing is written: the folder may be anybody's. An empty folder is taken for what the one around it is.
    """
    while True:
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in islice(entries, _MOST_LOOKED_AT):
                path = folder / entry.name
                if entry.name != entry.name.swapcase() and (identity := _identity(path)) is not None:
                    return _goes_by_other_case(path, identity)
        if folder == folder.parent or _device(folder) != _device(folder.parent):
            return False
        folder = folder.parent


def find_places(
    places: JobPlaces, *, looks_on_disk: bool = True, folds_case: Callable[[Path], bool] = folds_case
) -> FoundPlaces:
    """Look up the places of a job and hold its outputs against its inputs and against one another.

    Args:
        places: The places.
        looks_on_disk: Whether links are followed and inodes compared, which may take as long as a disk likes. Without,
            only what is spelled alike is found.
        folds_case: Whether a folder that exists takes capitals and small letters for the same.

    Raises:
        OutputRefused: An output is something that the job reads (``output_is_input``), or two outputs are one
            (``output_twice``).
    """
    lookup = _Lookup(looks_on_disk=looks_on_disk, folds_case=folds_case)
    found = [lookup.find(places.job, place, is_output=False) for place in places.reads]
    found += [lookup.find(places.job, place, is_output=True) for place in places.writes]
    alone = PlacesInHand()
    for each in found:
        alone.check(each)
        alone.file(each)
    return tuple(found)


def check_places(places: JobPlaces) -> None:
    """Hold the outputs of one job against its inputs and against one another.

    Raises:
        OutputRefused: As `find_places`.
    """
    find_places(places)


_Index = defaultdict[object, dict[int, FoundPlace]]
"""Places by what they share with others; each under its own id, so that one among many is forgotten at once."""


@dataclass(slots=True)
class _Shelf:
    """Places by their own names, and by the names of the folders above them."""

    itself: _Index = field(default_factory=lambda: defaultdict(dict))
    below: _Index = field(default_factory=lambda: defaultdict(dict))

    def put(self, found: FoundPlace) -> None:
        for key in found.name.keys:
            self.itself[key][id(found)] = found
        for name in found.above:
            for key in name.keys:
                self.below[key][id(found)] = found

    def take(self, found: FoundPlace) -> None:
        for key in found.name.keys:
            _drop(self.itself, key, found)
        for name in found.above:
            for key in name.keys:
                _drop(self.below, key, found)

    def check(self, found: FoundPlace) -> None:
        """Raises OutputRefused where anything on the shelf is, holds or lies in the place."""
        for key in found.name.keys:
            _refuse_any(_at(self.itself, key), found, how="is")
        for name in found.above:
            for key in name.keys:
                folders = (other for other in _at(self.itself, key) if other.place.is_folder)
                _refuse_any(folders, found, how="lies in")
        if found.place.is_folder:
            for key in found.name.keys:
                _refuse_any(_at(self.below, key), found, how="holds")


@dataclass(slots=True)
class PlacesInHand:
    """The places of jobs that are under way: those of another job are held against them."""

    _all: _Shelf = field(default_factory=_Shelf)
    # Thousands of jobs may read one file: they are not gone through to see that none of them writes it.
    _outputs: _Shelf = field(default_factory=_Shelf)
    _jobs: dict[str, FoundPlaces] = field(default_factory=dict)

    def add(self, job: str, found: FoundPlaces) -> None:
        """Take a job in; what was known of its places before is forgotten.

        Raises:
            OutputRefused: It writes what another job reads or writes, or reads what another one writes. What was known
                of it stays as it was.
        """
        before = self._jobs.get(job, ())
        self.remove(job)
        try:
            for each in found:
                self.check(each)
        except OutputRefused:
            self._take(job, before)
            raise
        self._take(job, found)

    def keep(self, job: str, found: FoundPlaces) -> None:
        """Take in a job that is under way already, whatever it meets."""
        self.remove(job)
        self._take(job, found)

    def remove(self, job: str) -> None:
        """Forget a job; one that is not there is fine."""
        for each in self._jobs.pop(job, ()):
            self._all.take(each)
            if each.is_output:
                self._outputs.take(each)

    def check(self, found: FoundPlace) -> None:
        """Hold one place against all others.

        Raises:
            OutputRefused: See `add`.
        """
        # Any number of jobs may read one file.
        (self._all if found.is_output else self._outputs).check(found)

    def file(self, found: FoundPlace) -> None:
        """Have a place at hand for the next check."""
        self._all.put(found)
        if found.is_output:
            self._outputs.put(found)

    def _take(self, job: str, found: FoundPlaces) -> None:
        if found:
            self._jobs[job] = found
        for each in found:
            self.file(each)


@dataclass(frozen=True, slots=True)
class _Lookup:
    looks_on_disk: bool
    folds_case: Callable[[Path], bool]
    folding: dict[Path, bool] = field(default_factory=dict)

    def find(self, job: str, place: Place, *, is_output: bool) -> FoundPlace:
        if is_s3(place.location):
            names = list(_object_names(place.location))
        elif self.looks_on_disk:
            names = list(self._names_on_disk(place.location, is_output=is_output))
        else:
            # Two slashes at the start are one: elsewhere they may mean another machine, here they never do.
            path = Path("/" + os.path.normpath(place.location).lstrip("/"))
            names = [_Name(_one_spelling(str(each)), None) for each in (path, *path.parents)]
        return FoundPlace(job, place, is_output, names[0], tuple(names[1:]))

    def _names_on_disk(self, location: str, *, is_output: bool) -> Iterator[_Name]:
        path = Path(os.path.realpath(location))
        known = [(each, _identity(each)) for each in (path, *path.parents)]
        there = next((each for each, identity in known if identity is not None), None)
        folds = is_output and there is not None and there != path and self._folds(there)
        names, text = list[_Name](), ""
        for each, identity in reversed(known):
            part = _one_spelling(each.name)
            # What is there now may not have been when the other place was looked up, and so goes by its name as well.
            if folds if identity is None else _goes_by_other_case(each, identity):
                part = part.casefold()
            text = f"{text.rstrip('/')}/{part}"
            names.append(_Name(text, identity, each))
        return reversed(names)

    def _folds(self, folder: Path) -> bool:
        if folder not in self.folding:
            self.folding[folder] = self.folds_case(folder)
        return self.folding[folder]


def _object_names(location: str) -> Iterator[_Name]:
    """The name of an object, then the prefixes above it, nearest first, the bucket last."""
    address = s3_address(location)
    # Some servers keep keys as paths; nobody means two objects by "a//b" and "a/b".
    path = f"/{posixpath.normpath(f'/{address.key}').lstrip('/')}"
    for each in (path, *(str(parent) for parent in Path(path).parents)):
        yield _Name(_one_spelling(f"s3://{address.bucket}{each.rstrip('/')}"), None)


def _device(folder: Path) -> int | None:
    identity = _identity(folder)
    return None if identity is None else identity[0]


def _goes_by_other_case(path: Path, identity: Identity) -> bool:
    name = path.name.swapcase()
    return name != path.name and _identity(path.with_name(name)) == identity


def _one_spelling(text: str) -> str:
    # Some file systems take composed and combining letters for one name; nobody tells them apart on a screen.
    return unicodedata.normalize("NFC", text)


def _identity(path: Path) -> Identity | None:
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return None
    # Some file systems of the network number nothing.
    return (facts.st_dev, facts.st_ino) if facts.st_ino else None


def _at(index: _Index, key: str | Identity) -> Iterable[FoundPlace]:
    found = index[key].values() if key in index else ()
    return found if isinstance(key, str) else (each for each in found if each.still_has(key))


def _drop(index: _Index, key: object, found: FoundPlace) -> None:
    # Two names of a folder above may share a key.
    index[key].pop(id(found), None)
    if not index[key]:
        del index[key]


def _refuse_any(others: Iterable[FoundPlace], found: FoundPlace, *, how: str) -> None:
    for other in others:
        _refuse(found, other, how)


def _refuse(found: FoundPlace, other: FoundPlace, how: str) -> NoReturn:
    """Name both fields: that of the job that came later, or of the output where it is one job, comes first."""
    verb = "writes" if other.is_output else "reads"
    is_one_job = other.job == found.job
    whose = "" if is_one_job else f" of {other.job or 'another job'}"
    where = found.place.field if is_one_job or not found.job else f"{found.place.field} of {found.job}"
    spelled = "" if found.place.location == other.place.location else f", '{other.place.location}'"
    raise OutputRefused(
        f"'{found.place.location}' {how} what {other.place.field}{whose} {verb}{spelled}",
        where=where,
        hint="name another place for one of the two",
        code="output_twice" if found.is_output and other.is_output else "output_is_input",
    )
