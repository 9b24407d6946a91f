"""An edit renders what it changed: whole renders in one process, in a store that holds what was rendered before."""

from __future__ import annotations

import shutil
import wave
from collections.abc import Callable
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_stages import FakeStages, Fault
from test_rendering import DyingPools

from farm.config import PoolSizes
from farm.render_report import RenderReport
from farm.scheduling.units import Stage, Unit
from infra.settings import FarmSettings
from infra.storage import open_store
from infra.storage.folder import FolderStore
from jobs.errors import SegmentDivergence, SegmentRejected
from jobs.manifest import Manifest, SegmentRecord
from jobs.segment_link import SegmentLink

SECONDS = 16
SEGMENTS = 8
RATE = 16_000

Speak = Callable[..., None]


@pytest.fixture
def speak(write_speech: Any) -> Speak:
    """Writes a recording of 16 s; a word of it, longer speech, or all of it made louder on request."""

    def write(*, word_at_s: float | None = None, seconds: int = SECONDS, louder: float = 1.0) -> None:
        path: Path = write_speech(seconds=seconds)
        with wave.open(str(path), "rb") as file:
            parameters, samples_S = file.getparams(), np.frombuffer(file.readframes(-1), "<i2").copy()
        if word_at_s is not None:
            samples_S[round(word_at_s * RATE) : round((word_at_s + 0.4) * RATE)] //= 2
        with wave.open(str(path), "wb") as file:
            file.setparams(parameters)
            file.writeframes((samples_S * louder).astype("<i2").tobytes())

    write()
    return write


def manifest(report: RenderReport) -> Manifest:
    return Manifest.from_json(Path(report.takes[0].manifest).read_bytes())


def rendered(report: RenderReport) -> list[int]:
    """Segments that the manifest does not say were found."""
    return [segment.index for segment in manifest(report).segments if not segment.found]


def bytes_of(report: RenderReport) -> list[tuple[str, str]]:
    return [(segment.key, segment.sha256) for segment in manifest(report).segments]


def in_an_empty_store(render: Any, job: Any, tmp_path: Path, name: str = "fresh") -> RenderReport:
    report: RenderReport = render(
        job, settings=FarmSettings(store=str(tmp_path / name), cache=tmp_path / "cache")
    )
    return report


def test_a_word_changed_at_the_same_length_renders_the_segments_it_changed(
    speak: Speak, make_job: Any, render: Any, stages: FakeStages, tmp_path: Path
) -> None:
    before = render(make_job())
    assert rendered(before) == list(range(SEGMENTS))
    kept = bytes_of(before)
    speak(word_at_s=7.0)
    edit = render(make_job())
    assert edit.plan_hash != before.plan_hash
    assert rendered(edit) == [3]
    assert (edit.segments_found, edit.segments_total) == (SEGMENTS - 1, SEGMENTS)
    assert [old == new for old, new in zip(kept, bytes_of(edit), strict=True)] == [
        index != 3 for index in range(SEGMENTS)
    ]
    assert stages.noted("render-") == SEGMENTS + 1
    whole = in_an_empty_store(render, make_job(output={"uri": "whole/hello.mp4"}), tmp_path)
    assert whole.takes[0].sha256 == edit.takes[0].sha256, "found or rendered, the master is the same"


@pytest.mark.parametrize(("word_at_s", "segments"), [(7.24, [3]), (7.28, [3, 4])])
def test_an_edit_renders_what_changed_and_what_looks_at_it(
    speak: Speak, make_job: Any, render: Any, tmp_path: Path, word_at_s: float, segments: list[int]
) -> None:
    """A word from frame 181 or 182 on changes faces up to 197 or 198; segment 4, from 200 on, looks at 198 and 199."""
    render(make_job())
    speak(word_at_s=word_at_s)
    edit = render(make_job())
    assert rendered(edit) == segments
    whole = in_an_empty_store(render, make_job(output={"uri": "whole/hello.mp4"}), tmp_path)
    assert bytes_of(whole) == bytes_of(edit)


def test_two_replicas_and_losses_among_them_change_no_byte_of_an_edit(
    speak: Speak, make_job: Any, render: Any, stages: FakeStages, tmp_path: Path
) -> None:
    render(make_job())
    speak(word_at_s=7.0)
    losses = {Unit(1, 1, Stage.MOTION): 1, Unit(1, 2, Stage.FACE): 1, Unit(1, 3, Stage.RENDER): 1}
    pools = DyingPools(stages=stages, losses=losses)
    edit = render(make_job(), pools=PoolSizes(render=2), open_backend=lambda: nullcontext(pools))
    assert rendered(edit) == [3]
    whole = in_an_empty_store(render, make_job(output={"uri": "whole/hello.mp4"}), tmp_path)
    assert bytes_of(whole) == bytes_of(edit)


def test_a_speech_that_grows_at_its_end_renders_its_new_end(
    speak: Speak, make_job: Any, render: Any, stages: FakeStages
) -> None:
    render(make_job())
    speak(seconds=SECONDS + 4)
    longer = render(make_job())
    # A window begins at frame 300 now, and the smoothing of faces hears of it four frames before.
    assert rendered(longer) == list(range(5, SEGMENTS + 2))
    assert stages.noted("render-") == SEGMENTS + len(rendered(longer))


def test_an_edit_that_names_the_gain_of_the_media_account_keeps_it(
    speak: Speak, make_job: Any, render: Any
) -> None:
    before = render(make_job())
    gain_db = manifest(before).speech.media.found["sound"]["level"]["gain_db"]
    speak(word_at_s=7.0, louder=0.4)
    # All of it is quieter now, as where a word was shouted: its own gain is another, and every frame is heard anew.
    own = render(make_job("own"))
    assert manifest(own).speech.media.found["sound"]["level"]["gain_db"] != gain_db
    assert rendered(own) == list(range(SEGMENTS))
    speak(word_at_s=7.0)
    named = render(make_job("named", speech={"uri": "hello.wav", "gain_db": gain_db}))
    assert rendered(named) == [3]


def test_other_names_projects_and_masters_share_what_is_drawn_alike(
    speak: Speak, make_job: Any, render: Any, stages: FakeStages
) -> None:
    first = render(make_job())
    second = render(make_job("other", output={"uri": "other/hello.mp4"}))
    assert bytes_of(second) == bytes_of(first)
    assert rendered(second) == []
    assert stages.noted("render-") == SEGMENTS


def test_a_run_that_is_repeated_makes_no_motion_again_and_says_the_same_of_what_was_found(
    speak: Speak, make_job: Any, render: Any, stages: FakeStages
) -> None:
    render(make_job())
    speak(word_at_s=7.0)
    said = manifest(render(make_job()))
    windows = stages.noted("motion-")
    assert manifest(render(make_job())) == said
    assert stages.noted("motion-") == windows


def links(settings: FarmSettings) -> list[str]:
    return [key for key in open_store(settings.store).list("renders/") if "/segment-" in key]


def test_a_segment_whose_link_is_lost_is_found_by_its_faces(
    speak: Speak, make_job: Any, render: Any, stages: FakeStages, settings: FarmSettings
) -> None:
    first = render(make_job())
    for key in links(settings)[2:4]:
        open_store(settings.store).delete(key)
    again = render(make_job())
    assert bytes_of(again) == bytes_of(first)
    assert stages.noted("render-") == SEGMENTS
    assert len(links(settings)) == SEGMENTS


def test_a_link_whose_segment_was_never_committed_counts_for_nothing(
    speak: Speak, make_job: Any, render: Any, stages: FakeStages, settings: FarmSettings
) -> None:
    first = render(make_job())
    open_store(settings.store).delete(manifest(first).segments[5].key)
    again = render(make_job())
    assert again.segments_found == SEGMENTS - 1
    assert bytes_of(again) == bytes_of(first)
    assert rendered(again) == list(range(SEGMENTS)), "it is this plan that rendered all of them"
    assert stages.noted("render-") == SEGMENTS + 1


def test_faces_that_differ_from_an_earlier_attempts_raise_the_alarm(
    speak: Speak, make_job: Any, render: Any, settings: FarmSettings
) -> None:
    segment = manifest(render(make_job())).segments[5]
    store, link = open_store(settings.store), links(settings)[5]
    store.delete(link)
    store.delete(segment.key)
    other = SegmentLink(key=f"segments/default/00/{'0' * 64}.mp4")
    store.put_if_absent(link, other.to_json())
    with pytest.raises(SegmentDivergence) as caught:
        render(make_job())
    assert (caught.value.code, caught.value.retry.value) == ("segment_divergence", "never")
    assert "posed faces differ" in caught.value.message
    assert SegmentLink.from_json(store.get(link), where=link) == other, "what was written first stays"


def test_a_flagged_segment_of_another_plan_is_found_under_warn_alone(
    make_job: Any, render: Any, write_speech: Any, tmp_path: Path
) -> None:
    write_speech()
    stages = FakeStages.in_folder(
        tmp_path / "flawed", faults=(Fault(stage="render", frame=50, kind="black", times=2),)
    )
    warn, fail = ({"inspection": {"policy": policy}} for policy in ("warn", "fail"))

    def flagged(report: RenderReport) -> list[int]:
        segments: list[SegmentRecord] = manifest(report).segments
        return [each.index for each in segments if each.inspection is not None and each.inspection.flagged]

    assert flagged(render(make_job("one", **warn), stages=stages)) == [1]
    assert flagged(render(make_job("two", **warn), stages=stages)) == [1]
    assert stages.noted("render-") == 2
    with pytest.raises(SegmentRejected, match="black_frames"):
        render(make_job("three", **fail), stages=stages)
    assert stages.noted("render-") == 3, "it was rendered again, and judged by the policy of its own job"


def test_segments_of_stores_before_keys_by_content_are_rendered_again_and_left_alone(
    speak: Speak, make_job: Any, render: Any, stages: FakeStages, settings: FarmSettings
) -> None:
    store = open_store(settings.store)
    old = "renders/tests/hello/0123456789abcdef/take-01/segment-00000.mp4"
    store.put_if_absent(old, b"as an earlier version kept it")
    assert rendered(render(make_job())) == list(range(SEGMENTS))
    assert store.get(old) == b"as an earlier version kept it"


class Dies:
    """Ends the process, as far as a test can, before or after one of the writes to the store."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.puts: list[str] = []
        self.die_at: tuple[int, bool] | None = None
        put = FolderStore.put_if_absent

        def put_or_die(store: FolderStore, key: str, *arguments: Any, **options: Any) -> Any:
            number = len(self.puts)
            self.puts.append(key)
            if self.die_at == (number, False):
                raise KeyboardInterrupt
            outcome = put(store, key, *arguments, **options)
            if self.die_at == (number, True):
                raise KeyboardInterrupt
            return outcome

        monkeypatch.setattr(FolderStore, "put_if_absent", put_or_die)


def test_a_render_that_dies_at_any_write_goes_on_to_the_same_master_and_manifest(
    speak: Speak,
    make_job: Any,
    render: Any,
    settings: FarmSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    speak(seconds=6)
    render(make_job())
    speak(seconds=6, word_at_s=2.8)
    before, out, dies = tmp_path / "before", tmp_path / "out" / "hello.mp4", Dies(monkeypatch)
    shutil.copytree(settings.store, before)

    def started_anew() -> FakeStages:
        shutil.rmtree(settings.store)
        shutil.copytree(before, settings.store)
        out.unlink()
        dies.puts.clear()
        return FakeStages.in_folder(tmp_path / f"stages-{dies.die_at}")

    calm = render(make_job(), stages=started_anew())
    said, puts = manifest(calm).to_json(), len(dies.puts)
    assert rendered(calm) == [1]
    assert puts == 2 + 3 + 2, "two links; inspection, link and segment; master and manifest"
    for number, is_after in product(range(puts), (False, True)):
        dies.die_at = (number, is_after)
        stages = started_anew()
        with pytest.raises(KeyboardInterrupt):
            render(make_job(), stages=stages)
        is_committed = manifest(calm).segments[1].key in dies.puts[: number + is_after]
        dies.die_at = None
        again = render(make_job(), stages=stages)
        assert (again.takes[0].sha256, manifest(again).to_json()) == (calm.takes[0].sha256, said)
        assert stages.noted("render-") <= 1 + (not is_committed), "what was committed is not rendered again"
