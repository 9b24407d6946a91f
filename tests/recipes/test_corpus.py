from __future__ import annotations

from pathlib import Path

from recipes.corpus import corpus_clips


def test_the_corpus_names_every_clip_once():
    paths = [clip.path for clip in corpus_clips()]
    assert len(paths) == len(set(paths)) > 0


def test_no_two_clips_share_a_folder_of_tracks(tmp_path: Path):
    folders = [clip.folder(tmp_path) for clip in corpus_clips()]
    assert len(folders) == len(set(folders))
    assert all(folder.is_relative_to(tmp_path) for folder in folders)


def test_there_are_clips_to_learn_from_and_clips_to_judge_by():
    held_out = {clip.held_out for clip in corpus_clips()}
    assert held_out == {True, False}


def test_a_held_out_speaker_is_never_trained_on():
    held_out, trained = (
        {clip.speaker for clip in corpus_clips() if clip.held_out is flag} for flag in (True, False)
    )
    assert not held_out & trained


def test_lags_are_tenths_of_frames_within_a_quarter_second():
    assert all(clip.lag == round(clip.lag, 1) and abs(clip.lag) <= 6 for clip in corpus_clips())
    assert any(clip.lag != round(clip.lag) for clip in corpus_clips())


def test_every_clip_is_among_the_research_material(data: Path):
    assert [clip.path for clip in corpus_clips() if not (data / clip.path).is_file()] == []
