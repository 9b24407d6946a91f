from __future__ import annotations

import re

import pytest

from jobs.errors import Retry
from recipes.errors_page import PAGE, Entry, entries, page


@pytest.fixture(scope="module")
def found() -> list[Entry]:
    return entries()


def test_the_page_in_the_docs_is_the_one_that_the_sources_make(found: list[Entry]) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(found), "run python -m recipes.errors_page"


def test_every_code_is_of_one_style(found: list[Entry]) -> None:
    strays = [entry.code for entry in found if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", entry.code)]
    assert strays == []


def test_codes_of_every_origin_are_there(found: list[Entry]) -> None:
    codes = {entry.code: entry.exit_code for entry in found}
    assert codes["output_exists"] == 5
    assert codes["speech_no_sound"] == 3
    assert codes["queue_full"] == 2
    assert codes["internal_error"] == 70
    assert codes["store_denied"] == 5
    assert codes["journal_busy"] == 7


@pytest.mark.parametrize(
    ("code", "retry"),
    [
        ("speech_no_sound", Retry.NEVER),
        ("store_denied", Retry.NEVER),
        ("store_without_links", Retry.NEVER),
        ("store_busy", Retry.LATER),
        ("store_unreachable", Retry.LATER),
        ("journal_busy", Retry.LATER),
        ("journal_version", Retry.NEVER),
        ("replica_lost", Retry.ELSEWHERE),
        ("cuda_out_of_memory", Retry.ELSEWHERE),
    ],
)
def test_the_page_says_of_each_code_whether_it_is_tried_again(
    found: list[Entry], code: str, retry: Retry
) -> None:
    assert {word for entry in found if entry.code == code for word in entry.retry} == {retry}
    assert re.search(rf"^\| `{code}` \| \d+ \| {retry} \|", page(found), flags=re.MULTILINE)
