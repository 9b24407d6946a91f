"""What all records share: how their parts behave, and the kinds of numbers they hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
PositiveCount = Annotated[int, Field(ge=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class ManifestModel(BaseModel):
    """How every part of a manifest behaves: strict, frozen, closed to unknown fields."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
