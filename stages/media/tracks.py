"""Which audio track of a file is heard, where it has several.

Legend: S samples, C channels, X rows of any kind.

The track that the job names. Otherwise, of the tracks that can be decoded: the first with sound, those meant for
everybody before those with a purpose of their own (commentary, audio description, karaoke, dubs), the one marked as
default before the others, then in the order of the file. Without sound in any, the first of that order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import av.logging
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from stages.errors import SpeechError
from stages.media.container import open_media, packets_of, reading

SILENT_BELOW: Final = 0.001
"""Half the swing of a block of samples, full scale 1, up to which it holds no sound: -60 dB. Dither, hum of an input
that nothing is plugged into and the noise of codecs stay below."""

_PURPOSES: Final = {
    "comment": "commentary",
    "descriptions": "audio description",
    "visual_impaired": "for the visually impaired",
    "hearing_impaired": "for the hearing impaired",
    "karaoke": "karaoke",
    "dub": "dub",
    "lyrics": "lyrics",
    "clean_effects": "effects alone",
    "non_diegetic": "background alone",
}
_ANOTHER: Final = "speech: {uri: ..., track: NUMBER} in a job, or --audio-track NUMBER, names another"
_NO_LANGUAGE: Final = frozenset({"", "und", "unknown"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTrack:
    """One audio track of a file.

    Attributes:
        number: Place among the audio tracks, from 1, as players count.
        codec: FFmpeg's name of the codec; of one that FFmpeg does not know the four letters in the file.
        layout: FFmpeg's name of the channels' places, such as ``stereo`` or ``4 channels``; empty where unknown.
        language: The file's tag; empty where there is none.
        title: The file's; empty where there is none.
        purpose: Whom or what it is meant for where that is not everybody.
        is_default: Whether the file marks it as the one to play.
        is_decodable: Whether this FFmpeg has a decoder.
    """

    number: int
    codec: str
    layout: str = ""
    language: str = ""
    title: str = ""
    purpose: str = ""
    is_default: bool = False
    is_decodable: bool = True

    def __str__(self) -> str:
        title = f"'{self.title}'" if self.title else ""
        facts = (self.codec, self.layout, self.language, title, self.purpose)
        return f"{self.number} ({', '.join(filter(None, facts))})"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackChoice:
    """The audio track that is heard, and why.

    Attributes:
        track: The track; None where no file was read.
        others: The other audio tracks of the file.
        silent: Numbers of the tracks that come before it by the rule, and hold no sound.
        is_named: Whether the job names it.
    """

    track: AudioTrack | None = None
    others: tuple[AudioTrack, ...] = ()
    silent: tuple[int, ...] = ()
    is_named: bool = False

    @property
    def number(self) -> int:
        """Number of the track that is heard, from 1."""
        return 1 if self.track is None else self.track.number

    def sentences(self) -> Iterator[str]:
        """What there is to tell, each a plain sentence without a full stop."""
        if self.track is None or not self.others:
            return
        unknown = [track for track in self.others if not track.is_decodable]
        if unknown:
            yield f"there is no decoder for audio track {_listed(unknown)}"
        silent = [track for track in self.others if track.number in self.silent]
        if silent:
            yield f"there is no sound in audio track {_listed(silent)}"
        if not self.is_named:
            choices = [track for track in self.others if track not in (*unknown, *silent)]
            others = (
                f", and not {_listed(choices)}: speech: {{uri: ..., track: NUMBER}} names another"
                if choices
                else ""
            )
            yield f"of {len(self.others) + 1} audio tracks number {self.track} is heard{others}"


def choose_track(container: InputContainer, path: Path, *, wanted: int | str | None) -> TrackChoice:
    """Choose among the audio tracks of an open file. Only of a file with several is any sound looked at.

    Args:
        container: The file.
        path: Where it lies: it is opened again to look at the sound of its tracks.
        wanted: The number of a track, from 1, or its language tag; None: by the rule.

    Raises:
        SpeechError: ``speech_no_sound`` (there is no audio track), ``speech_track_unknown`` (no track, or several, are
            what is wanted), ``speech_codec_unknown`` (there is no decoder).
    """
    tracks = _audio_tracks(container)
    if not tracks:
        raise SpeechError(
            code="speech_no_sound",
            what="there is no audio in this file",
            hint="hand in a recording of speech",
            where=str(path),
        )
    candidates, silent = (
        ([_named(tracks, wanted, path)], []) if wanted is not None else _by_rule(tracks, path)
    )
    if not any(track.is_decodable for track in candidates):
        raise SpeechError(
            code="speech_codec_unknown",
            what=f"there is no decoder for the sound: audio track {_listed(candidates)}",
            hint="export it as AAC, FLAC or PCM",
            where=str(path),
        )
    chosen = candidates[0]
    return TrackChoice(
        track=chosen,
        others=tuple(track for track in tracks if track is not chosen),
        silent=tuple(silent),
        is_named=wanted is not None,
    )


def check_track(path: Path, *, wanted: int | str | None) -> None:
    """See that `choose_track` finds one in a file, before any of it is worked on.

    Raises:
        SpeechError: As `choose_track` and `open_media`.
    """
    with open_media(path, family=SpeechError, noun="speech") as container:
        choose_track(container, path, wanted=wanted)


def half_swing(samples_XS: NDArray[np.float32]) -> NDArray[np.float64]:
    """Half the distance between the largest and the smallest sample of every row: a constant is no sound."""
    highest_X, lowest_X = samples_XS.max(axis=-1), samples_XS.min(axis=-1)
    return (highest_X.astype(np.float64) - lowest_X) / 2


def _by_rule(tracks: Sequence[AudioTrack], path: Path) -> tuple[list[AudioTrack], list[int]]:
    """Tracks in the order of the rule from the first with sound on, and the numbers of those before."""
    decodable = [track for track in tracks if track.is_decodable]
    ordered = sorted(decodable, key=lambda track: (bool(track.purpose), not track.is_default, track.number))
    if len(ordered) < 2:
        return ordered or list(tracks), []
    silent: list[int] = []
    for place, track in enumerate(ordered):
        if _has_sound(path, track.number):
            return ordered[place:], silent
        silent.append(track.number)
    return ordered, silent[1:]


def _named(tracks: Sequence[AudioTrack], wanted: int | str, path: Path) -> AudioTrack:
    if isinstance(wanted, int):
        found = [track for track in tracks if track.number == wanted]
    else:
        found = [track for track in tracks if track.language.lower() == wanted.lower()]
    if len(found) == 1:
        return found[0]
    many = f"{len(found)} audio tracks have" if found else "no audio track has"
    raise SpeechError(
        code="speech_track_unknown",
        what=f"{many} the {'number' if isinstance(wanted, int) else 'language'} {wanted}; there is {_listed(tracks)}",
        hint=_ANOTHER,
        where=str(path),
    )


def _audio_tracks(container: InputContainer) -> list[AudioTrack]:
    return [
        _facts(container, stream, number=number)
        for number, stream in enumerate(container.streams.audio, start=1)
    ]


def _facts(container: InputContainer, stream: AudioStream, *, number: int) -> AudioTrack:
    disposition = stream.disposition
    kinds = type(disposition)
    purposes = [words for name, words in _PURPOSES.items() if disposition & getattr(kinds, name)]
    language = stream.metadata.get("language", "")
    # PyAV makes no context for what has no decoder, whatever its stubs say.
    context: AudioCodecContext | None = getattr(stream, "codec_context", None)
    return AudioTrack(
        number=number,
        codec=_codec_in_words(container, stream) if context is None else context.codec.canonical_name,
        layout="" if context is None else context.layout.name,
        language="" if language in _NO_LANGUAGE else language,
        title=_shown(stream.metadata.get("title", "")),
        purpose=" and ".join(purposes),
        is_default=bool(disposition & kinds.default),
        is_decodable=context is not None,
    )


def _codec_in_words(container: InputContainer, stream: AudioStream) -> str:
    """What FFmpeg prints of a codec that it has no decoder for: its name, or the four letters in the file."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)  # or it prints nothing
    try:
        described: str = container.dumps_format()  # type: ignore[attr-defined]  # PyAV's stubs leave it out
    finally:
        av.logging.set_level(level)
    line = re.search(rf"Stream #0:{stream.index}\b[^\n]*?Audio: ([\w.-]+)(?: \(([\w.-]+))?", described)
    name, letters = (line[1], line[2]) if line else ("none", None)
    return (letters or "a codec that has no name") if name == "none" else name


def _has_sound(path: Path, number: int) -> bool:
    with open_media(path, family=SpeechError, noun="speech") as container:
        stream = container.streams.audio[number - 1]
        with reading(path, family=SpeechError, noun="speech"):
            return any(_sounds(block_SC) for block_SC in _blocks(container, stream))


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    for packet in packets_of(container, stream):
        try:
            frames = [] if packet is None else packet.decode()
        except av.InvalidDataError:
            # Whoever reads the track to its end counts it; here it is only asked whether there is sound.
            continue
        yield from frames


def _blocks(container: InputContainer, stream: AudioStream) -> Iterator[NDArray[np.float32]]:
    convert, made_for = av.AudioResampler(format="flt"), ("", 0)
    for frame in _frames(container, stream):
        if made_for != (frame.layout.name, frame.sample_rate):
            made_for = (frame.layout.name, frame.sample_rate)
            # Packed, because PyAV reads beyond the end of a frame's first eight planes.
            convert = av.AudioResampler(format="flt", layout=frame.layout, rate=frame.sample_rate)
        frame.pts = None
        for part in convert.resample(frame):
            yield part.to_ndarray().reshape(-1, frame.layout.nb_channels).astype(np.float32, copy=False)


def _sounds(block_SC: NDArray[np.float32]) -> bool:
    if not block_SC.size:
        return False
    # Samples that are no numbers are no silence: whoever reads the track refuses it.
    return not np.isfinite(block_SC).all() or bool((half_swing(block_SC.T) >= SILENT_BELOW).any())


def _shown(title: str) -> str:
    """A title fit for one line."""
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in title).split())
    return words if len(words) <= 40 else words[:37] + "..."


def _listed(tracks: Sequence[AudioTrack]) -> str:
    return _joined([str(track) for track in tracks])


def _joined(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
