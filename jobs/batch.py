"""A batch: one template and many rows, of which each makes a job.

In the template `${column}` stands for what a row has in that column: in the middle of a text, or alone for a whole
value. Alone it keeps the kind that JSON gave it; `${column:number}` makes a number of a text, which is all that CSV
has. `$${` is a plain `${`. Values are put into the template after it was read, and are never read themselves: no cell
can add a field, and a formula is a text.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from jobs.documents import DocumentRefused
from jobs.errors import SpecError, SpecMistake
from jobs.json_strict import read_json

MOST_ROWS: Final = 10_000
MOST_MISTAKES: Final = 1_000
"""That are told of all rows together."""

_COLUMN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
_PLACE: Final = re.compile(r"\$(\$\{)|\$\{([^{}]*)\}")
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?", re.ASCII)
_AS_NUMBER: Final = ":number"

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """One row.

    Attributes:
        number: From 1, the header not counted.
        line: In its file, from 1; None for a row of no file.
    """

    number: int
    values: Mapping[str, Value]
    line: int | None = None


def rows_of_csv(text: str, *, where: str) -> list[BatchRow]:
    """Rows of CSV with a header; every value is a text, as it stands there.

    Raises:
        SpecError: It is no such text; with every mistake.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    mistakes: list[SpecMistake] = []
    rows: list[BatchRow] = []
    try:
        header = next(reader, [])
        _check_columns(header, where=where)
        for cells in reader:
            if not cells:
                continue  # an empty line
            number = len(rows) + len(mistakes) + 1
            if len(cells) != len(header):
                message = f"has {len(cells)} cells, and the header {len(header)}"
                mistakes.append(_of_row(number, "cells", message, line=reader.line_num))
                continue
            values = dict(zip(header, cells, strict=True))
            rows.append(BatchRow(number=number, values=values, line=reader.line_num))
            _refuse_many(number, where=where)
    except csv.Error as error:
        message = f"is no CSV: {error}"
        mistakes.append(SpecMistake(path="", code="syntax", message=message, line=reader.line_num))
    return _good(rows, mistakes, where=where)


def rows_of_jsonl(text: str, *, where: str) -> list[BatchRow]:
    """Rows of JSON Lines: an object of plain values on each line.

    Raises:
        SpecError: A line is none; with every mistake.
    """
    mistakes: list[SpecMistake] = []
    rows: list[BatchRow] = []
    for line, part in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if not part.strip():
            continue
        number = len(rows) + len(mistakes) + 1
        _refuse_many(number, where=where)
        try:
            document = read_json(part)
        except DocumentRefused as refusal:
            mistakes.append(replace(refusal.mistake, path=f"rows[{number}]", line=line))
            continue
        found = [*document.mistakes, *_wrong_values(document.value)]
        mistakes += [replace(each, path=_below(number, each.path), line=line) for each in found]
        if not found:
            rows.append(BatchRow(number=number, values=document.value, line=line))
    return _good(rows, mistakes, where=where)


def rows_of_records(records: Sequence[Any], *, where: str) -> list[BatchRow]:
    """Rows that were read already. Raises as `rows_of_jsonl`."""
    _refuse_many(len(records), where=where)
    mistakes = [
        replace(each, path=_below(number, each.path))
        for number, record in enumerate(records, start=1)
        for each in _wrong_values(record)
    ]
    rows = [BatchRow(number=number, values=record) for number, record in enumerate(records, start=1)]
    return _good(rows, mistakes, where=where)


def documents_of(
    template: Any, rows: Sequence[BatchRow], *, where: str, check: Callable[[BatchRow, Any], None]
) -> list[Any]:
    """The job of each row, as plain data.

    Args:
        template: A job as plain data, with columns in its values.
        check: Raises `SpecError` where the document of a row is no job.

    Raises:
        SpecError: With every mistake of every row, and with columns that the template or the rows lack.
    """
    named = columns_of(template)
    mistakes = list(_column_mistakes(named, rows))
    documents: list[Any] = []
    # A column that is not there would be told once for each row.
    for row in rows if not mistakes else ():
        try:
            document = _filled(template, row, path="")
            documents.append(document)
            check(row, document)
        except SpecError as error:
            mistakes += [
                replace(each, path=_below(row.number, each.path), line=row.line) for each in error.mistakes
            ]
        if len(mistakes) >= MOST_MISTAKES:
            break
    if mistakes:
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        raise SpecError(f"the batch has {count}", mistakes=mistakes, where=where, code="bad_batch")
    return documents


def columns_of(template: Any) -> set[str]:
    """The columns that a template names."""
    return {name.removesuffix(_AS_NUMBER) for name in _named_in(template)}


def _filled(part: Any, row: BatchRow, *, path: str) -> Any:
    if isinstance(part, dict):
        return {
            name: _filled(each, row, path=f"{path}.{name}" if path else name) for name, each in part.items()
        }
    if isinstance(part, list):
        return [_filled(each, row, path=f"{path}[{place}]") for place, each in enumerate(part)]
    if not isinstance(part, str):
        return part
    whole = _PLACE.fullmatch(part)
    if whole is not None and whole[2] is not None:
        return _value(whole[2], row, path=path)
    return _PLACE.sub(lambda found: found[1] or _text(found[2], row, path=path), part)


def _value(name: str, row: BatchRow, *, path: str) -> Value:
    value = row.values[name.removesuffix(_AS_NUMBER)]
    if not name.endswith(_AS_NUMBER) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    found = _NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise _mistaken(path, "not_a_number", f"{_shown(value)} is no number", "write it as 7 or 0.5")
    return float(found[0]) if found[2] else int(found[0])


def _text(name: str, row: BatchRow, *, path: str) -> str:
    value = row.values[name]
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise _mistaken(
            path, "not_a_text", f"{_shown(value)} cannot stand in a text", "only texts and whole numbers can"
        )
    return str(value)


def _named_in(part: Any) -> Iterator[str]:
    """What stands in the places of a template; `:number` is left where the place is a whole value."""
    if isinstance(part, dict):
        for each in part.values():
            yield from _named_in(each)
    elif isinstance(part, list):
        for each in part:
            yield from _named_in(each)
    elif isinstance(part, str):
        whole = _PLACE.fullmatch(part)
        if whole is not None and whole[2] is not None:
            yield whole[2]
        else:
            # A number in the middle of a text is a text: its column has no such name, and is told of.
            yield from (
                f"{found[2]} " if found[2].endswith(_AS_NUMBER) else found[2]
                for found in _PLACE.finditer(part)
                if found[2] is not None
            )


def _column_mistakes(named: set[str], rows: Sequence[BatchRow]) -> Iterator[SpecMistake]:
    if not rows:
        yield SpecMistake(path="rows", code="no_rows", message="there is no row")
    columns = {column for row in rows for column in row.values}
    for name in sorted(named):
        lacking = [row.number for row in rows if name not in row.values]
        if lacking:
            shown = ", ".join(str(number) for number in lacking[:5]) + (", ..." if len(lacking) > 5 else "")
            message = "is in no row" if len(lacking) == len(rows) else f"is not in rows {shown}"
            yield SpecMistake(
                path=f"${{{name.strip()}}}",
                code="unknown_column",
                message=message,
                hint=f"columns are {', '.join(sorted(columns)[:20])}",
            )
    for column in sorted(columns - named):
        yield SpecMistake(
            path=column,
            code="unused_column",
            message="is used nowhere in the template",
            hint=f"write ${{{column}}}, or leave the column out",
        )


def _check_columns(header: Sequence[str], *, where: str) -> None:
    mistakes = [
        SpecMistake(
            path=name[:60],
            code="bad_column",
            message="is named twice" if header.count(name) > 1 else "can be no column's name",
            hint="letters, digits and _, as in line_3",
            line=1,
        )
        for name in dict.fromkeys(header)
        if header.count(name) > 1 or _COLUMN.fullmatch(name) is None
    ]
    if mistakes:
        raise SpecError(mistakes=mistakes, where=where, code="bad_batch")


def _wrong_values(record: Any) -> Iterator[SpecMistake]:
    if not isinstance(record, dict):
        yield SpecMistake(path="", code="not_a_row", message="is no object of columns and values")
        return
    for name, value in record.items():
        if _COLUMN.fullmatch(name) is None:
            hint = "letters, digits and _, as in line_3"
            yield SpecMistake(path=name[:60], code="bad_column", message="can be no column's name", hint=hint)
        is_number = isinstance(value, float) and math.isfinite(value)
        if not (value is None or is_number or isinstance(value, (str, int))):
            yield SpecMistake(path=name, code="not_a_value", message="is no plain value")


def _refuse_many(count: int, *, where: str) -> None:
    if count > MOST_ROWS:
        mistake = SpecMistake(path="rows", code="too_many_rows", message=f"are more than {MOST_ROWS}")
        raise SpecError(mistakes=[mistake], where=where, code="bad_batch")


def _good(rows: list[BatchRow], mistakes: list[SpecMistake], *, where: str) -> list[BatchRow]:
    if mistakes:
        raise SpecError(mistakes=mistakes[:MOST_MISTAKES], where=where, code="bad_batch")
    return rows


def _of_row(number: int, code: str, message: str, *, line: int | None) -> SpecMistake:
    return SpecMistake(path=f"rows[{number}]", code=code, message=message, line=line)


def _below(number: int, path: str) -> str:
    return f"rows[{number}].{path}" if path else f"rows[{number}]"


def _mistaken(path: str, code: str, message: str, hint: str) -> SpecError:
    return SpecError(mistakes=[SpecMistake(path=path, code=code, message=message, hint=hint)])


def _shown(value: Value) -> str:
    return f"'{value[:40]}'" if isinstance(value, str) else json.dumps(value)
