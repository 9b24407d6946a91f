"""/jobs/JOB/hls: a job's takes in the player of its page, from their first segment on; and what is told beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Response

from farm.api.context import Context
from farm.api.job_answers import JobAnswer, MasterAnswer
from farm.api.watch_routes import AcceptEncoding, FileName, answer_file
from farm.ledger import LedgerJob
from farm.page.sessions import ReadingVisitor
from farm.page.templates import size
from farm.watching.file_names import MAIN
from farm.watching.watched_take import WatchedTake, watched_take
from jobs.framerate import FRAME_RATE
from jobs.plan import SEGMENT_FRAMES

router = APIRouter(prefix="/jobs/{job}/hls")

_SEGMENT_S: Final = SEGMENT_FRAMES / FRAME_RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTake:
    """A take as the page shows it.

    Attributes:
        pieces: Segments that can be watched.
        is_ended: No more of them come.
        stream: Where a player finds them.
        file: Where its master is; empty while it is not delivered.
        told: How much of it there is to see, in words.
    """

    number: int
    pieces: int
    is_ended: bool
    stream: str
    file: str
    master: MasterAnswer | None
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPanel:
    """The player and its takes.

    Attributes:
        first: What is shown before anybody chooses.
    """

    takes: tuple[ShownTake, ...]
    first: ShownTake


def watch_panel(told: JobAnswer, known: LedgerJob | None) -> WatchPanel | None:
    """What a job's page shows of the takes that are rendered; None before it is planned, and before one is chosen."""
    if known is None or not known.is_planned or not known.rendered_takes:
        return None
    masters: Mapping[int, MasterAnswer] = {each.take: each for each in told.masters}
    takes = tuple(_shown(watched_take(known, number), masters.get(number)) for number in known.rendered_takes)
    first = next((each for each in takes if each.file), None) or next(
        (each for each in takes if each.pieces), takes[0]
    )
    return WatchPanel(takes=takes, first=first)


@router.get("/{take}/{name}", response_class=Response)
async def watched_file(
    job: str,
    take: int,
    name: FileName,
    context: Context,
    visitor: ReadingVisitor,
    accept_encoding: AcceptEncoding = "",
) -> Response:
    """A file of the stream."""
    may_pack = "gzip" in accept_encoding
    return await answer_file(context, visitor.key.studio, job, take, name, may_pack=may_pack)


def _shown(view: WatchedTake, master: MasterAnswer | None) -> ShownTake:
    return ShownTake(
        number=view.number,
        pieces=view.listed,
        is_ended=view.is_ended,
        stream=f"/jobs/{view.job}/hls/{view.number}/{MAIN}",
        file="" if master is None else f"/jobs/{view.job}/masters/{view.number}",
        master=master,
        told=_told(view, master),
    )


def _told(view: WatchedTake, master: MasterAnswer | None) -> str:
    if master is not None:
        return size(master.size_bytes)
    seconds, total = (int(count * _SEGMENT_S) for count in (view.listed, view.total))
    if view.is_whole:
        ending = "no master was made of it" if view.state.is_terminal else "its master is being made"
        return f"All of it can be watched; {ending}"
    if view.is_ended:
        return f"{seconds} s of it were rendered" if seconds else "Nothing of it was rendered"
    return f"{seconds} of about {total} s can be watched" if seconds else "Not begun"
