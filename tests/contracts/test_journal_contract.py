"""One suite for every journal: what the farm relies on, whatever database lies below."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from postgresql_server import PostgresqlServer
from sqlalchemy import text

from infra.journal import DatabasePatience, Entry, Journal, Snapshot, open_journal
from jobs.errors import JournalCorrupt, JournalError, JournalFenced, TokenTaken

ROOT = Path(__file__).resolve().parents[2]
QUICK = DatabasePatience(busy_s=20.0, waits_s=(0.05, 0.1, 0.2))
KINDS = ["file", "memory", "postgresql"]


class Place:
    """Where journals of a test lie: opens the same one again and again."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._opened: list[Journal] = []

    def open(self) -> Journal:
        if self.address == ":memory:" and self._opened:
            return self._opened[0]
        self._opened.append(open_journal(self.address, patience=QUICK))
        return self._opened[-1]

    def tamper(self, statement: str, **values: object) -> None:
        """Do to the tables what no journal does."""
        database = self.open()._database
        database.write(lambda connection: connection.execute(text(statement), values))

    def close(self) -> None:
        for journal in self._opened:
            journal.close()


def place_of(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if kind == "memory":
        return Place(":memory:")
    if kind == "file":
        return Place(str(tmp_path / "farm" / "journal.sqlite"))
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return Place(server.fresh_address(f"test_{secrets.token_hex(6)}"))


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    place = place_of(request.param, request, tmp_path)
    yield place
    place.close()


@pytest.fixture(params=["file", "postgresql"])
def shared_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    place = place_of(request.param, request, tmp_path)
    yield place
    place.close()


@pytest.fixture(params=["file", pytest.param("postgresql", marks=pytest.mark.slow)])
def place_of_processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    place = place_of(request.param, request, tmp_path)
    yield place
    place.close()


def bodies(journal: Journal) -> list[str]:
    return [entry.body for entry in journal.read()]


def test_a_new_journal_is_empty_and_whole(place: Place) -> None:
    journal = place.open()
    assert (bodies(journal), journal.check(), journal.latest_snapshot()) == ([], 0, None)
    assert (tuple(journal.asked()), journal.answer_to(1)) == ((), None)


def test_events_come_back_in_order_without_gaps(place: Place) -> None:
    journal = place.open()
    first = journal.begin_epoch("one")
    assert journal.append(first, ["a", "b"]) == 2
    second = journal.begin_epoch("two")
    assert journal.append(second, ["c"]) == 3
    entries = list(journal.read())
    assert [(entry.sequence, entry.epoch, entry.body) for entry in entries] == [
        (1, first, "a"),
        (2, first, "b"),
        (3, second, "c"),
    ]
    assert all(entry.at > 1.7e9 for entry in entries)
    assert list(journal.read(after=2)) == entries[2:]
    assert journal.check() == 3


def test_nothing_to_write_is_nothing_written(place: Place) -> None:
    journal = place.open()
    epoch = journal.begin_epoch("one")
    assert journal.append(epoch, []) == 0
    journal.append(epoch, ["a"])
    assert journal.append(epoch, []) == 1
    assert bodies(journal) == ["a"]


def test_whatever_text_is_written_is_read(place: Place) -> None:
    journal = place.open()
    epoch = journal.begin_epoch("Zoë's coordinator; DROP TABLE entries --")
    texts = ["", "{}", "ä 日本 🎬", "'\";--\n\t\\u0000", "x" * 300_000, "%s :name ?"]
    journal.append(epoch, texts)
    assert bodies(journal) == texts
    assert journal.check() == len(texts)


@pytest.mark.parametrize("body", ["a\0b", "\ud800"])
def test_what_no_database_keeps_whole_is_a_callers_bug(place: Place, body: str) -> None:
    journal = place.open()
    epoch = journal.begin_epoch("one")
    with pytest.raises(ValueError, match=r"zero byte|surrogates"):
        journal.append(epoch, ["a", body])
    assert bodies(journal) == []


def test_more_entries_than_are_read_at_once(place: Place) -> None:
    journal = place.open()
    epoch = journal.begin_epoch("one")
    journal.append(epoch, [str(number) for number in range(1234)])
    assert bodies(journal) == [str(number) for number in range(1234)]
    assert [entry.sequence for entry in journal.read(after=1000)] == list(range(1001, 1235))
    assert journal.check() == 1234


def test_everything_is_there_after_it_is_opened_again(shared_place: Place) -> None:
    journal = shared_place.open()
    epoch = journal.begin_epoch("one")
    request = journal.ask("please", token="t")
    journal.append(epoch, ["a"])
    journal.keep_snapshot(epoch, Snapshot(sequence=1, body="s"))
    before = list(journal.read())
    journal.close()
    again = shared_place.open()
    assert (list(again.read()), again.check()) == (before, 1)
    assert again.latest_snapshot() == Snapshot(sequence=1, body="s")
    assert [asked.request for asked in again.asked()] == [request]
    assert again.begin_epoch("two") == epoch + 1


# One writer.


def test_a_writer_with_an_old_epoch_gets_nothing_in(place: Place) -> None:
    old, new = place.open(), place.open()
    old_epoch = old.begin_epoch("old")
    old.append(old_epoch, ["a"])
    request = old.ask("please", token="t")
    new_epoch = new.begin_epoch("new")
    assert new_epoch > old_epoch
    for attempt in (
        lambda: old.append(old_epoch, ["lost"]),
        lambda: old.append(old_epoch, []),
        lambda: old.append(old_epoch, [], answers=[(request, "lost")]),
        lambda: old.keep_snapshot(old_epoch, Snapshot(sequence=1, body="lost")),
    ):
        with pytest.raises(JournalFenced) as caught:
            attempt()
        assert caught.value.code == "journal_fenced"
    assert (bodies(new), new.answer_to(request), new.latest_snapshot()) == (["a"], None, None)
    assert new.append(new_epoch, ["b"]) == 2


def test_an_epoch_that_never_began_writes_nothing(place: Place) -> None:
    journal = place.open()
    epoch = journal.begin_epoch("one")
    with pytest.raises(JournalFenced):
        journal.append(epoch + 1, ["a"])
    with pytest.raises(JournalFenced):
        place.open().append(0, ["a"])
    assert bodies(journal) == []


def fight(journal: Journal, name: str, rounds: int) -> list[tuple[str, int, bool]]:
    """Write; take over when fenced. What was acknowledged, and what was refused."""
    said = []
    epoch = journal.begin_epoch(name)
    for number in range(rounds):
        body = f"{name} {number}"
        try:
            last = journal.append(epoch, [body, f"{body} too"])
        except JournalFenced:
            said.append((body, 0, False))
            epoch = journal.begin_epoch(name)
        else:
            said.append((body, last, True))
    return said


def check_fight(journal: Journal, said: list[tuple[str, int, bool]]) -> None:
    """Exactly what was acknowledged is there, each where it was said to be, and epochs never go back."""
    entries = list(journal.read())
    found = {entry.sequence: entry.body for entry in entries}
    for body, last, was_kept in said:
        if was_kept:
            assert (found[last - 1], found[last]) == (body, f"{body} too")
    assert len(entries) == 2 * sum(was_kept for _, _, was_kept in said)
    epochs = [entry.epoch for entry in entries]
    assert epochs == sorted(epochs)
    assert journal.check() == len(entries)


def test_threads_that_fight_for_the_journal_never_mix(place: Place) -> None:
    journals = [place.open() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        fights = [pool.submit(fight, journal, f"writer-{n}", 25) for n, journal in enumerate(journals)]
        said = [line for fought in fights for line in fought.result()]
    check_fight(journals[0], said)


def test_processes_that_fight_for_the_journal_never_mix(place_of_processes: Place) -> None:
    processes = [start_appending(place_of_processes.address, f"process-{n}", 30, 2) for n in range(2)]
    for process in processes:
        wait_until_ready(process)  # each has taken over from the one before
    for process in processes:
        let_begin(process)
    outputs = [process.communicate(timeout=100)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    kept = [line.split() for output in outputs for line in output.splitlines() if line.startswith("kept")]
    refused = [line for output in outputs for line in output.splitlines() if line.startswith("refused")]
    assert len(kept) + len(refused) == 60
    assert refused, "they did fight"
    journal = place_of_processes.open()
    entries = list(journal.read())
    check_acknowledged(entries, kept, batch=2)
    assert len(entries) == 2 * len(kept)
    assert journal.check() == len(entries)


def start_appending(address: str, name: str, count: int, batch: int) -> subprocess.Popen[str]:
    script = ROOT / "tests" / "infra" / "databases" / "appending_process.py"
    return subprocess.Popen(
        [sys.executable, str(script), address, name, str(count), str(batch)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def let_begin(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def check_acknowledged(entries: list[Entry], kept: list[list[str]], *, batch: int) -> None:
    for _, name, number, epoch, last in kept:
        written = entries[int(last) - batch : int(last)]
        assert [entry.epoch for entry in written] == [int(epoch)] * batch
        assert [json.loads(entry.body) for entry in written] == [
            {"by": name, "number": int(number), "part": part} for part in range(batch)
        ]


def kill_while_it_appends(place: Place, *, after: int, batch: int) -> None:
    journal = place.open()
    before = journal.check()
    process = start_appending(place.address, "victim", 100_000, batch)
    wait_until_ready(process)
    let_begin(process)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(after)]
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.readlines()
    process.communicate(timeout=30)
    kept = [line.split() for line in lines if line.startswith("kept") and line.endswith("\n")]
    assert len(kept) >= after
    journal.begin_epoch("after the crash")  # what the dead one had begun is decided from here on
    entries = list(journal.read())
    check_acknowledged(entries, kept, batch=batch)
    assert (len(entries) - before) % batch == 0, "a transaction is there whole or not at all"
    assert len(entries) - before - batch * len(kept) in {0, batch}, "at most one was not yet acknowledged"
    assert journal.check() == len(entries)


def test_what_a_killed_process_was_acknowledged_is_there(place_of_processes: Place) -> None:
    kill_while_it_appends(place_of_processes, after=20, batch=3)


@pytest.mark.chaos
def test_many_killed_processes_one_after_another(shared_place: Place) -> None:
    for after in (1, 2, 5, 17, 60, 150, 3, 400):
        kill_while_it_appends(shared_place, after=after, batch=after % 4 + 1)


def test_readers_see_a_growing_beginning_while_it_is_written(place: Place) -> None:
    journal, reader = place.open(), place.open()
    epoch = journal.begin_epoch("one")
    is_over = threading.Event()

    def read() -> int:
        looks = 0
        while not is_over.is_set() or looks == 0:
            sequences = [entry.sequence for entry in reader.read()]
            assert sequences == list(range(1, len(sequences) + 1))
            assert len(sequences) % 3 == 0, "a transaction is seen whole or not at all"
            looks += 1
        return looks

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for number in range(40):
            journal.append(epoch, [f"{number} {part}" for part in "abc"])
        is_over.set()
        assert all(looking.result() > 0 for looking in readers)
    assert journal.check() == 120


# Requests and answers.


def test_a_request_waits_until_it_is_answered(place: Place) -> None:
    user, writer = place.open(), place.open()
    epoch = writer.begin_epoch("one")
    first = user.ask('{"kind": "pause"}', token="first")
    second = user.ask('{"kind": "cancel"}', token="second")
    assert [asked.request for asked in writer.asked()] == [first, second]
    assert [asked.body for asked in writer.asked()] == ['{"kind": "pause"}', '{"kind": "cancel"}']
    assert user.unanswered() == 2
    assert user.answer_to(first) is None
    assert writer.append(epoch, ["paused"], answers=[(first, "done")]) == 1
    assert user.answer_to(first) == "done"
    assert [asked.request for asked in writer.asked()] == [second]
    assert user.unanswered() == 1


def test_the_first_answer_stays(place: Place) -> None:
    journal = place.open()
    epoch = journal.begin_epoch("one")
    request = journal.ask("please", token="t")
    journal.append(epoch, [], answers=[(request, "yes")])
    journal.append(epoch, ["a"], answers=[(request, "no")])
    assert (journal.answer_to(request), bodies(journal)) == ("yes", ["a"])


def test_an_answer_to_nobody_is_a_callers_bug_and_nothing_is_written(place: Place) -> None:
    journal = place.open()
    epoch = journal.begin_epoch("one")
    with pytest.raises(ValueError, match="nobody asked"):
        journal.append(epoch, ["a"], answers=[(7, "yes")])
    assert bodies(journal) == []


def test_asking_again_with_the_same_token_is_the_same_request(place: Place) -> None:
    journal = place.open()
    epoch = journal.begin_epoch("one")
    request = journal.ask("please", token="t")
    assert place.open().ask("please", token="t") == request
    journal.append(epoch, [], answers=[(request, "yes")])
    assert journal.ask("please", token="t") == request, "for ever, also when it is answered"
    assert tuple(journal.asked()) == ()
    with pytest.raises(TokenTaken) as caught:
        journal.ask("something else", token="t")
    assert (caught.value.where, caught.value.exit_code) == ("t", 2)


def test_many_who_ask_with_one_token_are_one(place: Place) -> None:
    journals = [place.open() for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda n: journals[n % 4].ask("same", token="t"), range(16)))
        others = list(pool.map(lambda n: journals[n % 4].ask("own", token=f"t{n}"), range(16)))
    assert len(set(numbers)) == 1
    assert len({*numbers, *others}) == 17
    assert len(journals[0].asked()) == 17


# Snapshots.


def test_the_newest_snapshot_is_found_and_the_last_two_are_kept(place: Place) -> None:
    journal = place.open()
    epoch = journal.begin_epoch("one")
    journal.append(epoch, ["a", "b", "c"])
    for sequence in (1, 2, 3):
        journal.keep_snapshot(epoch, Snapshot(sequence=sequence, body=f"fold of {sequence}"))
    assert journal.latest_snapshot() == Snapshot(sequence=3, body="fold of 3")
    place.tamper("UPDATE snapshots SET body = 'fold of 9' WHERE sequence = 3")
    assert journal.latest_snapshot() == Snapshot(sequence=2, body="fold of 2")
    place.tamper("UPDATE snapshots SET sha256 = 'nothing' WHERE sequence = 2")
    assert journal.latest_snapshot() is None, "the first is gone"


def test_a_snapshot_may_be_written_again(place: Place) -> None:
    journal = place.open()
    epoch = journal.begin_epoch("one")
    journal.append(epoch, ["a"])
    journal.keep_snapshot(epoch, Snapshot(sequence=1, body="x"))
    journal.keep_snapshot(epoch, Snapshot(sequence=1, body="y"))
    assert journal.latest_snapshot() == Snapshot(sequence=1, body="y")


def test_a_snapshot_of_what_is_not_written_is_a_callers_bug(place: Place) -> None:
    journal = place.open()
    epoch = journal.begin_epoch("one")
    with pytest.raises(ValueError, match="before the snapshot"):
        journal.keep_snapshot(epoch, Snapshot(sequence=1, body="x"))


# Damage.

DAMAGE = {
    "a body": ("UPDATE entries SET body = 'b2' WHERE sequence = 2", "entry 2"),
    "a time": ("UPDATE entries SET at = at + 1 WHERE sequence = 3", "entry 3"),
    "an epoch": ("UPDATE entries SET epoch = 2 WHERE sequence = 2", "entry 2"),
    "a hash": ("UPDATE entries SET chain = (SELECT chain FROM head) WHERE sequence = 4", "entry 4"),
    "an entry in the middle is gone": ("DELETE FROM entries WHERE sequence = 3", "entry 3 is missing"),
    "the first entry is gone": ("DELETE FROM entries WHERE sequence = 1", "entry 1 is missing"),
    "the last entry is gone": ("DELETE FROM entries WHERE sequence = 5", "entry 5 is missing"),
    "the end is elsewhere": (
        "UPDATE head SET chain = (SELECT chain FROM entries WHERE sequence = 1)",
        "the end",
    ),
    "an epoch is gone": ("DELETE FROM epochs WHERE epoch = 2", "the end"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_what_was_changed_behind_its_back_is_found_and_named(place: Place, what: str) -> None:
    journal = place.open()
    epoch = journal.begin_epoch("one")
    journal.append(epoch, ["a", "b", "c"])
    journal.append(journal.begin_epoch("two"), ["d", "e"])
    assert journal.check() == 5
    statement, named = DAMAGE[what]
    place.tamper(statement)
    with pytest.raises(JournalCorrupt) as caught:
        journal.check()
    assert named in caught.value.message


# What is not a journal of ours, and its end.


def test_a_journal_of_another_version_is_refused(shared_place: Place) -> None:
    shared_place.open()
    shared_place.tamper("UPDATE schema_version SET version = 99")
    with pytest.raises(JournalError) as caught:
        open_journal(shared_place.address)
    assert caught.value.code == "journal_version"
    assert "version 99" in caught.value.message


def test_half_a_journal_is_refused(shared_place: Place) -> None:
    shared_place.open()
    shared_place.tamper("DROP TABLE snapshots")
    with pytest.raises(JournalError) as caught:
        open_journal(shared_place.address)
    assert caught.value.code == "not_a_journal"


def test_many_may_open_a_new_journal_at_the_same_moment(shared_place: Place) -> None:
    with ThreadPoolExecutor(6) as pool:
        journals = list(pool.map(lambda _: shared_place.open(), range(6)))
    assert [journal.check() for journal in journals] == [0] * 6
    assert len({journal.begin_epoch("x") for journal in journals}) == 6


def test_an_open_that_must_find_one_makes_none(shared_place: Place) -> None:
    with pytest.raises(JournalError) as caught:
        open_journal(shared_place.address, must_exist=True)
    assert caught.value.code == "journal_not_found"
    shared_place.open()
    open_journal(shared_place.address, must_exist=True).close()


def test_a_closed_journal_says_so_and_may_be_closed_again(place: Place) -> None:
    journal = place.open()
    journal.close()
    journal.close()
    with pytest.raises(JournalError) as caught:
        journal.begin_epoch("one")
    assert caught.value.code == "journal_closed"


def test_its_address_is_shown_without_a_password(place: Place) -> None:
    shown = place.open().address
    assert "secret" not in shown
    assert "options" not in shown


# Against a plain list.


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


class JournalMachine(RuleBasedStateMachine):
    """Everything that can be done to a journal, beside a list that does the same."""

    make_place: Callable[[], Place]

    @initialize()
    def open(self) -> None:
        self.place = self.make_place()
        self.journal = self.place.open()
        self.epochs: list[int] = []
        self.entries: list[tuple[int, str]] = []
        self.requests: dict[str, tuple[int, str]] = {}
        self.answers: dict[int, str] = {}
        self.snapshot: Snapshot | None = None

    @rule()
    def begin(self) -> None:
        epoch = self.journal.begin_epoch("somebody")
        assert epoch > max(self.epochs, default=0)
        self.epochs.append(epoch)

    @precondition(lambda self: self.epochs)
    @rule(
        bodies=st.lists(TEXTS, max_size=4),
        answers=st.lists(st.tuples(st.integers(0, 5), st.sampled_from("xyz")), max_size=2),
    )
    def append(self, bodies: list[str], answers: list[tuple[int, str]]) -> None:
        known = [request for request, _ in self.requests.values()]
        chosen = [(known[index % len(known)], answer) for index, answer in answers if known]
        last = self.journal.append(self.epochs[-1], bodies, answers=chosen)
        self.entries += [(self.epochs[-1], body) for body in bodies]
        for request, answer in chosen:
            self.answers.setdefault(request, answer)
        assert last == len(self.entries)

    @precondition(lambda self: len(self.epochs) > 1)
    @rule(age=st.integers(0, 5))
    def append_too_late(self, age: int) -> None:
        old = self.epochs[age % (len(self.epochs) - 1)]
        with pytest.raises(JournalFenced):
            self.journal.append(old, ["late"])

    @rule(token=st.sampled_from("abcd"), body=st.sampled_from(["one", "two"]))
    def ask(self, token: str, body: str) -> None:
        known = self.requests.get(token)
        if known is not None and known[1] != body:
            with pytest.raises(TokenTaken):
                self.journal.ask(body, token=token)
            return
        request = self.journal.ask(body, token=token)
        assert known is None or known[0] == request
        self.requests[token] = (request, body)

    @precondition(lambda self: self.epochs)
    @rule(share=st.floats(0, 1))
    def keep_snapshot(self, share: float) -> None:
        sequence = round(share * len(self.entries))
        snapshot = Snapshot(sequence=sequence, body=f"of {sequence}")
        self.journal.keep_snapshot(self.epochs[-1], snapshot)
        if self.snapshot is None or sequence >= self.snapshot.sequence:
            self.snapshot = snapshot

    @precondition(lambda self: self.place.address != ":memory:")
    @rule()
    def open_again(self) -> None:
        self.journal.close()
        self.journal = self.place.open()

    @invariant()
    def it_holds_what_the_list_holds(self) -> None:
        if not hasattr(self, "journal"):
            return
        found = list(self.journal.read())
        assert [(entry.epoch, entry.body) for entry in found] == self.entries
        assert [entry.sequence for entry in found] == list(range(1, len(found) + 1))
        assert self.journal.check() == len(self.entries)
        assert self.journal.latest_snapshot() == self.snapshot
        waiting = sorted(pair for pair in self.requests.values() if pair[0] not in self.answers)
        assert [(asked.request, asked.body) for asked in self.journal.asked()] == waiting
        assert {request: self.journal.answer_to(request) for request in self.answers} == self.answers

    def teardown(self) -> None:
        with suppress(AttributeError):
            self.place.close()


@pytest.mark.parametrize(
    ("kind", "examples"),
    [("memory", 15), ("file", 8), pytest.param("postgresql", 20, marks=pytest.mark.slow)],
)
def test_it_behaves_like_a_list(
    kind: str, examples: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    class Machine(JournalMachine):
        def make_place(self) -> Place:
            return place_of(kind, request, tmp_path / secrets.token_hex(6))

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_it_is_known_when_a_run_of_the_farm_began(place: Place) -> None:
    journal = place.open()
    before = time.time()
    epoch = journal.begin_epoch("one")
    began_at = journal.epoch_began_at(epoch)
    assert began_at is not None
    assert before <= began_at <= time.time()
    assert journal.epoch_began_at(epoch + 1) is None
