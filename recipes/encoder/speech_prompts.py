"""Text for speech synthesisers to read: `python -m recipes.encoder.speech_prompts --lines N --seed K > prompts.txt`.

The distillation of the speech encoder hears sounds, not sense, so the text only has to bring every sound next to
every other: plain sentences of everyday words, lists, numbers, questions, and syllables of all consonants and vowels.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Final

import numpy as np

_PEOPLE: Final = """the old fisherman|my youngest cousin|a careful doctor|the village baker|our new neighbour
the judge|a boy with a red scarf|the queen|her brave uncle|the clockmaker|a thoughtful teacher|both of the twins
every passenger|the fourth violinist|a weary shepherd|the mayor of Plymouth|Beatrice|Vincent|Josephine|the foreman
George and Martha|an usher|the beekeeper|two young chemists|the youth choir|a vague stranger"""
_ACTIONS: Final = """carried|bought|forgot|whispered about|measured|polished|threw away|asked for|judged|borrowed
described|pushed|wrapped|noticed|enjoyed|watched over|mixed|shook|found|paid for|choked on|washed|moved|thought of
followed|sketched|blew across|believed in|peeled|yawned at|voted for|smoothed|buried|clasped|unfolded"""
_THINGS: Final = """a basket of ripe plums|the broken umbrella|five wooden spoons|the whole truth
a bottle of fresh water|an empty beige envelope|the oily machine|a pair of leather boots
the northern lighthouse|some warm bread
a purple velvet cushion|the puzzle|three black umbrellas|a bowl of hot soup|the measure of that garage
both halves of the map|a choice of yellow ribbons|the judge's edge|a thousand feathers|the mouth of the cave
eight huge oysters|a vision of the future|the first page|a cup of weak tea|the royal voyage|a loud trumpet"""
_PLACES: Final = """near the harbour|behind the theatre|at half past four|before the storm|in the month of May
under the bridge|without a word|above the roofs|on a Wednesday morning|beside the quiet brook|with both hands
for a while|through the thick fog|in the usual way|after the wedding|between two hedges|far from the village
by the fire|as soon as possible|in spite of everything|over there|during the long voyage|once a year"""
_JOINERS: Final = "and then|but|because|although|so|while|until|whether or not|even though|and so"
_OPENERS: Final = """Well,|Listen:|You know,|Perhaps|I believe|They say that|Oh,|Honestly,|Imagine:|Yesterday,|No,
If you ask me,"""
_QUESTIONS: Final = """Why would|How could|When did|Do you think|Where on earth should|Who said that|Should
Would you say that"""
_ONSETS: Final = """p|b|m|f|v|th|w|t|d|n|l|s|z|r|sh|ch|j|y|k|g|h|pl|br|fl|tr|st|sk|sp|gl|kr|sm|thr|str|qu"""
_RIMES: Final = """ah|ee|oo|oh|ay|eye|ow|oy|ap|eb|im|off|uv|eth|aw|at|ood|en|ill|us|az|ar|or|air|urch|idge|ook|ig
ash|ump"""


def prompts(*, count: int, seed: int) -> Iterator[str]:
    """`count` lines of ASCII text, each a few seconds of speech; the same for the same seed.

    Raises ValueError for a negative count.
    """
    if count < 0:
        raise ValueError(f"cannot write {count} lines")
    random = np.random.default_rng(seed)
    kinds = (_sentence, _sentence, _two_sentences, _question, _numbers, _syllables)
    for _ in range(count):
        text = kinds[int(random.integers(len(kinds)))](random)
        yield text[0].upper() + text[1:]


def _pick(words: str, random: np.random.Generator) -> str:
    listed = words.replace("\n", "|").split("|")
    return listed[int(random.integers(len(listed)))]


def _clause(random: np.random.Generator) -> str:
    return " ".join(_pick(words, random) for words in (_PEOPLE, _ACTIONS, _THINGS, _PLACES))


def _sentence(random: np.random.Generator) -> str:
    opener = _pick(_OPENERS, random) + " " if random.random() < 0.4 else ""
    return f"{opener}{_clause(random)}."


def _two_sentences(random: np.random.Generator) -> str:
    return f"{_clause(random)}, {_pick(_JOINERS, random)} {_clause(random)}."


def _question(random: np.random.Generator) -> str:
    return f"{_pick(_QUESTIONS, random)} {_clause(random)}?"


def _numbers(random: np.random.Generator) -> str:
    listed = ", ".join(str(int(number)) for number in random.integers(0, 2000, int(random.integers(3, 7))))
    return f"{_pick(_PEOPLE, random)} counted {listed}, and stopped."


def _syllables(random: np.random.Generator) -> str:
    words = []
    for _ in range(int(random.integers(6, 14))):
        parts = int(random.integers(1, 4))
        words.append("".join(_pick(_ONSETS, random) + _pick(_RIMES, random) for _ in range(parts)))
    return " ".join(words) + "."


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, required=True, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="another seed writes other lines")
    options = parser.parse_args()
    for line in prompts(count=options.lines, seed=options.seed):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
