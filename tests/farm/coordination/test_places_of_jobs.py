"""A shared farm takes no job that would write what another one in hand reads or writes, and none in a studio's way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_stages import Fault
from held_background import HeldBackground
from small_farm import SmallFarm

from farm.ledger import LedgerJob
from farm.scheduling.messages import Tick
from farm.scheduling.settling import end_finish
from jobs.farm_requests import CancelRequest, RetryRequest, SubmitRequest
from jobs.lifecycle import JobState


def ask_for(
    farm: SmallFarm, name: str, *, overwrite: bool = False, on_hold: bool = False, **spec: Any
) -> int:
    """Ask for a job; gives the number of the request."""
    request = SubmitRequest(
        document=farm.document(name, **spec),
        folder=str(farm.folder),
        studio="north",
        on_hold=on_hold,
        overwrite=overwrite,
    )
    return farm.ask(request)


def code_of_answer(farm: SmallFarm, number: int) -> str | None:
    error = farm.answer(number).error
    return None if error is None else str(error["code"])


def code_of_job(job: LedgerJob) -> str | None:
    return None if job.error is None else str(job.error["code"])


@pytest.fixture
def farm(tmp_path: Path) -> SmallFarm:
    made = SmallFarm(tmp_path)
    made.speak("hello.wav", seconds=1.5)
    return made


@pytest.fixture
def waiting(farm: SmallFarm) -> str:
    """A job that is in hand of the farm and waits for a resume, as it may for days."""
    name = farm.submit("first", on_hold=True, takes=2)
    farm.run()
    assert farm.job(name).state is JobState.HELD
    return name


COLLIDING: dict[str, dict[str, Any]] = {
    "its master": {"output": {"uri": "out/first.mp4"}},
    "its second take": {"output": {"uri": "out/x/../first.take2.mp4"}},
    "its speech": {"output": {"uri": "out/talk.mp4"}, "speech": "hello.wav"},
    "into its subject": {"output": {"uri": "stages/subjects/jane/x.mp4"}},
    "a reader of its master": {"speech": "out/first.mp4"},
    "a reader around its master": {"subject": "out", "output": {"uri": "x.mp4"}},
}


@pytest.mark.parametrize("kind", COLLIDING)
@pytest.mark.parametrize("is_restarted", [False, True], ids=["", "after a restart"])
def test_a_job_that_would_meet_one_in_hand_is_turned_away(
    kind: str, is_restarted: bool, farm: SmallFarm, tmp_path: Path
) -> None:
    farm.stages.add_subject("jane", shade=1.0)
    (tmp_path / "out").mkdir()
    farm.speak("out/talk.mp4", seconds=1.5)
    first = farm.submit("first", on_hold=True, takes=2, speech="out/talk.mp4", subject="stages/subjects/jane")
    if is_restarted:
        farm.run()
    number = ask_for(farm, "second", overwrite=True, **COLLIDING[kind])
    farm.run()
    assert code_of_answer(farm, number) in ("output_is_input", "output_twice")
    assert f"of {first}" in str(farm.answer(number).error)
    assert farm.journal_jobs() == {first}
    farm.ask(CancelRequest(job=first))
    farm.run()
    again = ask_for(farm, "second", overwrite=True, **COLLIDING[kind])
    farm.run()
    assert code_of_answer(farm, again) is None, "nothing is in hand any more"


def test_any_number_of_jobs_read_the_same(farm: SmallFarm, waiting: str) -> None:
    names = [farm.submit(f"other-{number}") for number in range(3)]
    farm.run()
    assert {farm.job(name).state for name in names} == {JobState.SUCCEEDED}


def test_the_same_place_is_free_again_once_the_job_has_ended(farm: SmallFarm) -> None:
    for seed in (1, 2):
        name = farm.submit(seed=seed)
        farm.run()
        assert farm.job(name).state is JobState.SUCCEEDED


@pytest.mark.parametrize("is_restarted", [False, True], ids=["", "after a restart"])
def test_a_link_that_only_the_disk_shows_ends_its_own_job_alone(
    is_restarted: bool, farm: SmallFarm, waiting: str, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir(exist_ok=True)
    (tmp_path / "aka").symlink_to("out")
    second = farm.submit("second", output={"uri": "aka/first.mp4"})
    bystander = farm.submit("third")
    if is_restarted:
        farm.run(until=lambda: second in farm.journal_jobs())
    farm.run()
    assert farm.job(second).state is JobState.FAILED
    assert code_of_job(farm.job(second)) == "output_twice"
    assert farm.job(bystander).state is JobState.SUCCEEDED
    assert farm.job(waiting).state is JobState.HELD


def test_a_recording_is_never_replaced_by_a_link_to_it(farm: SmallFarm, tmp_path: Path) -> None:
    farm.speak("talk.mp4", seconds=1.0)
    (tmp_path / "link.mp4").hardlink_to(tmp_path / "talk.mp4")
    before = (tmp_path / "talk.mp4").read_bytes()
    number = ask_for(farm, "talk", overwrite=True, speech="talk.mp4", output={})
    name = farm.submit("other", speech="talk.mp4", output={"uri": "link.mp4"})
    farm.run()
    assert code_of_answer(farm, number) == "output_is_input"
    assert code_of_job(farm.job(name)) == "output_is_input"
    assert (tmp_path / "talk.mp4").read_bytes() == before == (tmp_path / "link.mp4").read_bytes()


def test_a_file_that_the_farm_did_not_write_stays_until_somebody_says_so(
    farm: SmallFarm, tmp_path: Path
) -> None:
    farm.speak("hello.wav", seconds=9.0)
    (tmp_path / "out").mkdir()
    farm.master().write_bytes(b"my own")
    name = farm.submit()
    farm.run()
    assert code_of_job(farm.job(name)) == "output_exists"
    assert farm.master().read_bytes() == b"my own"
    assert farm.renders() == 0
    number = ask_for(farm, "hello", overwrite=True, on_hold=False)
    farm.run(until=lambda: farm.renders() >= 1)
    assert farm.master().read_bytes() == b"my own"
    farm.run()
    assert farm.job(f"hello-{number}").state is JobState.SUCCEEDED
    assert farm.master().read_bytes() != b"my own"


def test_a_file_that_came_while_the_farm_was_away_stays(farm: SmallFarm, tmp_path: Path) -> None:
    farm.speak("hello.wav", seconds=9.0)
    name = farm.submit()
    farm.run(until=lambda: farm.renders() >= 1)
    (tmp_path / "out").mkdir(exist_ok=True)
    farm.master().write_bytes(b"my own")
    farm.run()
    assert farm.job(name).state is JobState.FAILED
    assert code_of_job(farm.job(name)) == "output_exists"
    assert farm.master().read_bytes() == b"my own"
    farm.master().unlink()
    farm.ask(RetryRequest(job=name))
    farm.run()
    assert farm.job(name).state is JobState.SUCCEEDED


def test_a_retry_asks_for_its_places_anew(tmp_path: Path) -> None:
    trips = Fault(stage="render", frame=0, kind="raise", times=2)
    farm = SmallFarm(tmp_path, faults=(trips,))
    farm.speak("hello.wav", seconds=1.5)
    failed = farm.submit("one")
    farm.run()
    assert farm.job(failed).state is JobState.FAILED
    other = farm.submit("two", on_hold=True, output={"uri": "out/one.mp4"})
    farm.run()
    retried = farm.ask(RetryRequest(job=failed))
    farm.run()
    assert code_of_answer(farm, retried) == "output_twice" or code_of_job(farm.job(failed)) == "output_twice"
    assert farm.job(failed).state is JobState.FAILED
    farm.ask(CancelRequest(job=other))
    farm.run()
    farm.ask(RetryRequest(job=failed))
    farm.run()
    assert farm.job(failed).state is JobState.SUCCEEDED


def test_a_renderer_of_another_size_is_refused_when_its_job_is_planned(farm: SmallFarm) -> None:
    name = farm.submit(output={"uri": "out/hello.mp4", "profile": "full"})
    farm.run()
    assert farm.job(name).state is JobState.FAILED
    assert code_of_job(farm.job(name)) == "weights_mismatch"
    assert not farm.job(name).is_planned
    assert farm.stages.noted("load-renderer") == 0


def test_a_cancelled_job_keeps_its_places_while_its_master_is_still_being_written(farm: SmallFarm) -> None:
    background = HeldBackground(holds=frozenset({"_finish_takes"}))
    first = farm.submit("first")
    with farm.running(background=background) as running:
        running.run_until(lambda: bool(running.state.finishing))
        cancelled = farm.ask(CancelRequest(job=first))
        running.run_until(lambda: farm.journal.answer_to(cancelled) is not None)
        # As after the grace that a writer has: the scheduler waits no longer, the thread still writes.
        end_finish(running.state.scheduler.state, running.state.scheduler.state.jobs[first])
        running.state.tell(Tick())
        running.run_until(lambda: first not in running.state.runs)
        second = ask_for(farm, "second", output={"uri": "out/first.mp4"})
        running.run_until(lambda: farm.journal.answer_to(second) is not None)
        assert code_of_answer(farm, second) == "output_twice"
        background.holds = frozenset()
        running.run_until(lambda: not running.state.finishing)
        third = ask_for(farm, "third", output={"uri": "out/first.mp4"})
        running.run_until(lambda: farm.journal.answer_to(third) is not None)
    assert code_of_answer(farm, third) is None
    assert not (farm.folder / "out" / "first.mp4").exists(), "nobody wanted it any more"
