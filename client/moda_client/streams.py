"""Server-sent events, as the standard has them, from the lines of an answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from moda_client.answers import Event


class EventReader:
    """Reads streams of one subject, one after another, and knows where the next has to begin.

    Attributes:
        last: Id of the last event, or of where the stream began; None before the first.
    """

    def __init__(self, last: int | None = None) -> None:
        self.last = last

    def read(self, lines: Iterable[str]) -> Iterator[Event]:
        """The events of one stream, until it ends; an event that was read before is left out."""
        told, data = self.last, ""
        for line in lines:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "id" and value.isdecimal():
                told = int(value)
            elif name == "data":
                data += value
            elif not line:
                if data and told is not None and (self.last is None or told > self.last):
                    self.last = told
                    record = json.loads(data)
                    yield Event(id=told, kind=record["kind"], job=record["job"], data=record)
                elif self.last is None:
                    self.last = told
                data = ""
