"""A file that is no job at all is refused in a moment, and not with a line for each of its lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.documents import LARGEST_DOCUMENT
from jobs.errors import SpecError
from jobs.parse import parse_job
from jobs.reading import MOST_MISTAKES


def refusal(text: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        parse_job(text, folder=Path("/jobs"))
    return caught.value


@pytest.mark.parametrize("write", [json.dumps, lambda fields: "".join(f"{name}: 1\n" for name in fields)])
def test_of_thousands_of_mistakes_the_first_are_told(write):
    error = refusal(write({f"field{index}": 1 for index in range(3_000)}))
    assert len(error.mistakes) == MOST_MISTAKES + 1
    assert error.mistakes[-1].code == "too_many"


def test_the_same_field_a_thousand_times_is_told_as_often_as_anybody_reads():
    assert len(refusal("a: 1\n" * 3_000).mistakes) == MOST_MISTAKES + 1


def test_a_text_that_takes_long_to_read_is_not_read():
    error = refusal("# a line\n" * (LARGEST_DOCUMENT // 9 + 1))
    assert [mistake.code for mistake in error.mistakes] == ["too_large"]
