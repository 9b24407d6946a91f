"""The files of a take that is watched: playlists, headers and pieces, made of what the store holds.

Pieces of the picture are made when somebody asks: that takes milliseconds, and the same bytes come each time; to keep
them would double the store. The sound has to be encoded as a whole, so it is kept in the store once it is made, for
whichever process is asked next.
"""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal

from farm.captions import read_job_captions
from farm.translation import translated
from farm.watching.file_names import MAIN, TakeFile
from farm.watching.playlists import Piece, StreamedQuality, media_playlist, multivariant_playlist
from farm.watching.watched_take import WatchedTake
from infra.fetch import fetch_file
from infra.storage import ObjectStore
from jobs.errors import (
    DiskFull,
    InputChanged,
    InputError,
    InputNotFound,
    ObjectNotFound,
    Retry,
    SegmentDivergence,
)
from jobs.framerate import FRAME_RATE
from jobs.identity import sha256_of_record
from jobs.parse import parse_job
from jobs.plan import SEGMENT_FRAMES, link_key, sound_key
from jobs.segment_link import SegmentLink
from stages.encode.captions import Captions
from stages.encode.fill import still_segment
from stages.encode.fragments import (
    SOUND_CODEC,
    PictureFragment,
    SoundPieces,
    picture_fragment,
    sound_pieces,
    write_sound,
)
from stages.encode.profile import FULL, PREVIEW
from stages.speech.decode import read_speech
from stages.whole_files import written_whole

_PARTS: Final = re.compile(
    r"(picture|sound)(?:(?P<list>\.m3u8)|(?P<header>-init\.mp4)|-(?P<piece>[0-9]{5,7})\.m4s)"
    r"|captions(?:(?P<words>\.m3u8)|-(?P<cues>[0-9]{5,7})\.vtt)"
)
_PLAYLIST: Final = "application/vnd.apple.mpegurl"
_MEDIA: Final = {"picture": "video/mp4", "sound": "audio/mp4"}
_LONGEST_S: Final = -(-SEGMENT_FRAMES // FRAME_RATE)

# What a pixel of a frame may take, three times what was measured, as `farm.preparation` reckons with.
_BITS_PER_PIXEL: Final = 0.8
# Headers of pieces, and packets that are larger than the mean.
_SOUND_ROOM: Final = 1.25

Rendition = Literal["picture", "sound", "captions"]


class TakeFiles:
    """Makes the files of takes. Keeps nothing itself but copies of sounds in the cache, so several threads may ask."""

    def __init__(self, store: ObjectStore, *, cache: Path) -> None:
        """Nothing is read yet."""
        self._store = store
        self._cache = cache

    def file(self, view: WatchedTake, name: str) -> TakeFile:
        """One file of a take.

        Args:
            view: The take, as the journal tells it by now.
            name: As `farm.watching.file_names.FILE_NAME` has it; all others are found in playlists.

        Raises:
            InputNotFound: There is no such file (``unknown_fragment``), nothing is committed yet
                (``nothing_to_watch``), or the recording is not there.
            InputChanged: What was committed is no longer in this store (``segment_gone``).
            StoreError: The store failed, or holds something else.
            FarmError: The recording cannot be read, or a segment not be used.
        """
        if view.listed == 0:
            raise _nothing_yet(view)
        if name == MAIN:
            return TakeFile(content=self._main(view).encode(), media_type=_PLAYLIST, is_list=True)
        parts = _PARTS.fullmatch(name)
        if parts is None:
            raise _unknown_file(name)
        if parts[1] is None:
            return self._captions_file(view, name, piece=parts["cues"])
        rendition: Rendition = "picture" if parts[1] == "picture" else "sound"
        if parts["list"]:
            text = self._playlist(view, rendition)
            return TakeFile(content=text.encode(), media_type=_PLAYLIST, is_list=True)
        index = 0 if parts["header"] else int(parts["piece"])
        if index >= view.listed or (parts["piece"] and name != _name(rendition, index)):
            raise _unknown_file(name)
        if rendition == "picture":
            fragment = self._picture(view, index)
            content = fragment.header if parts["header"] else fragment.media
        else:
            path, pieces = self._sound(view)
            content = _part(path, pieces.header if parts["header"] else pieces.media[index])
        return TakeFile(content=content, media_type=_MEDIA[rendition], is_list=False)

    def _captions_file(self, view: WatchedTake, name: str, *, piece: str | None) -> TakeFile:
        """The list of captions, or those that are shown during one segment."""
        _, sound = self._sound(view)
        captions = self._captions(view, sound)
        if captions is None:
            raise _unknown_file(name)
        if piece is None:
            text = self._playlist(view, "captions")
            return TakeFile(content=text.encode(), media_type=_PLAYLIST, is_list=True)
        index = int(piece)
        if index >= view.listed or name != _name("captions", index):
            raise _unknown_file(name)
        first, stop = index * SEGMENT_FRAMES, index * SEGMENT_FRAMES + _frame_count(index, view, sound)
        text = captions.as_vtt(start_ms=int(first * 1000 / FRAME_RATE), stop_ms=int(stop * 1000 / FRAME_RATE))
        return TakeFile(content=text.encode(), media_type="text/vtt", is_list=False)

    def _captions(self, view: WatchedTake, sound: SoundPieces) -> Captions | None:
        """The captions of the job's masters; None where there are none."""
        loaded = parse_job(view.document_json, folder=Path(view.job_folder), where=view.job)
        try:
            captions = read_job_captions(loaded, cache=self._cache)
        except InputError:
            # They were taken away or changed since: the pictures are watched without them.
            return None
        return None if captions is None else captions.within(frame_count=sound.frame_count, fps=FRAME_RATE)

    def _main(self, view: WatchedTake) -> str:
        first = self._picture(view, 0)
        _, sound = self._sound(view)
        captions = self._captions(view, sound)
        picture_bits = _BITS_PER_PIXEL * first.width * first.height * FRAME_RATE
        quality = StreamedQuality(
            codecs=(first.codec, SOUND_CODEC),
            bits_per_second=int(picture_bits + _SOUND_ROOM * sound.bit_rate),
            width=first.width,
            height=first.height,
            fps=FRAME_RATE,
            channel_count=sound.channel_count,
            captions="" if captions is None else "captions.m3u8",
            language="" if captions is None else captions.language,
        )
        return multivariant_playlist(quality, pictures="picture.m3u8", sound="sound.m3u8")

    def _playlist(self, view: WatchedTake, rendition: Rendition) -> str:
        _, sound = self._sound(view)
        if rendition == "sound":
            durations = sound.durations[: view.listed]
        else:
            frames = [_frame_count(index, view, sound) for index in range(view.listed)]
            durations = tuple(Fraction(count) / FRAME_RATE for count in frames)
        return media_playlist(
            (Piece(name=_name(rendition, index), duration=each) for index, each in enumerate(durations)),
            header="" if rendition == "captions" else f"{rendition}-init.mp4",
            longest_s=_LONGEST_S,
            began_at=datetime.fromtimestamp(view.began_at, UTC),
            is_ended=view.is_ended,
        )

    def _picture(self, view: WatchedTake, index: int) -> PictureFragment:
        segment, where = self._segment(view, index)
        with translated(where):
            return picture_fragment(segment, index=index, first_frame=index * SEGMENT_FRAMES, fps=FRAME_RATE)

    def _segment(self, view: WatchedTake, index: int) -> tuple[bytes, str]:
        """A segment's bytes, as they are in the master, and what to call it in errors."""
        where = f"take {view.number}, segment {index}"
        if index not in view.filled:
            return self._committed(view, index, where=where), where
        committed = [each for each in range(view.listed) if each not in view.filled]
        before = max((each for each in committed if each < index), default=None)
        neighbour = min(committed) if before is None else before
        beside = self._committed(view, neighbour, where=where)
        _, sound = self._sound(view)
        with translated(where):
            width = picture_fragment(beside, index=0, first_frame=0, fps=FRAME_RATE).width
            still = still_segment(
                beside,
                shows="first" if before is None else "last",
                frame_count=_frame_count(index, view, sound),
                fps=FRAME_RATE,
                profile=next(profile for profile in (PREVIEW, FULL) if profile.size == width),
            )
        return still, where

    def _committed(self, view: WatchedTake, index: int, *, where: str) -> bytes:
        key = link_key(view.folder, take=view.number, index=index)
        try:
            link = SegmentLink.from_json(self._store.get(key), where=key)
            return self._store.get(link.key)
        except ObjectNotFound as error:
            raise InputChanged(
                "is committed, but not in this store",
                where=where,
                code="segment_gone",
                hint="have the server use its farm's FARM_STORE; what was swept is rendered again by another submit",
            ) from error

    def _sound(self, view: WatchedTake) -> tuple[Path, SoundPieces]:
        """The sound of the job's masters, in a file of this machine."""
        key = sound_key(view.folder)
        path = self._cache / "sounds" / f"{sha256_of_record([self._store.uri, key])[:32]}.mp4"
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                with written_whole(path) as partial:
                    self._bring_sound(view, partial)
            with translated("the sound"):
                pieces = sound_pieces(path, fps=FRAME_RATE, segment_frames=SEGMENT_FRAMES)
        except OSError as error:
            hint = "make room in FARM_CACHE"
            raise DiskFull.or_unwritable(error, where=str(path), hint=hint) from error
        return path, pieces

    def _bring_sound(self, view: WatchedTake, path: Path) -> None:
        key = sound_key(view.folder)
        if self._store.head(key) is None:
            self._make_sound(view, path)
            try:
                self._store.put_if_absent(key, path)
                return
            except SegmentDivergence:
                pass  # another kind of machine was quicker, and rounds differently: its sound is everybody's
        with self._store.local_copy(key) as copy:
            shutil.copyfile(copy, path)

    def _make_sound(self, view: WatchedTake, path: Path) -> None:
        loaded = parse_job(view.document_json, folder=Path(view.job_folder), where=view.job)
        recording = fetch_file(loaded.speech, cache=self._cache, where="spec.speech")
        with translated("spec.speech"), path.open("wb") as file:
            speech = read_speech(recording, track=loaded.job.spec.speech.track)
            if -(-speech.frame_count // SEGMENT_FRAMES) != view.total:
                raise InputChanged(
                    "is no longer as long as it was when the job was planned",
                    where="spec.speech",
                    hint="submit the job again",
                )
            write_sound(
                file, recording=recording, speech=speech, fps=FRAME_RATE, segment_frames=SEGMENT_FRAMES
            )


def _frame_count(index: int, view: WatchedTake, sound: SoundPieces) -> int:
    is_last = index == view.total - 1
    return sound.frame_count - index * SEGMENT_FRAMES if is_last else SEGMENT_FRAMES


def _name(rendition: Rendition, index: int) -> str:
    return f"{rendition}-{index:05d}.{'vtt' if rendition == 'captions' else 'm4s'}"


def _part(path: Path, span: range) -> bytes:
    with path.open("rb") as file:
        file.seek(span.start)
        return file.read(len(span))


def _nothing_yet(view: WatchedTake) -> InputNotFound:
    over = view.state.is_terminal
    return InputNotFound(
        "its first segment was never committed" if over else "its first segment is not committed yet",
        where=f"take {view.number}",
        code="nothing_to_watch",
        hint=f"it is {view.state.value}" if over else "ask again, or follow its events",
        retry=Retry.NEVER if over else Retry.LATER,
    )


def _unknown_file(name: str) -> InputNotFound:
    return InputNotFound(
        "there is no such piece of it",
        where=name[:80],
        code="unknown_fragment",
        hint=f"open {MAIN}; playlists name all others",
    )
