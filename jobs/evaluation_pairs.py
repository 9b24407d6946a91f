"""Which video is judged against which: the pairs that an evaluate job means, from folders, patterns and names."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Final

from jobs.errors import InputError, InputNotFound, SpecError, SpecMistake
from jobs.evaluate_spec import EvaluateSpec, VideoPair
from jobs.folders import literal_brackets
from jobs.locations import is_s3, resolve_location
from jobs.spelling import hint_where_missing

_VIDEO_SUFFIXES: Final = frozenset(
    {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ts", ".webm", ".wmv"}
)
_SOUND_SUFFIXES: Final = _VIDEO_SUFFIXES | {
    ".aac",
    ".aif",
    ".aiff",
    ".flac",
    ".m4a",
    ".mp3",
    ".ogg",
    ".opus",
    ".wav",
}

_MOST_NAMED: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPair:
    """What a system made of one clip, and the true video; absolute paths or ``s3://`` URIs.

    Attributes:
        system: Who made it.
        clip: Its name in the report: the file's, without suffix.
        generated: The video to judge, or its takes.
        truth: The true one.
        speech: The sound that sync is judged by; None: each video's own.
        field: The field of the job that named it, for errors.
    """

    system: str
    clip: str
    generated: tuple[str, ...]
    truth: str
    speech: str | None
    field: str

    def __str__(self) -> str:
        return f"{self.system}/{self.clip}"


def find_pairs(spec: EvaluateSpec, *, folder: Path) -> tuple[EvaluationPair, ...]:
    """All pairs, those of `systems` first.

    Args:
        spec: The job's.
        folder: Absolute folder that relative paths start from.

    Raises:
        InputNotFound: A folder, a video or its counterpart is missing.
        SpecError: Two videos of a system would have one name.
    """
    pairs = [*_of_systems(spec, folder=folder), *_named(spec.pairs, folder=folder)]
    first: dict[str, EvaluationPair] = {}
    mistakes = []
    for pair in pairs:
        twin = first.setdefault(str(pair), pair)
        if twin is not pair:
            mistakes.append(
                SpecMistake(
                    path=pair.field,
                    code="duplicate_name",
                    message=f"is a second '{pair.clip}' of {pair.system}, beside {twin.field}",
                    hint="rename the file, or give the pair a system of its own",
                )
            )
    if mistakes:
        raise SpecError(mistakes=mistakes)
    return tuple(pairs)


def _of_systems(spec: EvaluateSpec, *, folder: Path) -> Iterator[EvaluationPair]:
    if not spec.systems:
        return
    assert spec.truth is not None, "a spec with systems has a truth"
    truths = _files_in(spec.truth, _VIDEO_SUFFIXES, folder=folder, field="spec.truth")
    speech: Mapping[str, Path] = {}
    if spec.speech is not None:
        speech = _files_in(spec.speech, _SOUND_SUFFIXES, folder=folder, field="spec.speech")
        _refuse_missing(truths, speech, what="recording", field="spec.speech")
    takes = {name: [_take(name, take) for take in range(1, spec.takes + 1)] for name in truths}
    for system, home in spec.systems.items():
        field = f"spec.systems.{system}"
        videos = _files_in(home, _VIDEO_SUFFIXES, folder=folder, field=field)
        _refuse_missing(chain(*takes.values()), videos, what="video", field=field)
        for name, truth in truths.items():
            yield EvaluationPair(
                system=system,
                clip=name,
                generated=tuple(str(videos[take]) for take in takes[name]),
                truth=str(truth),
                speech=str(speech[name]) if speech else None,
                field=field,
            )


def _named(pairs: Sequence[VideoPair], *, folder: Path) -> Iterator[EvaluationPair]:
    for index, pair in enumerate(pairs):
        field = f"spec.pairs[{index}]"
        for generated in _matches(
            resolve_location(pair.generated, folder=folder), field=f"{field}.generated"
        ):
            yield EvaluationPair(
                system=pair.system,
                # It becomes a folder of plots, which a key that ends in ".." must not lead elsewhere.
                clip=PurePosixPath(generated).stem.lstrip(".") or "video",
                generated=(generated,),
                truth=resolve_location(pair.truth, folder=folder),
                speech=None if pair.speech is None else resolve_location(pair.speech, folder=folder),
                field=field,
            )


def _take(name: str, take: int) -> str:
    """What a take of a clip is called, as a render job writes it."""
    return name if take == 1 else f"{name}.take{take}"


def _matches(location: str, *, field: str) -> list[str]:
    if is_s3(location) or not ("*" in location or "?" in location):
        return [location]
    # Not Path.glob, whose * matches hidden names too, such as files that are still being written.
    found = sorted(path for path in glob(literal_brackets(location)) if Path(path).is_file())  # noqa: PTH207
    if not found:
        hint = hint_where_missing(location, otherwise="check the pattern", is_pattern=True)
        raise InputNotFound(f"no file is called '{location}'", where=field, hint=hint)
    return found


def _files_in(home: str, suffixes: Collection[str], *, folder: Path, field: str) -> dict[str, Path]:
    """The files of a folder by their name without suffix, in the order of names."""
    place = Path(resolve_location(home, folder=folder))
    if not place.is_dir():
        hint = hint_where_missing(str(place), otherwise="check the path; it starts at the job's file")
        raise InputNotFound(f"no such folder: '{place}'", where=field, hint=hint)
    found: dict[str, Path] = {}
    for path in sorted(place.iterdir()):
        if path.suffix.lower() not in suffixes or path.name.startswith(".") or not path.is_file():
            continue
        name = unicodedata.normalize("NFC", path.stem)
        if name in found:
            raise InputError(
                f"'{found[name].name}' and '{path.name}' have one name",
                where=field,
                code="duplicate_name",
                hint="keep one of them in the folder: files are matched by name, whatever the suffix",
            )
        found[name] = path
    if not found:
        raise InputNotFound(
            f"'{place}' holds no file that could be matched",
            where=field,
            hint=f"known suffixes: {', '.join(sorted(suffixes))}",
        )
    return found


def _refuse_missing(wanted: Iterable[str], found: Collection[str], *, what: str, field: str) -> None:
    missing = [name for name in wanted if name not in found]
    if not missing:
        return
    shown = ", ".join(missing[:_MOST_NAMED]) + (", ..." if len(missing) > _MOST_NAMED else "")
    plural = f"a {what}" if len(missing) == 1 else f"{len(missing)} {what}s"
    raise InputNotFound(
        f"lacks {plural}: {shown}",
        where=field,
        # Averages over other clips than the next row's would compare nothing.
        hint="every true video needs one of its name, or take it out of spec.truth",
    )
