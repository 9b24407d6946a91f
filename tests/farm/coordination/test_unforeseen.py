"""What nobody foresaw over one job ends that job, with one line and a file; the other job's master is the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from fake_stages import FIRST_FACE, Fault
from raising import KINDS, raiser
from random_life import broken
from small_farm import SmallFarm

from farm.asking import error_from_record
from farm.coordination import upstream
from farm.coordination.coordinator import FarmCoordinator
from farm.coordination.unforeseen import FarmCannotGoOn
from farm.crashes import caught
from farm.ledger import Ledger, load_ledger
from farm.scheduling.messages import Tick
from jobs.errors import ExitCode
from jobs.farm_requests import CancelRequest, PauseRequest, ResumeRequest, RetryRequest, WhyRequest
from jobs.journal_events import event_from_json
from jobs.lifecycle import JobState

POOR = "poor-1"
SPEECH = "word.wav"
GOOD_SEED = 2
"""Another than the poor job's: of two jobs with the same faces one finds the segments of the other."""


@cache
def good_master(name: str = "good", *, seed: int = GOOD_SEED) -> str:
    """What the job's master is where nothing goes wrong."""
    with TemporaryDirectory() as folder:
        farm = SmallFarm(Path(folder) / "farm")
        farm.speak(SPEECH, seconds=2.2)
        farm.submit(name, speech=SPEECH, seed=seed)
        farm.run()
        farm.journal.close()
        return farm.sha256(name)


@pytest.fixture
def farm(tmp_path: Path) -> SmallFarm:
    farm = SmallFarm(tmp_path)
    # Where memory is short, planning and joining are tried again for a while.
    farm.rules = farm.rules.model_copy(update={"patience": 0.0})
    farm.speak(SPEECH, seconds=2.2)
    return farm


def concerns(name: str, values: tuple[Any, ...]) -> bool:
    """Whether something among the arguments of a call is of that job."""
    for value in values:
        if name in (value, getattr(value, "name", None), getattr(value, "job", None)):
            return True
        if str(getattr(value, "subject", "")).startswith(name):
            return True
        if any(getattr(getattr(value, part, None), "name", None) == name for part in ("run", "job")):
            return True
    return False


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Has a function of the farm raise, before or after its work, when it is called for the poor job."""

    def patch(target: str, kind: str, *, after: bool = False, times: int = 10_000) -> list[int]:
        module, _, name = target.rpartition(".")
        owner: Any = __import__(module.partition(":")[0], fromlist=["_"])
        for part in module.split(":")[1:]:
            owner = getattr(owner, part)
        real, calls = getattr(owner, name), [0]

        def call(*args: Any, **kwargs: Any) -> Any:
            if not concerns(POOR, (*args, *kwargs.values())) or calls[0] >= times:
                return real(*args, **kwargs)
            calls[0] += 1
            if after:
                real(*args, **kwargs)
            return raiser(kind)()

        monkeypatch.setattr(owner, name, call)
        return calls

    return patch


def live(farm: SmallFarm, *, then: Callable[[FarmCoordinator], None] | None = None) -> None:
    """Run the farm to its end, looking at everything after every turn."""
    with farm.running() as coordinator:
        for turn in range(3000):
            if coordinator.is_idle:
                break
            coordinator.step()
            assert not broken(coordinator)
            if then is not None and turn == 1:
                then(coordinator)
        else:
            raise AssertionError("the farm does not come to an end")
        state = coordinator.state
        # What a helper still holds for a job that has ended is let go when it comes back.
        left = [
            [task for task in state.tasks.values() if task.attempt],
            state.runs,
            state.finishing,
            state.actions,
            state.moves,
        ]
        assert not any([*left, state.opening, state.planning, state.restoring])
        assert not state.scheduler.attempts
        assert not state.is_in_doubt


def check_journal(farm: SmallFarm) -> None:
    events = [event_from_json(entry.body) for entry in farm.journal.read()]
    assert Ledger.fold(events, at=[entry.at for entry in farm.journal.read()]) == load_ledger(farm.journal)[0]
    assert farm.journal.asked() == ()
    assert not list(farm.folder.rglob("*.part"))


def check_error(record: dict[str, Any] | None, kind: str, *, farm: SmallFarm) -> None:
    """The error is one line, names its code, and a file with the traceback."""
    assert record is not None
    is_memory = kind == "MemoryError"
    assert record["code"] == ("infrastructure_failed" if is_memory else "internal_error")
    error = error_from_record(record)
    assert error.exit_code == (ExitCode.INFRASTRUCTURE if is_memory else ExitCode.INTERNAL)
    assert len(error.line().splitlines()) == 1
    assert len(json.dumps(record)) < 4000
    file = Path(record["traceback_file"])
    assert str(file) in error.hint
    assert file.parent == farm.folder / "cache" / "crashes"
    text = file.read_text()
    assert "Traceback" in text
    assert kind in text
    assert "hunter2" not in text + json.dumps(record)


C = "farm.coordination."
# What raises, and whether after its work was done.
PLACES: dict[str, tuple[str, bool]] = {
    "planning, on the background": (C + "new_jobs.plan_job", False),
    "a planned job comes back": (C + "new_jobs._planned", False),
    "it is half taken into the queue": (C + "new_jobs.note_found", False),
    "it is in the queue": (C + "new_jobs.enqueue", True),
    "its speech is to be read": (C + "upstream._read_speech", False),
    "its speech is being read": (C + "upstream._read_speech", True),
    "its speech is read": (C + "upstream.begin_upstream", False),
    "its windows are known": (C + "upstream.begin_upstream", True),
    "a unit is looked for": (C + "upstream_order:UpstreamOrder.next", False),
    "a unit is handed out": (C + "upstream._assign", False),
    "a unit was handed out": (C + "upstream._assign", True),
    "a window comes back": (C + "upstream.take_result", False),
    "a window came back": (C + "upstream.take_result", True),
    "a segment is to be sent": (C + "segments._dispatch", False),
    "a segment was sent": (C + "segments._dispatch", True),
    "a segment begins": (C + "coordinator:FarmCoordinator._goes_on", False),
    "a segment is committed": (C + "segments.take_result", False),
    "a segment was committed": (C + "segments.take_result", True),
    "a segment moves": (C + "endings._segment_moved", False),
    "a segment moved": (C + "endings._segment_moved", True),
    "a job moves": (C + "endings._job_moved", False),
    "a job moved": (C + "endings._job_moved", True),
    "somebody is told": (C + "state:Unwatched.moved", False),
    "the master is begun": (C + "endings._finish", False),
    "the master was begun": (C + "endings._finish", True),
    "the master is joined": (C + "endings._finish_takes", False),
    "the master comes back": (C + "endings._finished", False),
    "the master is noted": (C + "endings._note_taken", True),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES)
def test_the_job_ends_alone(
    farm: SmallFarm, trips: Callable[..., list[int]], place: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, after = PLACES[place]
    if target.endswith("UpstreamOrder.next"):
        monkeypatch.setattr("farm.coordination.upstream._next_unit", _next_unit_raising(kind))
        calls = [1]
    else:
        calls = trips(target, kind, after=after)
    farm.submit("poor", speech=SPEECH)
    farm.submit("good", speech=SPEECH, seed=GOOD_SEED)
    live(farm)
    assert calls[0]
    poor = farm.job(POOR)
    assert poor.state is JobState.FAILED
    check_error(poor.error, kind, farm=farm)
    assert farm.job("good-2").state is JobState.SUCCEEDED
    assert farm.sha256("good") == good_master()
    check_journal(farm)


def _next_unit_raising(kind: str) -> Any:

    real = upstream._next_unit

    def next_unit(state: Any, stage: Any) -> Any:
        poor = state.runs.get(POOR)
        if poor is not None and poor.open is not None and not hasattr(poor.open.order, "trips"):
            poor.open.order = _TrippingOrder(kind)
        return real(state, stage)

    return next_unit


class _TrippingOrder:
    trips = True

    def __init__(self, kind: str) -> None:
        self.next = raiser(kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("times", [1, 10_000])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("target", ["requests.receive", "new_jobs._plan", "requests._submit"])
def test_a_request_over_which_the_farm_fails_is_refused_and_harms_nobody(
    farm: SmallFarm, trips: Callable[..., list[int]], target: str, after: bool, times: int, kind: str
) -> None:
    calls = trips(C + target, kind, after=after, times=times)
    monkey_name = farm.submit("poor", speech=SPEECH)
    farm.submit("good", speech=SPEECH, seed=GOOD_SEED)
    live(farm)
    if target == "requests._submit":
        # It knows the job by its request alone.
        assert not calls[0]
        return
    assert monkey_name == POOR
    assert calls[0] == 1
    check_error(farm.answer(1).error, kind, farm=farm)
    job = load_ledger(farm.journal)[0].jobs.get(POOR)
    assert job is None or job.state is JobState.FAILED
    assert farm.sha256("good") == good_master()
    check_journal(farm)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "request_", [PauseRequest, ResumeRequest, CancelRequest, RetryRequest], ids=lambda kind: kind.__name__
)
def test_a_change_over_which_the_farm_fails_is_answered_and_ends_the_job(
    farm: SmallFarm, trips: Callable[..., list[int]], request_: Any, after: bool, kind: str
) -> None:
    number = 0

    def change(_: FarmCoordinator) -> None:
        nonlocal number
        number = farm.ask(request_(job=POOR))

    farm.submit("poor")
    farm.submit("good", speech=SPEECH, seed=GOOD_SEED)
    with farm.running() as coordinator:
        coordinator.run_until(lambda: POOR in coordinator.state.runs)
        trips(C + "requests._change", kind, after=after)
        change(coordinator)
        coordinator.run_until(lambda: coordinator.is_idle)
        assert not broken(coordinator)
    check_error(farm.answer(number).error, kind, farm=farm)
    # One that is being cancelled goes on to be cancelled.
    is_cancelled = after and request_ is CancelRequest
    assert farm.job(POOR).state is (JobState.CANCELLED if is_cancelled else JobState.FAILED)
    assert farm.sha256("good") == good_master()
    check_journal(farm)


@pytest.mark.parametrize("kind", KINDS)
def test_a_question_over_which_the_farm_fails_ends_no_job(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    farm.submit("good", speech=SPEECH, seed=GOOD_SEED)
    number = farm.ask(WhyRequest(job="good-1"))
    monkeypatch.setattr(C + "requests.standing", raiser(kind))
    live(farm)
    check_error(farm.answer(number).error, kind, farm=farm)
    assert farm.sha256("good") == good_master()


@pytest.mark.parametrize("kind", KINDS)
def test_a_poisoned_request_does_not_end_one_farm_after_the_other(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    farm.submit("poor", speech=SPEECH)
    monkeypatch.setattr(C + "requests.request_from_json", raiser(kind))
    live(farm)
    check_error(farm.answer(1).error, kind, farm=farm)
    check_journal(farm)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("target", "after"),
    [
        ("recovery.parse_document", False),
        ("recovery.restore", False),
        ("recovery.restore", True),
        ("recovery.plan_job", False),
        ("recovery._planned", False),
        ("recovery._go_on", True),
        ("recovery._note_records", False),
    ],
)
def test_a_job_that_cannot_be_restored_does_not_keep_the_farm_from_starting(
    farm: SmallFarm, trips: Callable[..., list[int]], target: str, after: bool, kind: str
) -> None:
    farm.submit("poor")
    farm.submit("good", speech=SPEECH, seed=GOOD_SEED)
    with farm.running() as coordinator:
        coordinator.run_until(lambda: {POOR, "good-2"} <= set(coordinator.state.runs))
    assert trips(C + target, kind, after=after) is not None
    live(farm)
    poor = farm.job(POOR)
    assert poor.state is JobState.FAILED
    check_error(poor.error, kind, farm=farm)
    assert farm.sha256("good") == good_master()
    check_journal(farm)


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_that_failed_so_can_be_tried_again(
    farm: SmallFarm, trips: Callable[..., list[int]], kind: str
) -> None:
    trips(C + "segments.take_result", kind, after=True, times=1)
    farm.submit("poor", speech=SPEECH)
    live(farm)
    assert farm.job(POOR).state is JobState.FAILED
    farm.ask(RetryRequest(job=POOR))
    live(farm)
    assert farm.job(POOR).state is JobState.SUCCEEDED
    assert farm.sha256("poor") == good_master("poor", seed=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("target", "after"),
    [
        ("farm.scheduling.answers.settle_segment", False),
        ("farm.scheduling.answers.end_attempt", False),
        ("farm.scheduling.leases.move_segment", False),
        ("farm.scheduling.commands.new_entry", False),
        ("farm.scheduling.settling.unblock_segment", False),
        ("farm.scheduling.transitions._line_up", False),
        ("farm.scheduling.transitions._line_up", True),
        ("farm.scheduling.commands.move_job", False),
    ],
)
def test_a_scheduler_that_raised_goes_on_only_if_it_is_whole(
    farm: SmallFarm, trips: Callable[..., list[int]], target: str, after: bool, kind: str
) -> None:
    """Otherwise this run of the farm ends, and the next one goes on without the job."""
    trips(target, kind, after=after, times=1)
    farm.submit("poor", speech=SPEECH)
    farm.submit("good", speech=SPEECH, seed=GOOD_SEED)
    with caught() as run:
        live(farm)
    if run.error is not None:
        end = run.error
        assert isinstance(end, FarmCannotGoOn)
        assert end.exit_code == ExitCode.INTERNAL
        assert len(end.line().splitlines()) == 1
        assert Path(end.traceback_file).exists()
        assert farm.job(POOR).state is JobState.FAILED
        live(farm)
    poor = farm.job(POOR)
    assert poor.state is JobState.FAILED
    check_error(poor.error, kind, farm=farm)
    assert farm.sha256("good") == good_master()
    check_journal(farm)


@pytest.mark.parametrize("kind", KINDS)
def test_what_belongs_to_no_job_ends_the_farm_and_a_later_one_goes_on(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    farm.submit("good", speech=SPEECH, seed=GOOD_SEED)
    with monkeypatch.context() as patched:
        patched.setattr("farm.scheduling.scheduler.take_tick", raiser(kind))
        with pytest.raises((RuntimeError, MemoryError, OSError)), farm.running() as coordinator:
            coordinator.run_until(lambda: coordinator.is_idle)
        with farm.running() as coordinator, pytest.raises((RuntimeError, MemoryError, OSError)):
            coordinator.state.tell(Tick())
    live(farm)
    assert farm.sha256("good") == good_master()


def test_a_fault_of_a_stage_names_its_file_in_the_journal(tmp_path: Path, caplog: Any) -> None:
    farm = SmallFarm(tmp_path, faults=(Fault(stage="render", frame=50, kind="raise", times=9),))
    name = farm.submit("poor")
    live(farm)
    error = farm.job(name).error
    assert error is not None
    assert "tripped at frame 50" in error["message"]
    text = Path(error["traceback_file"]).read_text()
    assert error["traceback_file"] in error["hint"]
    assert "RuntimeError: the render stage tripped at frame 50" in text
    assert "fake_stages.py" in text
    # Two tries, one traceback: one file.
    assert len(list((tmp_path / "cache" / "crashes").iterdir())) == 1
    assert [
        record.getMessage() for record in caplog.records if error["traceback_file"] in record.getMessage()
    ]


@pytest.mark.parametrize("stage", ["motion", "face"])
def test_a_fault_of_a_helper_s_stage_names_its_file_too(tmp_path: Path, stage: str) -> None:
    frame = 0 if stage == "motion" else FIRST_FACE
    farm = SmallFarm(tmp_path, faults=(Fault(stage=stage, frame=frame, kind="raise", times=99),))
    name = farm.submit("poor", speech="hello.wav")
    live(farm)
    error = farm.job(name).error
    assert error is not None
    assert f"the {stage} stage tripped" in Path(error["traceback_file"]).read_text()
