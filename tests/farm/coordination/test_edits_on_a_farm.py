"""Jobs of a shared farm that share pictures: an edit beside its first version, and what happens to it meanwhile."""

from __future__ import annotations

import wave
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from held_background import HeldBackground
from small_farm import SmallFarm
from test_restarts import state_is

from farm.coordination import segments
from farm.execution.committed import find_segment
from farm.ledger import load_ledger
from infra.storage import open_store
from jobs.errors import StoreUnavailable
from jobs.farm_requests import PauseRequest, ResumeRequest
from jobs.journal_events import SegmentCommitted, event_from_json
from jobs.lifecycle import JobState, SegmentState
from jobs.manifest import Manifest, SegmentRecord
from jobs.plan import RenderPlan

SECONDS = 9
SEGMENTS = 5
CHANGED = 2


@pytest.fixture
def edited(farm: SmallFarm) -> SmallFarm:
    """A farm that has rendered a speech, with a copy of it of which one word is another."""
    with wave.open(str(farm.folder / "hello.wav"), "rb") as file:
        parameters, samples_S = file.getparams(), np.frombuffer(file.readframes(-1), "<i2").copy()
    samples_S[int(4.9 * 16_000) : int(5.1 * 16_000)] //= 2
    with wave.open(str(farm.folder / "edit.wav"), "wb") as file:
        file.setparams(parameters)
        file.writeframes(samples_S.tobytes())
    farm.submit()
    farm.run()
    assert farm.renders() == SEGMENTS
    return farm


def manifest_of(farm: SmallFarm, name: str) -> Manifest:
    return Manifest.from_json((farm.folder / "out" / f"{name}.manifest.json").read_bytes())


def rendered(farm: SmallFarm, name: str) -> list[int]:
    return [segment.index for segment in manifest_of(farm, name).segments if not segment.found]


def keys(farm: SmallFarm, name: str) -> list[str]:
    return [segment.key for segment in manifest_of(farm, name).segments]


def committed(farm: SmallFarm, name: str) -> Iterator[SegmentCommitted]:
    for entry in farm.journal.read():
        event = event_from_json(entry.body)
        if isinstance(event, SegmentCommitted) and event.job == name:
            yield event


def whole(farm: SmallFarm, folder: Path, **spec: Any) -> str:
    """The edit's master from an empty store."""
    other = SmallFarm(folder)
    (other.folder / "edit.wav").write_bytes((farm.folder / "edit.wav").read_bytes())
    other.submit("edit", **spec)
    other.run()
    return other.sha256("edit")


def test_an_edit_renders_one_segment_and_the_journal_says_which_were_found(
    edited: SmallFarm, tmp_path: Path
) -> None:
    name = edited.submit("edit", speech="edit.wav")
    edited.run()
    assert rendered(edited, "edit") == [CHANGED]
    assert edited.renders() == SEGMENTS + 1
    assert edited.sha256("edit") == whole(edited, tmp_path / "fresh", speech="edit.wav")
    told = {event.segment: event for event in committed(edited, name)}
    assert [told[index].record.found for index in range(SEGMENTS)] == [
        index != CHANGED for index in range(SEGMENTS)
    ]
    assert all((event.seconds > 0) != event.record.found for event in told.values())
    paid = edited.job(name).seconds
    assert paid == pytest.approx(told[CHANGED].seconds), "what is found costs nothing"


def test_two_studios_share_nothing(edited: SmallFarm) -> None:
    edited.submit("theirs", studio="south")
    edited.submit("ours")
    edited.run()
    assert rendered(edited, "theirs") == list(range(SEGMENTS))
    assert rendered(edited, "ours") == []
    assert edited.renders() == 2 * SEGMENTS
    assert not set(keys(edited, "theirs")) & set(keys(edited, "ours"))
    assert all(key.startswith("segments/south/") for key in keys(edited, "theirs"))
    of_studios = Counter(key.split("/")[1] for key in open_store(str(edited.folder / "store")).list())
    assert set(of_studios) == {"north", "south"}, "every key of the store has its owner's prefix"
    pictures = [[each.sha256 for each in manifest_of(edited, name).segments] for name in ("theirs", "ours")]
    assert pictures[0] == pictures[1]


def test_one_job_of_two_studios_is_one_plan_and_two_renders(edited: SmallFarm) -> None:
    name = edited.submit(studio="south", output={"uri": "out/south.mp4"})
    edited.run()
    assert edited.job(name).plan_hash == edited.job("hello-1").plan_hash
    assert edited.renders() == 2 * SEGMENTS


def test_a_farm_that_ends_while_it_looks_finds_the_rest_in_its_next_run(edited: SmallFarm) -> None:
    name = edited.submit("edit", speech="edit.wav")
    with edited.running() as coordinator:
        coordinator.run_until(lambda: any(True for _ in committed(edited, name)))
    assert 0 < edited.job(name).counts()[SegmentState.COMMITTED] < SEGMENTS
    edited.run()
    assert edited.job(name).state is JobState.SUCCEEDED
    assert rendered(edited, "edit") == [CHANGED]
    assert edited.renders() == SEGMENTS + 1


def test_a_job_that_is_paused_while_it_looks_goes_on_with_what_was_found(edited: SmallFarm) -> None:
    name = edited.submit("edit", speech="edit.wav")
    with edited.running() as coordinator:
        background = HeldBackground(holds=frozenset({"find_segment"}))
        coordinator.state.background = background  # type: ignore[assignment]
        coordinator.run_until(lambda: len(background.waiting) == SEGMENTS)
        assert edited.job(name).counts() == {SegmentState.BLOCKED: SEGMENTS}
        edited.ask(PauseRequest(job=name))
        coordinator.run_until(state_is(edited, name, JobState.PAUSED))
        background.holds = frozenset()
        coordinator.run_until(lambda: not background.waiting)
        coordinator.step()
        assert edited.job(name).counts() == {SegmentState.BLOCKED: 1, SegmentState.COMMITTED: SEGMENTS - 1}
        edited.ask(ResumeRequest(job=name))
        coordinator.run_until(state_is(edited, name, JobState.SUCCEEDED))
    assert edited.renders() == SEGMENTS + 1


def test_a_store_that_cannot_be_asked_costs_renders_and_no_job(
    edited: SmallFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(plan: RenderPlan, *, index: int, **options: Any) -> SegmentRecord | None:
        if index % 2:
            raise StoreUnavailable("does not answer", where="store")
        return find_segment(plan, index=index, **options)

    monkeypatch.setattr(segments, "find_segment", away)
    name = edited.submit("edit", speech="edit.wav")
    edited.run()
    assert edited.job(name).state is JobState.SUCCEEDED
    assert edited.renders() == SEGMENTS + 3
    # Rendered again they are the same, byte for byte: the first copies stay.
    assert keys(edited, "edit")[1] == keys(edited, "hello")[1]


def test_two_equal_jobs_at_the_same_time_commit_every_segment_once(farm: SmallFarm) -> None:
    names = [farm.submit(name) for name in ("one", "two")]
    farm.run()
    assert [farm.job(name).state for name in names] == [JobState.SUCCEEDED] * 2
    assert keys(farm, "one") == keys(farm, "two")
    assert SEGMENTS <= farm.renders() <= 2 * SEGMENTS
    ledger, _ = load_ledger(farm.journal)
    assert {ledger.jobs[name].counts()[SegmentState.COMMITTED] for name in names} == {SEGMENTS}


@pytest.mark.parametrize("studio", ["", "north/south", "../north", ".north", "n" * 64])
def test_a_studio_whose_name_cannot_be_part_of_a_key_is_refused(farm: SmallFarm, studio: str) -> None:
    farm.submit(studio=studio)
    farm.run()
    error = farm.answer(1).error
    assert error is not None
    assert error["code"] == "bad_studio"
    assert not farm.journal_jobs()
