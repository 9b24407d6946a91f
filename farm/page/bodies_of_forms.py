"""From the fields of a form to the body that an address of the API takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from farm.api.problems import BadRequest

Body = TypeVar("Body", bound=BaseModel)


def body_of(kind: type[Body], values: Mapping[str, Any]) -> Body:
    """The body with these values.

    Raises:
        BadRequest: One of them is not good; `where` names the field.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        found = error.errors()[0]
        message = str(found["msg"]).removeprefix("Value error, ")
        raise BadRequest(message, where=".".join(map(str, found["loc"])), hint="mend it there") from None
