"""Clips that are damaged, odd or none."""

from __future__ import annotations

import struct
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from random import Random

import av
import numpy as np
from command_line import run_command
from damage import WORDS, damaged, spliced
from documents import changed
from fuzz_case import Attempt, Kinds, Room
from locations import odd_name
from recordings import add_voice, write_clip, write_sound
from special_files import put_special_file

from farm.translation import translated
from stages.subject.framing import Framing, framed_frames
from stages.video.decoding import read_facts, read_frames

BOXES = (
    b"ftyp", b"moov", b"mvhd", b"tkhd", b"mdhd", b"stsd", b"stts", b"stsc", b"stsz", b"stco", b"ctts", b"elst", b"avc1",
    b"avcC", b"mp4a", b"esds", b"hdlr", b"stss", b"edts", b"mdat",
)  # fmt: skip


def read(path: Path, _room: Room) -> str:
    """What a preparation does with its clip before it looks for faces, and the cutting of a square after that."""
    with translated("clip"):
        facts = read_facts(path)
        assert facts.width > 0
        assert facts.height > 0
        shapes = {frame_HW3.shape for frame_HW3 in read_frames(path)}
        square = Framing(left=0, top=0, side=min(facts.width, facts.height))
        # Smaller squares are refused before they are cut: there is no face in them.
        framed = framed_frames(path, framing=square, first_frame=0, size=32) if square.side >= 16 else ()
        squares = {frame_HW3.shape for frame_HW3 in framed}
    # A clip may be too short for a frame.
    assert shapes <= {(facts.height, facts.width, 3)}
    assert squares <= {(32, 32, 3)}
    return "ok"


def _damaged(random: Random, room: Room) -> Attempt:
    whole = room.some_recording(random, kind="clips")
    path = room.folder / whole.name
    path.write_bytes(damaged(whole.read_bytes(), random))
    return lambda: read(path, room)


def _spliced(random: Random, room: Room) -> Attempt:
    head, tail = (room.some_recording(random, kind="clips") for _ in range(2))
    path = room.folder / head.name
    path.write_bytes(spliced(head.read_bytes(), tail.read_bytes(), random))
    return lambda: read(path, room)


def _boxes(random: Random, room: Room) -> Attempt:
    """Fields of an MP4's tables are extreme: durations, rates, sizes, counts, rotation."""
    path = room.folder / "clip.mp4"
    data = bytearray((room.recordings / "clips" / "a.mp4").read_bytes())
    for _ in range(random.randint(1, 4)):
        place = data.find(random.choice(BOXES))
        if place < 0:
            continue
        start = place + random.choice((0, 4, 8, 12, 16, 20, 24, 28, 36, 40, 44, 52, 76, 80))
        word = random.choice((*WORDS, random.randbytes(4), struct.pack(">I", random.randrange(100_000))))
        data[start : start + 4] = word
    path.write_bytes(bytes(data))
    return lambda: read(path, room)


def _size(random: Random, room: Room) -> Attempt:
    """Pictures of odd or enormous sizes."""
    width, height = (random.choice((1, 2, 3, 15, 64, 333, 8_000, 16_000, 32_000, 65_000)) for _ in range(2))
    name, codec, pixel_format = random.choice(
        (
            ("a.mov", "png", "gray"),
            ("a.gif", "gif", "gray"),
            ("a.mkv", "ffv1", "gray"),
            ("a.avi", "mjpeg", "yuvj420p"),
        )
    )
    path = room.folder / name
    if width * height > 4_000_000:
        # Not drawn, which would take long: a small one that says it is larger.
        write_clip(path, codec=codec, pixel_format=pixel_format, sound="", size=(48, 32))
        data = path.read_bytes()
        for form in (">I", "<I", ">H", "<H"):
            if max(width, height) < 2 ** (8 * struct.calcsize(form)):
                small, large = (struct.pack(form, side) for side in (48, width))
                data = data.replace(small, large).replace(struct.pack(form, 32), struct.pack(form, height))
        path.write_bytes(data)
    else:
        with suppress(av.FFmpegError):
            write_clip(
                path,
                codec=codec,
                pixel_format=pixel_format,
                sound="",
                size=(width, height),
                ticks=(0, 40, 80),
            )
    return lambda: read(path, room)


def _times(random: Random, room: Room) -> Attempt:
    """Pictures shown at odd times: far apart, hardly apart, far from zero, at a rate that is none."""
    gaps = [random.choice((1, 1, 40, 40, 40, 1_000, 100_000, 10**7, 10**9, 10**11)) for _ in range(5)]
    start = random.choice((0, 0, 40, 10**6, 10**10))
    ticks = tuple(start + sum(gaps[:count]) for count in range(6))
    rate = random.choice(
        (Fraction(25), Fraction(1, 1000), Fraction(1, 10**6), Fraction(1000), Fraction(24_000, 1001))
    )
    path = room.folder / random.choice(("clip.mkv", "clip.mp4", "clip.nut"))
    sound = random.choice(("", "pcm_s16le")) if path.suffix != ".mp4" else random.choice(("", "aac"))
    # Some containers refuse some times; what was written until then is a case too.
    with suppress(av.FFmpegError, OverflowError):
        write_clip(path, codec="libx264", sound=sound, ticks=ticks, rate=rate)
    return lambda: read(path, room)


def _changing(random: Random, room: Room) -> Attempt:
    """The picture changes its size on the way."""
    path, data = room.folder / random.choice(("clip.h264", "clip.ts")), b""
    for _ in range(2):
        size = random.choice(((48, 32), (32, 48), (64, 64), (16, 16)))
        write_clip(room.folder / f"part{path.suffix}", codec="libx264", sound="", size=size)
        data += (room.folder / f"part{path.suffix}").read_bytes()
    path.write_bytes(data)
    return lambda: read(path, room)


def _streams(random: Random, room: Room) -> Attempt:
    """Sound alone, a cover picture alone, no stream at all, several pictures."""
    path = room.folder / random.choice(("clip.mp4", "clip.mkv", "clip.mov", "clip.m4a"))
    sounds, pictures, are_covers = random.choice((0, 1)), random.choice((0, 1, 2)), random.random() < 0.7
    with av.open(str(path), "w", format="mp4" if path.suffix == ".m4a" else None) as container:
        voice = add_voice(container, "aac") if sounds else None
        streams = [container.add_stream("mjpeg", rate=25) for _ in range(pictures)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 16, 16, "yuvj420p"
            if are_covers:
                stream.disposition = av.stream.Disposition.attached_pic
        for stream in streams:
            picture = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 90, np.uint8), format="rgb24")
            container.mux(stream.encode(picture.reformat(format="yuvj420p")))
            container.mux(stream.encode(None))
        if voice is not None:
            write_sound(container, voice)
    if not path.exists():
        path.write_bytes((room.recordings / "clips" / "a.mp4").read_bytes()[:32])
    return lambda: read(path, room)


def _formats(random: Random, room: Room) -> Attempt:
    """Pixels of every form, which all have to become RGB."""
    formats = av.Codec(random.choice(("ffv1", "png", "rawvideo", "huffyuv", "mjpeg", "gif")), "w")
    pixel_format = random.choice([form.name for form in formats.video_formats or ()] or ["gray"])
    path = room.folder / "clip.nut"
    # Not every encoder takes all that it lists.
    with suppress(av.FFmpegError, ValueError):
        write_clip(
            path, codec=formats.name, pixel_format=pixel_format, sound=random.choice(("", "pcm_s16le"))
        )
    return lambda: read(path, room)


def _no_file(random: Random, room: Room) -> Attempt:
    path = room.folder / "clip.mp4"
    put_special_file(path, random, outside=room.outside)
    return lambda: read(path, room)


def _prepared(random: Random, room: Room) -> Attempt:
    """``farm subject prepare`` on all of these, with a consent, a name and a place that may be bad too."""
    clip, consent, out, name = (
        room.folder / "clip.mp4",
        room.folder / "consent.pdf",
        room.folder / "zoe",
        "zoe",
    )
    consent.write_bytes(b"I agree")
    whole = room.some_recording(random, kind="clips")
    clip.write_bytes(whole.read_bytes() if random.random() < 0.2 else damaged(whole.read_bytes(), random))
    choice = random.random()
    if choice < 0.15:
        put_special_file(clip, random, outside=room.outside)
    elif choice < 0.35:
        put_special_file(consent, random, outside=room.outside)
    elif choice < 0.5:
        name = odd_name(random).replace("\0", "\udcff")
    elif choice < 0.65:
        out = room.folder / ("x" * 300) if random.random() < 0.2 else out
        put_special_file(out.with_name("zoe"), random, outside=room.outside)
    elif choice < 0.75:
        clip = clip.rename(clip.with_name("\udcff\udcfe.mp4"))
    arguments = ("subject", "prepare", clip, f"--name={name}", "--consent", consent, "--out", out)
    return lambda: run_command(*arguments)


def _resumed(random: Random, room: Room) -> Attempt:
    """A preparation that goes on in a folder whose records of it were altered."""
    import json

    clip, consent, out = room.folder / "clip.mp4", room.folder / "consent.pdf", room.folder / "zoe"
    consent.write_bytes(b"I agree")
    clip.write_bytes((room.recordings / "clips" / "a.mp4").read_bytes())
    arguments = ("subject", "prepare", clip, "--name=zoe", "--consent", consent, "--out", out)
    run_command(*arguments)
    for path in (out / "preparation.json", out / "report" / "report.json"):
        if path.is_file() and random.random() < 0.7:
            record = json.loads(path.read_text())
            text = json.dumps(changed(record, random))
            path.write_bytes(text.encode() if random.random() < 0.6 else damaged(text.encode(), random))
    table = ("subject", "table", out)
    return lambda: run_command(*random.choice((arguments, table)))


CLIP_KINDS: Kinds = {
    "clip, damaged": _damaged,
    "clip, spliced": _spliced,
    "clip, MP4 fields": _boxes,
    "clip, picture size": _size,
    "clip, times": _times,
    "clip, changing size": _changing,
    "clip, streams": _streams,
    "clip, pixel formats": _formats,
    "clip, no file": _no_file,
    "clip, prepare": _prepared,
    "clip, prepare again": _resumed,
}
