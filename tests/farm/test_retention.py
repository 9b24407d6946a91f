"""A segment lives while something in the store names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_stages import FakeStages, Fault
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.retention import folder_of_render, sweep
from infra.settings import FarmSettings
from infra.storage import ObjectStore, open_store
from infra.storage.memory import MemoryStore
from jobs.errors import StoreError
from jobs.manifest import Manifest
from jobs.plan import inspection_key
from jobs.segment_link import SegmentLink

SEGMENT_NUMBERS = st.sets(st.integers(0, 7))


def key_of(number: int, *, owner: str = "north") -> str:
    return f"segments/{owner}/{number:02x}/{number:02x}{'0' * 62}.mp4"


def segments(store: ObjectStore) -> set[str]:
    return {key for key in store.list("segments/") if key.endswith(".mp4")}


@given(held=SEGMENT_NUMBERS, renders=st.lists(SEGMENT_NUMBERS, max_size=4), data=st.data())
@settings(deadline=None, max_examples=60)
def test_what_stays_is_what_is_named_by_renders_that_nobody_let_go_of(
    held: set[int], renders: list[set[int]], data: st.DataObject
) -> None:
    store = MemoryStore()
    # One more: a render that died before its commit left it.
    for number in {*held, 9}:
        store.put_if_absent(inspection_key(key_of(number)), b"{}")
    for number in held:
        store.put_if_absent(key_of(number), b"pixels")
    folders = []
    for index, linked in enumerate(renders):
        folders.append(folder_of_render("north", f"demo/job-{index}"))
        for number in linked:
            link = SegmentLink(key=key_of(number))
            store.put_if_absent(f"{folders[-1]}0123/take-01/segment-{number:05d}.json", link.to_json())
    kept = {index for index, linked in enumerate(renders) if linked and data.draw(st.booleans())}
    let_go = [folder for index, folder in enumerate(folders) if renders[index] and index not in kept]
    wanted = {key_of(number) for index in kept for number in renders[index] & held}

    rehearsed = sweep(store, let_go=let_go, is_rehearsal=True)
    assert segments(store) == {key_of(number) for number in held}, "a rehearsal removes nothing"
    swept = sweep(store, let_go=let_go)
    assert swept == rehearsed
    assert (swept.kept, swept.removed) == (len(wanted), len(held) - len(wanted))
    assert segments(store) == wanted
    assert {key for key in store.list("segments/") if key not in wanted} == {
        inspection_key(key) for key in wanted
    }
    assert sweep(store).removed == 0


@pytest.mark.parametrize(
    ("name", "code"), [("segment-00000.json", "bad_link"), ("manifest.json", "bad_manifest")]
)
def test_nothing_is_removed_while_what_may_name_segments_cannot_be_read(name: str, code: str) -> None:
    store = MemoryStore()
    store.put_if_absent(key_of(1), b"pixels")
    store.put_if_absent(
        f"renders/north/demo/hello/0123/take-01/{name}", b'{"schema_version": "of a later farm"}'
    )
    with pytest.raises(StoreError) as caught:
        sweep(store)
    assert caught.value.code == code
    assert segments(store) == {key_of(1)}


def test_letting_go_of_what_was_never_rendered_is_refused_and_removes_nothing() -> None:
    store = MemoryStore()
    store.put_if_absent(key_of(1), b"pixels")
    with pytest.raises(StoreError) as caught:
        sweep(store, let_go=[folder_of_render("north", "demo/helo")])
    assert (caught.value.code, caught.value.where) == ("nothing_rendered_there", "renders/north/demo/helo/")
    assert segments(store) == {key_of(1)}


def test_a_render_that_is_kept_needs_none_of_its_segments_again(
    write_speech: Any, make_job: Any, render: Any, stages: FakeStages, settings: FarmSettings
) -> None:
    write_speech(seconds=6.0)
    render(make_job("one"))
    write_speech(seconds=9.0)
    two = render(make_job("two", output={"uri": "two/hello.mp4"}))
    rendered, store = stages.noted("render-"), open_store(settings.store)
    used = {each.key for each in Manifest.from_json(Path(two.takes[0].manifest).read_bytes()).segments}
    assert segments(store) > used
    swept = sweep(store, let_go=[folder_of_render("default", "tests/one")])
    assert swept.removed > 0
    assert segments(store) == used
    again = render(make_job("two", output={"uri": "two/hello.mp4"}))
    assert again.takes == two.takes
    assert stages.noted("render-") == rendered


def test_a_render_that_broke_off_keeps_what_it_committed(
    write_speech: Any, make_job: Any, render: Any, stages: FakeStages, settings: FarmSettings, tmp_path: Path
) -> None:
    write_speech(seconds=8.0)
    broken = FakeStages.in_folder(
        tmp_path / "broken", faults=(Fault(stage="render", frame=100, kind="interrupt"),)
    )
    with pytest.raises(KeyboardInterrupt):
        render(make_job(), stages=broken)
    store = open_store(settings.store)
    before = segments(store)
    assert before
    assert sweep(store).removed == 0
    assert segments(store) == before
    assert render(make_job()).segments_found == len(before)
