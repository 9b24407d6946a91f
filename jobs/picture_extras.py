"""What is done to the pictures of a job after they were rendered: part of every key of its segments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureExtras:
    """What is done to pictures after they were rendered.

    Attributes:
        draft: The look of the mark that says that they are a draft; empty for none.
        background: What is behind the person, and how it is put there; empty for their own background.
    """

    draft: str = ""
    background: str = ""

    def as_record(self) -> dict[str, str]:
        """The extras as plain data; nothing where there are none, as in all jobs before there were any."""
        named = {"draft": self.draft, "background": self.background}
        return {name: value for name, value in named.items() if value}


def is_draft(document: Mapping[str, Any]) -> bool:
    """Whether the pictures of a render job carry a mark that they are a draft.

    The document is as the journal has it: also of a job that was refused, which may lack anything.
    """
    spec = document.get("spec")
    output = spec.get("output") if isinstance(spec, Mapping) else None
    return isinstance(output, Mapping) and bool(output.get("draft"))
