"""Which frames may be learnt from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages.errors import SubjectError
from stages.subject.reference import reference_candidates
from stages.subject.template import Template
from stages.subject.tracks import ClipTracks
from stages.training.renderer_config import RendererTraining
from stages.training.renderer_data import RendererClip, RendererSampler
from stages.training.trainer import Workers
from stages.video.unfit import Unfit, UnfitFrames, fit_frames, fit_runs, joined, within
from tests.stages.prepared_clip import clip_tracks, save_with_pictures


def lost(start: int, stop: int, reason: str = Unfit.LOST) -> UnfitFrames:
    return UnfitFrames(start=start, stop=stop, reason=reason)


def test_what_is_fit_lies_between_what_is_not():
    spans = (lost(2, 4), lost(3, 6, Unfit.FROZEN), lost(9, 20))
    assert fit_runs(spans, start=0, stop=12) == [range(2), range(6, 9)]
    assert fit_frames(spans, start=1, stop=8) == [1, 6, 7]
    assert fit_runs((), start=3, stop=7) == [range(3, 7)]
    assert fit_runs(spans, start=2, stop=6) == []


def test_spans_that_touch_are_one_and_a_part_counts_from_its_own_start():
    assert joined([lost(5, 6), lost(1, 3), lost(3, 4), lost(4, 5, Unfit.DAMAGED)]) == (
        lost(1, 4),
        lost(4, 5, Unfit.DAMAGED),
        lost(5, 6),
    )
    assert within((lost(1, 4), lost(8, 30)), start=3, stop=10) == (lost(0, 1), lost(5, 7))


def with_unfit(tracks: ClipTracks, *spans: UnfitFrames) -> ClipTracks:
    return replace(tracks, facts=replace(tracks.facts, unfit=spans))


def test_unfit_frames_come_back_from_disk_and_tracks_without_them_are_read(tmp_path: Path):
    spans = (lost(3, 5), lost(9, 10, Unfit.FROZEN))
    with_unfit(clip_tracks(12), *spans).save(tmp_path)
    assert ClipTracks.load(tmp_path).facts.unfit == spans
    facts = tmp_path / "clip.json"
    facts.write_text(facts.read_text().replace('"start": 3', '"start": "3"'))
    with pytest.raises(SubjectError, match="clip_not_prepared"):
        ClipTracks.load(tmp_path)


def test_template_and_reference_leave_unfit_frames_out():
    tracks = clip_tracks(40)
    mesh_TN3 = tracks.canonical_TN3.copy()
    mesh_TN3[10:20] += 50
    spoilt = with_unfit(replace(tracks, canonical_TN3=mesh_TN3), lost(10, 20))
    np.testing.assert_allclose(
        Template.from_clips([spoilt]).mesh_N3, Template.from_clips([tracks]).mesh_N3, atol=1e-3
    )
    candidates_K, cost_K = reference_candidates(spoilt, stop=40)
    assert not set(candidates_K.tolist()) & set(range(10, 20))
    assert np.isfinite(cost_K).all()


def test_the_renderer_never_draws_an_unfit_frame(tmp_path: Path):
    tracks = save_with_pictures(tmp_path, frames=40)
    config = replace(RendererTraining.preset("cpu"), batch_size=4)
    for spans, allowed in (((lost(0, 10), lost(12, 34)), {10, 11}), ((), set(range(34)))):
        with_unfit(tracks, *spans).save(tmp_path)
        sampler = RendererSampler([RendererClip(tmp_path, config=config)], config=config)
        drawn = {
            int(frame)
            for step in range(60)
            for frame in sampler.draw(step, workers=Workers(rank=0, count=1)).frames_B
        }
        assert drawn == allowed


def test_a_clip_with_nothing_to_learn_from_is_refused(tmp_path: Path):
    with_unfit(save_with_pictures(tmp_path, frames=20), lost(0, 17)).save(tmp_path)
    config = RendererTraining.preset("cpu")
    with pytest.raises(SubjectError, match="clip_unfit"):
        RendererSampler([RendererClip(tmp_path, config=config)], config=config)
