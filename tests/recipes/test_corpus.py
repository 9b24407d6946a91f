from __future__ import annotations

from pathlib import Path

from recipes.corpus import corpus_clips, performer_of, study_clips


def test_the_corpus_names_every_clip_once():
    paths = [clip.path for clip in corpus_clips()]
    assert len(paths) == len(set(paths)) > 0


def test_no_two_clips_share_a_folder_of_tracks(tmp_path: Path):
    folders = [clip.folder(tmp_path) for clip in (*corpus_clips(), *study_clips())]
    assert len(folders) == len(set(folders))
    assert all(folder.is_relative_to(tmp_path) for folder in folders)


def test_there_are_clips_to_learn_from_and_clips_to_judge_by():
    held_out = {clip.held_out for clip in corpus_clips()}
    assert held_out == {True, False}


def test_a_held_out_performance_is_never_trained_on():
    held_out, trained = (
        {performer_of(clip.speaker) for clip in corpus_clips() if clip.held_out is flag}
        for flag in (True, False)
    )
    assert not held_out & trained


def test_a_digital_actor_is_the_one_who_drove_it():
    assert performer_of("actor-a") == performer_of("s01") == "s01"
    assert performer_of("nobody-1") == "nobody-1"


def test_what_measures_shares_no_performance_with_what_trains_or_chooses():
    measured, others = (
        {performer_of(clip.speaker) for clip in clips} for clips in (study_clips(), corpus_clips())
    )
    assert measured
    assert not measured & others
    assert not {clip.path for clip in study_clips()} & {clip.path for clip in corpus_clips()}
    assert not any(clip.path.startswith("video_study") for clip in corpus_clips())


def test_the_study_is_of_several_languages():
    assert len({clip.language for clip in study_clips()}) > 3


def test_lags_are_tenths_of_frames_within_a_quarter_second():
    clips = (*corpus_clips(), *study_clips())
    assert all(clip.lag == round(clip.lag, 1) and abs(clip.lag) <= 8 for clip in clips)
    assert any(clip.lag != round(clip.lag) for clip in corpus_clips())


def test_every_clip_is_among_the_research_material(data: Path):
    clips = (*corpus_clips(), *study_clips())
    assert [clip.path for clip in clips if not (data / clip.path).is_file()] == []
