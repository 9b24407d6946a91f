"""Documents (YAML, JSON) that are nearly right, and some that are meant to hurt."""

from __future__ import annotations

import json
from copy import deepcopy
from random import Random
from typing import Any

import yaml
from locations import odd_name, odd_place

Record = dict[str, Any]

FRAGMENTS = (
    *"{}[],'\"|>=~#?:-&*!%@`\\\t\n\0\ufeff\x85\u2028",
    "&a ",
    "*a",
    "<<: *a\n",
    "!!python/object/apply:os.system ['id']",
    "!!int ",
    "!!binary aGk=",
    "!!timestamp 2024-99-99",
    "!!set {a}",
    "!x ",
    "? ",
    "- ",
    ": ",
    "---\n",
    "...\n",
    "%YAML 9.9\n",
    "\\U00110000",
    '"\\ud800"',
    ".nan",
    "1e999",
    "0x1F",
    "1_000",
    "on",
    "null",
    "12:30:45",
    "2024-01-01",
    "9" * 400,
    "9" * 5000,
    "../",
    "s3://",
)


def edited(text: str, random: Random) -> str:
    """A text with a few typing mistakes."""
    for _ in range(random.randint(1, 5)):
        place, removed = random.randrange(len(text) + 1), random.choice((0, 0, 1, 1, 2, 8, 40))
        text = text[:place] + random.choice(FRAGMENTS) + text[place + removed :]
    return text


def odd_value(random: Random, *, depth: int = 0) -> Any:
    """Any value that a document can hold."""
    simple = (
        None,
        True,
        False,
        0,
        -1,
        1,
        2**31,
        2**63,
        10**400,
        -0.0,
        0.5,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "7",
        "true",
        "text",
        "x" * 3000,
        "builtin:actor-a",
    )
    choice = random.random()
    if choice < 0.5 or depth > 2:
        return random.choice(simple)
    if choice < 0.7:
        return odd_place(random) if random.random() < 0.5 else odd_name(random)
    if choice < 0.85:
        return [odd_value(random, depth=depth + 1) for _ in range(random.randrange(4))]
    return {odd_name(random): odd_value(random, depth=depth + 1) for _ in range(random.randrange(4))}


def places_in(record: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a record."""
    found = [path] if path else []
    items = (
        record.items() if isinstance(record, dict) else enumerate(record) if isinstance(record, list) else ()
    )
    for key, value in items:
        found += places_in(value, (*path, key))
    return found


def with_value(record: Record, path: tuple[Any, ...], value: Any) -> Record:
    """A copy of the record with another value at a path."""
    copy = deepcopy(record)
    inner: Any = copy
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    return copy


def changed(record: Record, random: Random) -> Record:
    """A record in which values or fields are others, too many or missing."""
    for _ in range(random.randint(1, 3)):
        path = random.choice(places_in(record) or [("spec",)])
        action = random.random()
        if action < 0.6:
            record = with_value(record, path, odd_value(random))
            continue
        record = deepcopy(record)
        inner: Any = record
        for part in path[:-1]:
            inner = inner[part]
        if action < 0.8 or not isinstance(inner, dict):
            del inner[path[-1]]
        else:
            name = odd_name(random) if random.random() < 0.5 else str(path[-1]).swapcase()
            inner[name] = odd_value(random)
    return record


def as_text(record: Any, random: Random) -> str:
    """The record as JSON or YAML."""
    if random.random() < 0.5:
        return json.dumps(record, ensure_ascii=random.random() < 0.5, indent=random.choice((None, 2)))
    return yaml.safe_dump(record, allow_unicode=random.random() < 0.5, sort_keys=False)


def bomb(random: Random) -> str:
    """A text of moderate size that costs much to understand."""
    depth = random.choice((20, 1_000, 50_000))
    bombs = (
        lambda: "[" * depth,
        lambda: "{a: " * depth,
        lambda: '{"a":' * depth,
        lambda: "[" * depth + "]" * depth,
        lambda: "- " * depth + "a",
        lambda: "".join(f"{'  ' * k}a{k}:\n" for k in range(min(depth, 900))),
        lambda: (
            "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(
                f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n"
                for a, b in zip("abcdefghi", "bcdefghij", strict=True)
            )
        ),
        lambda: "a: &a [*a]\n",
        lambda: "".join(f"key{k}: {k}\n" for k in range(depth)),
        lambda: json.dumps({f"key{k}": k for k in range(depth)}),
        lambda: json.dumps(
            {"apiVersion": "farm/v1", "kind": "RenderJob", "spec": {f"k{k}": k for k in range(depth)}}
        ),
        lambda: "a: 1\n" * depth,
        lambda: "{" + '"a": 1, ' * depth + '"a": 1}',
        lambda: "- a\n" * depth,
        lambda: "name: " + "x" * 20 * depth,
        lambda: "name: '" + "''" * 10 * depth + "'",
        lambda: 'name: "' + "\\u00e9" * 5 * depth + '"',
        lambda: "seed: " + "9" * 20 * depth,
        lambda: "seed: 1e" + "9" * depth,
        lambda: "# comment\n" * 3 * depth,
        lambda: "\n" * 10 * depth + "a: 1",
        lambda: "? " * min(depth, 2_000),
        lambda: "%TAG ! tag:x,2000:\n" * depth + "--- a",
        lambda: "--- a\n" * depth,
        lambda: "name: |\n" + "  line\n" * depth,
    )
    return random.choice(bombs)()


def encoded(text: str, random: Random) -> bytes:
    """The bytes of a text, mostly in UTF-8."""
    codec = random.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "utf-7", "cp037"))
    errors = "surrogatepass" if codec.startswith("utf-") and codec != "utf-7" else "replace"
    return text.encode(codec, errors="ignore" if codec == "utf-7" else errors)
