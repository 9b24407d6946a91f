"""A farm is killed at every point at which it can die, and starts again: nothing is lost, and nothing is done twice.

Every run has two jobs: `one` with two segments, `two` with two takes of one segment. Its user submits both whenever the
farm starts, each with the same token, as a user does who never saw the answer.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mortal_farm import KILLED, Life, Nursery, digests, opened_nursery, two_jobs

from farm.ledger import load_ledger
from infra.journal import open_journal
from jobs.lifecycle import JobState

SEGMENTS = 4
# At the most one segment is rendered at a time: there is one replica of each stage.
RUNNING = 1


@dataclass(frozen=True)
class Calm:
    """A run that nothing happens to."""

    life: Life
    out: dict[str, str]


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with opened_nursery() as opened:
        yield opened


@pytest.fixture(scope="module")
def calm(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Calm:
    folder = tmp_path_factory.mktemp("calm")
    assert nursery.live(folder, log=folder / "life.log") == 0
    return Calm(Life.read(folder / "life.log"), digests(folder / "out"))


def check_end(folder: Path, lives: list[Life], calm: Calm) -> None:
    """Whatever happened to it: the farm did its work, once."""
    assert digests(folder / "out") == calm.out, (
        "masters and manifests are those of a calm run, and nothing else"
    )
    journal = open_journal(str(folder / "farm.sqlite"), must_exist=True)
    journal.check()
    jobs = load_ledger(journal)[0].jobs
    assert {name: job.state for name, job in jobs.items()} == dict.fromkeys(
        ("one-1", "two-2"), JobState.SUCCEEDED
    )
    assert journal.asked() == (), "both requests are answered"
    assert '"error":null' in (journal.answer_to(1) or "")
    assert '"error":null' in (journal.answer_to(2) or "")
    journal.close()
    committed: set[str] = set()
    for life in lives:
        again = committed.intersection(life.rendered)
        assert not again, f"{again} were rendered again although their commit had returned"
        committed.update(life.committed)
    renders = sum(len(life.rendered) for life in lives)
    assert renders <= SEGMENTS + RUNNING * (len(lives) - 1)
    # What a killed writer left in the store is swept when it is old; it is in nobody's way.
    assert not list(folder.rglob("*.part"))


def die_and_go_on(nursery: Nursery, folder: Path, number: int, calm: Calm) -> None:
    assert nursery.live(folder, log=folder / "first.log", die_at=number) == KILLED
    first = Life.read(folder / "first.log")
    assert first.points == calm.life.points[:number], "a farm comes to the same points in every run"
    assert nursery.live(folder, log=folder / "second.log") == 0
    check_end(folder, [first, Life.read(folder / "second.log")], calm)


def die_at_all(nursery: Nursery, folder: Path, numbers: list[int], calm: Calm) -> None:
    failures = []
    for number in numbers:
        place = folder / f"point-{number}"
        place.mkdir()
        try:
            die_and_go_on(nursery, place, number, calm)
        except AssertionError as failure:
            failures.append(f"{number}, {calm.life.points[number - 1]}: {failure}")
        shutil.rmtree(place)
    assert not failures, "\n".join(failures)


def test_the_points_cover_everything_that_outlives_a_farm(calm: Calm) -> None:
    """Prints the table: ``pytest -s``."""
    for number, name in enumerate(calm.life.points, start=1):
        print(f"{number:4d}  {name}")
    names = set(calm.life.points)
    for what in (
        "the epoch begins",
        "a request",
        "an append of job received with an answer",
        "an append of job planned",
        "an append of segment committed",
        "an append of take delivered",
        "a snapshot",
        "a put of a segment",
        "a put of a inspection",
        "a put of a link",
        "a put of a master",
        "a put of a manifest",
        "the link of a segment",
        "the replace of a checksum of a segment",
        "the replace of a master to its place",
        "the replace of a manifest to its place",
        "the submit of a window",
        "the submit of a face",
        "the submit of a segment",
        "the work on a segment",
        "the background's work: plan_job",
        "the background's work: open_speech",
        "the background's work: find_segment",
        "the background's work: finish_takes",
    ):
        assert {f"before {what}", f"after {what}"} <= names
    assert len(calm.life.rendered) == SEGMENTS


def last_of_each(calm: Calm) -> dict[str, int]:
    """The last occurrence of every name: much is done by then that could be lost."""
    return {name: number for number, name in enumerate(calm.life.points, start=1)}


@pytest.mark.parametrize(
    "name",
    [
        "after a put of a link",
        "after a put of a segment",
        "after the background's work: find_segment",
        "before the replace of a master to its place",
    ],
)
def test_a_farm_that_is_killed_there_loses_and_repeats_nothing(
    nursery: Nursery, tmp_path: Path, calm: Calm, name: str
) -> None:
    die_and_go_on(nursery, tmp_path, last_of_each(calm)[name], calm)


@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(4))
def test_a_farm_that_is_killed_at_every_point(
    nursery: Nursery, tmp_path: Path, calm: Calm, part: int
) -> None:
    die_at_all(nursery, tmp_path, list(range(1, len(calm.life.points) + 1))[part::4], calm)


@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(3))
def test_a_farm_that_is_killed_again_and_again(
    nursery: Nursery, tmp_path: Path, calm: Calm, seed: int
) -> None:
    chance, lives, status = random.Random(seed), list[Life](), KILLED
    # Every second life or so comes to its first segment, also after several restarts.
    first_segment = calm.life.points.index("after an append of segment committed")
    while status == KILLED:
        log = tmp_path / f"{len(lives)}.log"
        status = nursery.live(
            tmp_path, log=log, die_at=chance.randrange(first_segment // 3, 2 * first_segment)
        )
        lives.append(Life.read(log))
        assert len(lives) < 40
    assert status == 0
    assert len(lives) > 2
    check_end(tmp_path, lives, calm)


def test_the_same_farm_started_once_more_does_nothing(nursery: Nursery, tmp_path: Path, calm: Calm) -> None:
    for number in (1, 2):
        assert nursery.live(tmp_path, log=tmp_path / f"{number}.log") == 0
    check_end(tmp_path, [Life.read(tmp_path / f"{number}.log") for number in (1, 2)], calm)
    assert not Life.read(tmp_path / "2.log").rendered
    assert two_jobs(tmp_path).renders() == SEGMENTS
