"""What a render job asks to be behind a person: a colour, or a picture."""

from __future__ import annotations

import re
from typing import Final

from jobs.locations import check_location
from jobs.spec_model import finding

_COLOUR: Final = re.compile(r"#[0-9A-Fa-f]{6}", re.ASCII)


def is_colour(background: str) -> bool:
    """Whether a background is a colour; otherwise it is the place of a picture."""
    return _COLOUR.fullmatch(background) is not None


def checked_background(background: str) -> str:
    """Refuse what is neither a colour nor a place.

    Raises:
        ValueError: With the reason.
    """
    if is_colour(background):
        return background.lower()
    if background.startswith("#"):
        raise finding("bad_colour", "is no colour", hint="write six digits, as in '#00b140'")
    if background in {"alpha", "transparent", "none"}:
        raise finding(
            "no_alpha",
            "is not offered: masters are H.264, which holds no transparency",
            hint="choose a colour such as '#00b140', and key it out",
        )
    check_location(background)
    return background
