"""Somebody chooses the take that is rendered, or nobody does for too long."""

from __future__ import annotations

from farm.coordination.state import CoordinatorState
from farm.coordination.unforeseen import ends_alone
from farm.coordination.upstream import close_upstream
from farm.ledger import LedgerJob
from farm.scheduling.messages import Chosen, Expire, RequestRefused
from jobs.errors import RenderError
from jobs.farm_requests import ChooseRequest, RequestAnswer
from jobs.journal_events import TakeChosen


def choose(farm: CoordinatorState, request: ChooseRequest) -> RequestAnswer:
    """Render the take that is asked for, from the motion that is there already, and none of the others.

    The same take may be chosen again; that changes nothing.

    Raises:
        RequestRefused: The job offers no such choice, or another take was chosen.
    """
    name, take = request.job, request.take
    run = farm.runs[name]
    plan = run.plan
    if not plan.offers_choice:
        raise RequestRefused(
            "every take of it is rendered",
            where=name,
            code="nothing_to_choose",
            hint="a job with spec.choose: ask waits for a choice",
        )
    if not plan.awaits_choice:
        return _again(name, take, chosen=plan.rendered_takes[0])
    if take not in plan.take_numbers:
        raise RequestRefused(
            f"it has no take {take}",
            where=name,
            code="no_such_take",
            hint=f"its takes are 1 to {plan.takes}",
        )
    farm.tell(Chosen(name))
    # What was still being drawn of the others is not needed any more.
    close_upstream(farm, run)
    run.choose(take)
    farm.writer.note(TakeChosen(job=name, take=take))
    return RequestAnswer(job=name, text=f"take {take} is rendered, and no other")


def choose_ended(job: LedgerJob, request: ChooseRequest) -> RequestAnswer:
    """The answer for a job that has ended.

    Raises:
        RequestRefused: It was not that take.
    """
    if job.offered and job.chosen is not None:
        return _again(job.name, request.take, chosen=job.chosen)
    raise RequestRefused(
        f"it is {job.state.value}: no take can be chosen",
        where=job.name,
        code="not_open",
        hint="submit the job again",
    )


def expire_choices(farm: CoordinatorState) -> None:
    """End the jobs for which nobody chose a take in time."""
    now = farm.writer.now()
    for name in tuple(farm.runs):
        line, entry = farm.writer.ledger.jobs.get(name), farm.scheduler.jobs.get(name)
        if line is None or line.sketched is None or entry is None or not entry.is_held_for_choice:
            continue
        if now - line.sketched_at >= line.sketched.expires_after:
            with ends_alone(farm, name):
                farm.runs[name].error = expired(name, after_s=line.sketched.expires_after)
                farm.tell(Expire(name))


def expired(name: str, *, after_s: float) -> RenderError:
    """The error of a job for which nobody chose a take."""
    return RenderError(
        f"nobody chose one of its takes within {_long(after_s)}",
        where=name,
        code="choice_expired",
        hint="submit it again: while the store keeps the motion of its takes, they are shown at once",
    )


def _again(name: str, take: int, *, chosen: int) -> RequestAnswer:
    if take == chosen:
        return RequestAnswer(job=name, text=f"take {take} was chosen already")
    raise RequestRefused(
        f"take {chosen} was chosen",
        where=name,
        code="already_chosen",
        hint=f"submit the job again for another one, with spec.choose: {take}",
    )


def _long(seconds: float) -> str:
    for unit_s, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds:.0f} seconds"
