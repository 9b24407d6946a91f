"""Templates and rows: what becomes of each cell, and every mistake of every row at once."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.batch import MOST_ROWS, BatchRow, documents_of, rows_of_csv, rows_of_jsonl, rows_of_records
from jobs.errors import SpecError, SpecMistake

FORMULAS = [
    '=HYPERLINK("http://x")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "=cmd|' /C calc'!A0",
    "\t=1",
    "${other}",
    "a: {b: c}",
]


def made(template: Any, rows: list[BatchRow]) -> list[Any]:
    return documents_of(template, rows, where="x", check=lambda _row, _document: None)


def mistakes(call: Any) -> list[tuple[str, str, int | None]]:
    with pytest.raises(SpecError) as caught:
        call()
    assert caught.value.code == "bad_batch"
    return [(each.path, each.code, each.line) for each in caught.value.mistakes]


def test_a_row_fills_the_places_of_the_template() -> None:
    template = {"a": "${x}", "b": ["${y:number}", "to ${x} and ${y}"], "c": {"d": 7, "e": "$${x} ${x}$5"}}
    rows = rows_of_csv('x,y\nhello,7\n"a, b",0.5\n', where="x")
    assert made(template, rows) == [
        {"a": "hello", "b": [7, "to hello and 7"], "c": {"d": 7, "e": "${x} hello$5"}},
        {"a": "a, b", "b": [0.5, "to a, b and 0.5"], "c": {"d": 7, "e": "${x} a, b$5"}},
    ]


def test_json_keeps_its_kinds_and_csv_has_texts() -> None:
    rows = rows_of_jsonl('{"x": 7}\n\n{"x": true}\n{"x": null}\n{"x": "7"}\n', where="x")
    assert [each["a"] for each in made({"a": "${x}"}, rows)] == [7, True, None, "7"]
    assert made({"a": "${x}"}, rows_of_csv("x\n7\n", where="x")) == [{"a": "7"}]
    assert made({"a": "${x:number}"}, rows_of_records([{"x": 2}, {"x": "-1.50"}], where="x")) == [
        {"a": 2},
        {"a": -1.5},
    ]


@pytest.mark.parametrize("cell", FORMULAS)
def test_whatever_a_cell_holds_is_a_text_and_nothing_more(cell: str) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([["x"], [cell]])
    template = {"a": "${x}", "b": "<${x}>"}
    assert made(template, rows_of_csv(text.getvalue(), where="x")) == [{"a": cell, "b": f"<{cell}>"}]
    assert made(template, rows_of_jsonl(json.dumps({"x": cell}), where="x")) == [
        {"a": cell, "b": f"<{cell}>"}
    ]


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=20))
def test_cells_come_through_csv_as_they_are(cells: list[tuple[str, str]]) -> None:
    try:
        text = io.StringIO(newline="")
        csv.writer(text).writerows([["x", "y"], *cells])
        rows = rows_of_csv(text.getvalue(), where="x")
    except (SpecError, csv.Error):
        return  # such as a zero byte, which CSV has not
    assert [(each["a"], each["b"]) for each in made({"a": "${x}", "b": "${y}"}, rows)] == cells


def test_every_mistake_of_every_row_is_told_with_its_line() -> None:
    def check(row: BatchRow, _document: Any) -> None:
        if row.number != 2:
            raise SpecError(mistakes=[SpecMistake(path="spec.seed", code="too_small", message="no")])

    rows = rows_of_csv("x,n\na,1\n\nb,2\nc,two\nd,4\n", where="x")
    template = {"a": "${x}", "spec": {"n": "${n:number}"}}
    assert mistakes(lambda: documents_of(template, rows, where="x", check=check)) == [
        ("rows[1].spec.seed", "too_small", 2),
        ("rows[3].spec.n", "not_a_number", 5),
        ("rows[4].spec.seed", "too_small", 6),
    ]


def test_columns_that_lack_on_either_side_are_told_once() -> None:
    rows = rows_of_records([{"x": 1, "y": 2}, {"x": 1, "y": 2, "z": 3}], where="x")
    found = mistakes(lambda: made({"a": "${x}", "b": "${z}", "c": "${w}", "d": "n ${y:number}"}, rows))
    assert found == [
        ("${w}", "unknown_column", None),
        ("${y:number}", "unknown_column", None),
        ("${z}", "unknown_column", None),
        ("y", "unused_column", None),
    ]
    assert mistakes(lambda: made({}, [])) == [("rows", "no_rows", None)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x,x\n1,2\n", [("x", "bad_column", 1)]),
        ("a b,\n1,2\n", [("a b", "bad_column", 1), ("", "bad_column", 1)]),
        ("x,y\n1\n1,2\n1,2,3\n", [("rows[1]", "cells", 2), ("rows[3]", "cells", 4)]),
        ('x\n"a', [("", "syntax", 2)]),
        ('x\n"a"b\n', [("", "syntax", 2)]),
    ],
)
def test_what_is_no_csv_is_told_with_its_lines(text: str, found: list[Any]) -> None:
    assert mistakes(lambda: rows_of_csv(text, where="x")) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            '{"x": 1\n[1]\n{"x": {"y": 1}}',
            [("rows[1]", "syntax", 1), ("rows[2]", "not_a_row", 2), ("rows[3].x", "not_a_value", 3)],
        ),
        ('{"x": 1, "x": 2}', [("rows[1].x", "duplicate_key", 1)]),
        ('{"a b": 1}', [("rows[1].a b", "bad_column", 1)]),
        ('{"x": NaN}', [("rows[1].x", "not_a_value", 1)]),
    ],
)
def test_what_is_no_row_of_json_is_told_with_its_lines(text: str, found: list[Any]) -> None:
    assert mistakes(lambda: rows_of_jsonl(text, where="x")) == found


def test_more_rows_than_anybody_needs_are_refused() -> None:
    for call in (
        lambda: rows_of_csv("x\n" + "1\n" * (MOST_ROWS + 1), where="x"),
        lambda: rows_of_jsonl('{"x": 1}\n' * (MOST_ROWS + 1), where="x"),
        lambda: rows_of_records([{}] * (MOST_ROWS + 1), where="x"),
    ):
        assert mistakes(call) == [("rows", "too_many_rows", None)]


@pytest.mark.parametrize("value", ["seven", "", "1e5", "0x7", "١", "NaN", "1_000", "--1", True, None])
def test_what_is_no_number_is_told(value: Any) -> None:
    rows = rows_of_records([{"x": value}], where="x")
    assert mistakes(lambda: made({"a": "${x:number}"}, rows)) == [("rows[1].a", "not_a_number", None)]


@pytest.mark.parametrize("value", [0.5, True, None])
def test_what_has_no_one_spelling_cannot_stand_in_a_text(value: Any) -> None:
    rows = rows_of_records([{"x": value}], where="x")
    assert mistakes(lambda: made({"a": "-${x}-"}, rows)) == [("rows[1].a", "not_a_text", None)]
