"""Recordings whose clocks start again, jump, or leave something out."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import av
import clip_kinds
import numpy as np
import speech_kinds
from clocked_media import write_media
from damage import damaged
from fuzz_case import Attempt, Kinds, Room

STEPS = (0.0, 0.02, 0.3, 1.0, 61.0, 700.0, 1e5, 1e8)


def _joined(random: Random, room: Room) -> Attempt:
    """Several recordings of a kind, one behind the other, some of them damaged."""
    kind = random.choice(("speech", "clips"))
    some = room.some_recording(random, kind=kind)
    parts = [some.read_bytes()] * random.choice((2, 3, 40))
    if random.random() < 0.5:
        parts[random.randrange(len(parts))] = damaged(some.read_bytes(), random)
    path = room.folder / some.name
    path.write_bytes(b"".join(parts))
    read = random.choice((speech_kinds.read, clip_kinds.read)) if kind == "clips" else speech_kinds.read
    return lambda: read(path, room)


def _odd_clock(random: Random, room: Room) -> Attempt:
    """Sound and picture in pieces, with anything from nothing to years between them."""
    sound, picture, time = [], [], random.choice((0.0, 0.0, 5.0, 1e6))
    for _ in range(random.randint(1, 5)):
        count = random.randint(1, 12)
        if random.random() < 0.8:
            sound.append((time, np.full(count * 640, 0.1, np.float32)))
        if random.random() < 0.8:
            picture += [time + k / 25 for k in range(count)]
        time += count / 25 + random.choice(STEPS)
    path = room.folder / random.choice(("odd.mkv", "odd.mkv", "odd.nut", "odd.mov"))
    # Some containers refuse some times; what was written until then is a case too.
    with suppress(av.FFmpegError, OverflowError):
        write_media(path, sound=sound, picture=picture)
    if not path.exists():
        path.write_bytes(b"")
    read = random.choice((speech_kinds.read, clip_kinds.read))
    return lambda: read(path, room)


CLOCK_KINDS: Kinds = {"media, joined": _joined, "media, odd clock": _odd_clock}
