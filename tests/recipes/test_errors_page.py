from __future__ import annotations

import re

from recipes.errors_page import PAGE, entries, page


def test_the_page_in_the_docs_is_the_one_that_the_sources_make() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(entries()), "run python -m recipes.errors_page"


def test_every_code_is_of_one_style() -> None:
    strays = [
        entry.code for entry in entries() if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", entry.code)
    ]
    assert strays == []


def test_codes_of_every_origin_are_there() -> None:
    codes = {entry.code: entry.exit_code for entry in entries()}
    assert codes["output_exists"] == 5
    assert codes["speech_no_sound"] == 3
    assert codes["queue_full"] == 2
    assert codes["internal_error"] == 70
