"""Recordings of speech that are damaged, odd or none."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from random import Random

import av
import numpy as np
from av.stream import Disposition
from damage import damaged, spliced
from fuzz_case import Attempt, Kinds, Room
from made_voices import MadeTrack, voice, write_tracks
from recordings import add_voice, write_sound
from special_files import put_special_file

from farm.translation import translated
from infra.fetch import fetch_file
from stages.encode.sound import LAYOUTS, MasterSound
from stages.speech.decode import read_levelled
from stages.speech.source import open_speech

SUFFIXES = (
    ".wav",
    ".mp3",
    ".mp4",
    ".m4a",
    ".flac",
    ".ogg",
    ".aac",
    ".raw",
    ".sbg",
    ".mod",
    ".txt",
    ".g722",
    "",
    ".%d.png",
)


def read(path: Path, room: Room) -> str:
    """What a render does with its speech: find it, read it, encode it for the master."""
    found = fetch_file(str(path), cache=room.folder / "cache", where="spec.speech")
    with translated("spec.speech"):
        speech = read_levelled(found)
        assert speech.heard is not None
        with open_speech(found, track=speech.heard.track) as source:
            sound = MasterSound(source, downmix=speech.heard.downmix, fps=Fraction(25))
            encoder = av.CodecContext.create("aac", "w")
            encoder.sample_rate, encoder.format = sound.rate, "fltp"
            encoder.layout, encoder.bit_rate = LAYOUTS[sound.channel_count], sound.bit_rate
            for frame in sound.finish(speech.frame_count):
                encoder.encode(frame)
            encoder.encode(None)
    assert speech.frame_count > 0
    assert len(speech.samples_S) == 640 * speech.frame_count
    assert np.isfinite(speech.samples_S).all()
    return "ok"


def _damaged(random: Random, room: Room) -> Attempt:
    whole = room.some_recording(random, kind=random.choice(("speech", "speech", "speech", "clips")))
    path = room.folder / whole.name
    path.write_bytes(damaged(whole.read_bytes(), random))
    return lambda: read(path, room)


def _spliced(random: Random, room: Room) -> Attempt:
    head, tail = (room.some_recording(random, kind="speech") for _ in range(2))
    path = room.folder / head.name
    path.write_bytes(spliced(head.read_bytes(), tail.read_bytes(), random))
    return lambda: read(path, room)


def _renamed(random: Random, room: Room) -> Attempt:
    whole = room.some_recording(random, kind=random.choice(("speech", "clips")))
    path = room.folder / f"speech{random.choice(SUFFIXES)}"
    path.write_bytes(whole.read_bytes() if random.random() < 0.6 else damaged(whole.read_bytes(), random))
    return lambda: read(path, room)


def _noise(random: Random, room: Room) -> Attempt:
    marks = (
        b"RIFF",
        b"fLaC",
        b"OggS",
        b"ID3\4",
        b"\xff\xfb",
        b"\0\0\0\x18ftypM4A ",
        b"FORM",
        b".snd",
        b"\x1aE\xdf\xa3",
        b"",
    )
    path = room.folder / f"speech{random.choice(SUFFIXES)}"
    path.write_bytes(random.choice(marks) + random.randbytes(random.choice((0, 3, 40, 4_000, 40_000))))
    return lambda: read(path, room)


def _wav(random: Random, room: Room) -> Attempt:
    """A WAV of any rate, width, channel count and kind of sample, with sizes that may be wrong."""
    odd = {
        "kind": (0, 2, 3, 6, 7, 17, 49, 85, 0xFFFE, random.randrange(65_536)),
        "channels": (0, 2, 3, 8, 9, 16, 64, 255, 1_000, 65_535),
        "rate": (0, 1, 25, 999, 7_999, 96_000, 191_999, 383_999, 768_000, 2**31 - 1, 2**32 - 1),
        "bits": (0, 1, 8, 12, 24, 32, 64, 65_535),
    }
    fields = {"kind": 1, "channels": 1, "rate": 16_000, "bits": 16}
    for name in random.sample(sorted(odd), random.choice((1, 1, 2))):
        fields[name] = random.choice(odd[name])
    kind, channels, rate, bits = fields.values()
    whole = min(channels * bits // 8, 65_535)
    block = random.choice((whole, whole, whole, random.randrange(65_536), 0))
    data = random.randbytes(random.choice((0, 1, 1_000, 9_000, 100_000)))
    stated = random.choice((len(data), len(data), len(data), 0, 2**32 - 1, 2**31, len(data) * 2))
    form = struct.pack("<HHIIHH", kind, channels, rate, min(rate * block, 2**32 - 1), block, bits)
    form += random.choice((b"", b"\0\0", b"\x16\0" + random.randbytes(22)))
    path = room.folder / "speech.wav"
    path.write_bytes(
        b"RIFF" + struct.pack("<I", random.choice((0, 36 + len(data), 2**32 - 1))) + b"WAVEfmt "
        + struct.pack("<I", random.choice((*[len(form)] * 8, 0, 2**32 - 1))) + form
        + b"data" + struct.pack("<I", stated) + data
    )  # fmt: skip
    return lambda: read(path, room)


def _samples(random: Random, room: Room) -> Attempt:
    """Samples that are no numbers, or far beyond full scale."""
    width = random.choice((4, 8))
    samples = np.zeros(9_000, dtype=f"<f{width}")
    bad = (np.nan, np.inf, -np.inf, 1e30, -1e38, 1e300 if width == 8 else 1e38, 1e-40)
    for _ in range(random.randint(1, 5)):
        start = random.randrange(len(samples))
        samples[start : start + random.choice((1, 1, 5_000))] = random.choice(bad)
    path = room.folder / "speech.wav"
    header = struct.pack("<HHIIHH", 3, 1, 16_000, 16_000 * width, width, 8 * width)
    path.write_bytes(
        b"RIFF" + struct.pack("<I", 36 + samples.nbytes) + b"WAVEfmt " + struct.pack("<I", 16) + header
        + b"data" + struct.pack("<I", samples.nbytes) + samples.tobytes()
    )  # fmt: skip
    return lambda: read(path, room)


def _tracks(random: Random, room: Room) -> Attempt:
    """Several tracks of any layout, some of them silent, cancelled, inverted, clipped or of no codec that there is."""
    voice_S = voice(1.0, level_db=random.choice((-70.0, -40.0, -20.0)))
    made = []
    for _ in range(random.randint(1, 4)):
        layout = random.choice(("mono", "stereo", "2.1", "quad", "5.1", "7.1"))
        factors = [random.choice((1.0, -1.0, 0.0, 0.5, 300.0)) for _ in av.AudioLayout(layout).channels]
        made.append(
            MadeTrack(
                samples_SC=np.stack([factor * voice_S for factor in factors], axis=1),
                codec=random.choice(("flac", "pcm_f32le", "pcm_s16le")),
                layout=layout,
                language=random.choice(("", "eng", "und", "x" * 3)),
                title=random.choice(("", "Commentary", "a\nb\0c", "T" * 90)),
                disposition=random.choice((None, Disposition.default, Disposition.comment, Disposition.dub)),
            )
        )
    path = write_tracks(room.folder / "speech.mka", *made)
    data = path.read_bytes()
    if random.random() < 0.4:
        data = data.replace(*random.choice(((b"A_FLAC", b"A_QZXV"), (b"A_PCM/INT", b"A_QZX/INT"))))
    path.write_bytes(damaged(data, random) if random.random() < 0.3 else data)
    return lambda: read(path, room)


def _text(random: Random, room: Room) -> Attempt:
    """Text that FFmpeg may take for a playlist or a script, and which names another file."""
    other = random.choice((room.outside.as_uri(), str(room.outside), "../../outside/secret.wav", "other.wav"))
    texts = (
        f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.0,\n{other}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{other}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 1 RTP/AVP 0\n",
        f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><BaseURL>{other}</BaseURL></Period></MPD>',
        "1\n00:00:00,000 --> 00:00:01,000\nhello\n",
        ";FFMETADATA1\ntitle=x\n",
        "-SE\noff: -\non: 220+8/90\nNOW on\n+99:00:00 off\n",
        f'<?xml version="1.0"?><asx><entry><ref href="{other}"/></entry></asx>',
        "[Script Info]\n\n[Events]\n",
        f"@device\n{other}\n",
        f"DVDVideoSource({other!r})\n",
        f"sine=frequency=440:duration=1 # {other}\n",
    )
    suffixes = (".wav", ".m3u8", ".ffconcat", ".sdp", ".mpd", ".srt", ".sbg", ".avs", ".asx", ".txt", "")
    path = room.folder / f"speech{random.choice(suffixes)}"
    (room.folder / "other.wav").write_bytes((room.recordings / "speech" / "a.wav").read_bytes())
    path.write_text(random.choice(texts))
    return lambda: read(path, room)


def _metadata(random: Random, room: Room) -> Attempt:
    """Whole sound with titles in no known alphabet."""
    name, codec = random.choice(
        (("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.mp3", "libmp3lame"), ("a.mka", "flac"))
    )
    path = room.folder / name
    with av.open(str(path), "w") as container:
        container.metadata.update({"title": "T" * 12, "artist": "A" * 12})
        write_sound(container, add_voice(container, codec, rate=random.choice((16_000, 44_100, 48_000))))
    noise = bytes(random.randrange(128, 256) for _ in range(12))
    path.write_bytes(path.read_bytes().replace(b"T" * 12, noise).replace(b"A" * 12, noise[::-1]))
    return lambda: read(path, room)


def _no_file(random: Random, room: Room) -> Attempt:
    path = room.folder / "speech.wav"
    put_special_file(path, random, outside=room.outside)
    return lambda: read(path, room)


SPEECH_KINDS: Kinds = {
    "speech, damaged": _damaged,
    "speech, spliced": _spliced,
    "speech, wrong extension": _renamed,
    "speech, noise": _noise,
    "speech, odd WAV": _wav,
    "speech, odd samples": _samples,
    "speech, several tracks": _tracks,
    "speech, playlist or script": _text,
    "speech, odd titles": _metadata,
    "speech, no file": _no_file,
}
