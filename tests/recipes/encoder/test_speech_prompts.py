"""The text for synthesisers is varied, plain, and the same for the same seed."""

from __future__ import annotations

import pytest

from recipes.encoder.speech_prompts import prompts


def test_the_same_seed_writes_the_same_lines_and_another_others():
    first = list(prompts(count=40, seed=1))
    assert first == list(prompts(count=40, seed=1))
    assert not set(first) & set(prompts(count=40, seed=2))


def test_a_longer_text_begins_with_the_shorter_one():
    assert list(prompts(count=50, seed=4))[:20] == list(prompts(count=20, seed=4))


def test_every_line_is_one_plain_sentence_that_any_synthesiser_reads():
    for line in prompts(count=300, seed=3):
        assert line.isascii()
        assert "\n" not in line
        assert "|" not in line
        assert line[0] == line[0].upper()
        assert line[-1] in ".?"


def test_some_hundred_lines_hold_every_consonant_and_vowel_letter_many_times():
    text = " ".join(prompts(count=200, seed=5)).lower()
    for sound in ["p", "b", "m", "f", "v", "th", "w", "sh", "ch", "j", "oo", "ee", "ay", "ow"]:
        assert text.count(sound) >= 10, sound


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="-1"):
        list(prompts(count=-1, seed=0))
