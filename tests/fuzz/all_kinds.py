"""Every kind of case, and how many of each a run of some size has."""

from __future__ import annotations

from bundle_kinds import BUNDLE_KINDS
from clip_kinds import CLIP_KINDS
from clock_kinds import CLOCK_KINDS
from fuzz_case import FuzzCase, Kinds
from package_kinds import PACKAGE_KINDS
from spec_kinds import SPEC_KINDS
from speech_kinds import SPEECH_KINDS
from weights_kinds import WEIGHTS_KINDS

KINDS: Kinds = {
    **SPEC_KINDS,
    **SPEECH_KINDS,
    **CLIP_KINDS,
    **CLOCK_KINDS,
    **PACKAGE_KINDS,
    **WEIGHTS_KINDS,
    **BUNDLE_KINDS,
}

# A preparation loads the face tracker anew, and a bomb takes as long as it may: fewer of these.
_SLOW = ("clip, prepare", "clip, prepare again", "job, bomb")
_SHARE_OF_SLOW = 0.3


def make_cases(count: int, *, seed: int) -> list[FuzzCase]:
    """Exactly `count` cases, of every kind alike but for the slow ones, mixed."""
    parts = len(KINDS) - len(_SLOW) * (1 - _SHARE_OF_SLOW)
    numbers = {kind: int(count / parts * (_SHARE_OF_SLOW if kind in _SLOW else 1)) for kind in KINDS}
    quick = [kind for kind in KINDS if kind not in _SLOW]
    for index in range(count - sum(numbers.values())):
        numbers[quick[index % len(quick)]] += 1
    ordered = [(number / total, kind, number) for kind, total in numbers.items() for number in range(total)]
    return [FuzzCase(kind=kind, number=number, seed=seed) for _, kind, number in sorted(ordered)]
