"""Templates filled in; every text is escaped, whoever wrote it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from farm.page.static_files import address_of
from farm.page.words import group_of
from jobs.version import engine_version

_ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def filled(template: str, **values: Any) -> Markup:
    """A template with its values; HTML, ready to stand in another one."""
    return Markup(_ENVIRONMENT.get_template(template).render(**values))


def moment(at: datetime | None, *, is_exact: bool = False) -> Markup:
    """A time; the script puts it into the zone of whoever looks, in words unless it is exact, as one to come is."""
    if at is None:
        return Markup("")
    shown = at.astimezone(UTC)
    return Markup('<time datetime="{}"{}>{}</time>').format(
        shown.isoformat(timespec="seconds"),
        Markup(" data-exact") if is_exact else "",
        f"{shown:%Y-%m-%d %H:%M:%S} UTC",
    )


def plural(count: int, one: str, many: str = "") -> str:
    """A number with its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def as_json(value: Any) -> str:
    """Plain data as people read it."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def size(count: int) -> str:
    """Bytes, for people."""
    if count < 1000:
        return f"{count} bytes"
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB"
    return f"{count / 1_000_000:.1f} MB"


def kind_word(kind: str) -> str:
    """A kind of job in a word: render, prepare, train or evaluate."""
    return kind.removesuffix("Job").lower()


_ENVIRONMENT.filters |= {
    "as_json": as_json,
    "group_of": group_of,
    "kind_word": kind_word,
    "moment": moment,
    "plural": plural,
    "size": size,
}
_ENVIRONMENT.globals |= {"asset": address_of, "version": engine_version()}
