"""What every kind of job shares: how its parts behave, and the names and places they hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from jobs.locations import check_location, is_slug

LARGEST_SEED = 2**63 - 1  # the widest number every random generator in use accepts as a seed


def _checked_name(name: str) -> str:
    if not is_slug(name):
        raise ValueError(
            "must be 1 to 63 letters, digits, '.', '_' or '-', start with a letter or digit, not end in '.'"
        )
    return name


def _checked_location(location: str) -> str:
    check_location(location)
    return location


Slug = Annotated[str, AfterValidator(_checked_name)]
Location = Annotated[str, AfterValidator(_checked_location)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]


class SpecModel(BaseModel):
    """How every part of a job behaves: strict, frozen, closed to unknown fields."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", validate_by_alias=True, validate_by_name=False
    )


class Metadata(SpecModel):
    """What the job is called.

    Attributes:
        name: Name of the job; part of its keys in the store.
        project: The production it belongs to; part of its keys in the store.
    """

    name: Slug
    project: Slug = "default"


def finding(code: str, message: str, *, hint: str = "") -> PydanticCustomError:
    """What a validator raises where the mistake has a code and a hint of its own."""
    # Through the context, because a message may hold the braces that a template would read.
    return PydanticCustomError(code, "{message}", {"message": message, "hint": hint})
