"""Ways in which the bytes of a file go wrong."""

from __future__ import annotations

from random import Random

WORDS = (
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80\0\0\0",
    b"\0\0\0\x80",
)


def truncated(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def flipped(data: bytes, random: Random) -> bytes:
    """A few single bits are wrong; half of the time near the start, where headers lie."""
    damaged = bytearray(data)
    reach = len(damaged) if random.random() < 0.5 else min(len(damaged), 256)
    for _ in range(random.randint(1, 24)):
        damaged[random.randrange(reach)] ^= 1 << random.randrange(8)
    return bytes(damaged)


def overwritten(data: bytes, random: Random) -> bytes:
    """Runs of bytes are replaced by noise or zeros."""
    damaged = bytearray(data)
    for _ in range(random.randint(1, 4)):
        start, length = random.randrange(len(damaged)), random.randint(1, 200)
        end = min(len(damaged), start + length)
        damaged[start:end] = random.randbytes(end - start) if random.random() < 0.5 else bytes(end - start)
    return bytes(damaged)


def extreme_words(data: bytes, random: Random) -> bytes:
    """Some 32-bit fields hold the smallest or the largest number: counts, sizes, rates, times."""
    damaged = bytearray(data)
    reach = len(damaged) if random.random() < 0.3 else min(len(damaged), 2_000)
    for _ in range(random.randint(1, 6)):
        start = max(0, random.randrange(reach) - 4)
        damaged[start : start + 4] = random.choice(WORDS)
    return bytes(damaged)


def cut_and_moved(data: bytes, random: Random) -> bytes:
    """A piece is missing, doubled or in another place."""
    start, end = sorted(random.randrange(len(data) + 1) for _ in range(2))
    piece, rest = data[start:end], data[:start] + data[end:]
    place = random.randrange(len(rest) + 1)
    copies = random.choice((0, 1, 2))
    return rest[:place] + piece * copies + rest[place:]


def spliced(data: bytes, other: bytes, random: Random) -> bytes:
    """The head of one file with the tail of another."""
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]


DAMAGES = (truncated, flipped, overwritten, extreme_words, cut_and_moved)


def damaged(data: bytes, random: Random) -> bytes:
    """One of the above."""
    return random.choice(DAMAGES)(data, random) if data else data
