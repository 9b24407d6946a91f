"""Masters with gaps: real segments, real stitching, real decoding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from fake_stages import FakeStages, read_barcode

from farm.finishing import Finisher
from farm.preparation import gather_cast, make_plan, prepare_job, read_job_speech
from farm.render_report import FinishedTake
from infra.settings import FarmSettings
from infra.storage import open_store
from jobs.errors import Cancelled, RenderError
from jobs.manifest import Manifest

FRAMES = 125  # two segments of 50, one of 25


def shown(path: str) -> list[int]:
    """The frame that each picture of a video says it is."""
    with av.open(path) as container:
        return [read_barcode(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def heard(path: str) -> np.ndarray:
    with av.open(path) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


@pytest.fixture
def finish(write_speech: Any, make_job: Any, render: Any, settings: FarmSettings, stages: FakeStages) -> Any:
    """Finishes the job `gappy`, whose segments were all rendered, without some of them."""
    write_speech(seconds=FRAMES / 25)
    whole = render(make_job())
    segments = Manifest.from_json(Path(whole.takes[0].manifest).read_bytes()).segments
    loaded = make_job("gappy", output={"uri": "out/gappy.mp4"})
    cast = gather_cast(loaded, stages=stages, cache=settings.cache)
    speech = read_job_speech(cast)
    plan = make_plan(loaded, cast=cast, frame_count=speech.frame_count, device_kind="cpu test")
    store = open_store(settings.store)
    finisher = Finisher(loaded=loaded, plan=plan, cast=cast, speech=speech, store=store)

    def run(*filled: int, is_stopped: Callable[[], bool] = bool) -> FinishedTake:
        kept = [record for record in segments if record.index not in filled]
        return replace(finisher, is_stopped=is_stopped).finish(take=1, segments=kept, filled=filled)

    return run


@pytest.mark.parametrize(
    ("filled", "stands_still"),
    [
        ((0, 2), {range(50): 50, range(100, 125): 99}),
        ((1, 2), {range(50, 125): 49}),
    ],
    ids=str,
)
def test_a_gap_shows_the_frame_beside_it(
    finish: Any, filled: tuple[int, ...], stands_still: dict[range, int]
) -> None:
    take = finish(*filled)
    wanted = list(range(FRAMES))
    for frames, still in stands_still.items():
        for frame in frames:
            wanted[frame] = still
    assert shown(take.master) == wanted


def test_the_sound_goes_on_through_a_gap(finish: Any) -> None:
    whole = heard(finish().master)
    np.testing.assert_array_equal(whole, heard(finish(0, 2).master))


def test_the_manifest_names_every_frame_that_stands_still(finish: Any) -> None:
    manifest = Manifest.from_json(Path(finish(0, 2).manifest).read_bytes())
    told = [(gap.index, gap.first_frame, gap.frame_count, gap.shown_frame) for gap in manifest.filled]
    assert told == [(0, 0, 50, 50), (2, 100, 25, 99)]
    assert [segment.index for segment in manifest.segments] == [1]
    pieces = sorted(
        (piece.first_frame, piece.frame_count) for piece in (*manifest.segments, *manifest.filled)
    )
    assert sum(count for _, count in pieces) == FRAMES == manifest.master.frame_count


def test_a_master_with_a_gap_never_stands_in_for_the_whole_one(finish: Any, settings: FarmSettings) -> None:
    with_gap, again, whole = finish(1), finish(1), finish()
    assert with_gap.sha256 == again.sha256 != whole.sha256
    manifest = Manifest.from_json(Path(whole.manifest).read_bytes())
    assert manifest.filled == []
    masters = [key for key in open_store(settings.store).list() if "/gappy/" in key and "/master" in key]
    assert len(masters) == 2


def test_a_take_without_any_segment_cannot_be_filled(finish: Any, tmp_path: Path) -> None:
    with pytest.raises(RenderError) as caught:
        finish(0, 1, 2)
    assert caught.value.code == "nothing_rendered"
    # The job has failed by then: it cannot be requeued or cancelled, and a retry keeps what was waived.
    assert caught.value.hint.startswith("submit the job again")
    assert not (tmp_path / "out" / "gappy.mp4").exists()


def test_segments_that_are_neither_there_nor_filled_are_a_bug(finish: Any) -> None:
    with pytest.raises(ValueError, match="those of the plan"):
        finish(7)


def test_a_master_with_gaps_that_has_no_manifest_yet_is_still_the_farm_s_own(
    finish: Any, make_job: Any, settings: FarmSettings, stages: FakeStages
) -> None:
    take = finish(1)
    Path(take.manifest).unlink()
    loaded = make_job("gappy", output={"uri": "out/gappy.mp4"})
    cast = gather_cast(loaded, stages=stages, cache=settings.cache)
    speech = read_job_speech(cast)
    prepare_job(loaded, cast=cast, speech=speech, store=open_store(settings.store), device_kind="cpu test")


def test_a_master_that_nobody_wants_any_more_gets_no_name(finish: Any, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        finish(1, is_stopped=lambda: True)
    assert not (tmp_path / "out" / "gappy.mp4").exists()
