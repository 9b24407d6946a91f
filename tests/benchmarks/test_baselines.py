from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from prepared_clip import clip_tracks, numbers_of, save_with_pictures

from benchmarks.baselines.drawing import Baseline, BaselineStudio, nearest_frames
from benchmarks.baselines.make import write_baseline
from benchmarks.baselines.spoken_end import SpokenEnd
from stages.builtin import builtin_subject, builtin_weights
from stages.errors import SubjectError
from stages.subject.package import SubjectPackage


def test_an_end_is_what_training_did_not_see(tmp_path: Path) -> None:
    tracks = save_with_pictures(tmp_path, frames=20)
    end = SpokenEnd.of(tmp_path)
    assert (end.seen.frame_count, end.frame_count) == (17, 3)
    assert numbers_of(np.stack(list(end.pictures(size=64)))) == [17, 18, 19]
    assert len(end.tracks.speech_S) == 3 * 640
    nod_T = end.motion.head_TC[:, 1]
    np.testing.assert_allclose(nod_T, tracks.head_T7[17:, 1] - tracks.head_T7[:17, 1].mean(), atol=1e-5)


def test_a_clip_that_says_where_its_training_ended_is_believed(tmp_path: Path) -> None:
    clip_tracks(20, trained_frames=12).save(tmp_path)
    assert SpokenEnd.of(tmp_path).frame_count == 8


def test_a_folder_without_a_clip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SubjectError, match="clip_not_prepared"):
        SpokenEnd.of(tmp_path)


def test_the_nearest_frame_sounds_alike_and_so_do_its_neighbours() -> None:
    seen_KD = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    # The same sound in the middle of other sounds: its neighbours tell the two places apart.
    seen_KD[40] = seen_KD[20]
    said_TD = np.concatenate([seen_KD[34:47], seen_KD[14:27]]) * np.float32(1.0001)
    nearest_T = nearest_frames(said_TD, seen_KD)
    assert nearest_T[6] == 40
    assert nearest_T[13 + 6] == 20
    assert list(nearest_T[3:10]) == list(range(37, 44))


def test_a_loud_feature_does_not_drown_the_others() -> None:
    seen_KD = np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32)
    scales_D = np.array([1, 1000, 1, 1], np.float32)
    said_TD = seen_KD[10:20] + np.float32(0.01)
    np.testing.assert_array_equal(
        nearest_frames(said_TD * scales_D, seen_KD * scales_D), nearest_frames(said_TD, seen_KD)
    )


def test_every_baseline_shows_the_subject_for_as_long_as_the_words_take(tmp_path: Path) -> None:
    own = save_with_pictures(tmp_path / "own", frames=20)
    noise_S = np.random.default_rng(2).normal(scale=0.1, size=own.speech_S.shape).astype(np.float32)
    replace(own, speech_S=noise_S).save(tmp_path / "other")
    spoken, other = SpokenEnd.of(tmp_path / "own"), SpokenEnd.of(tmp_path / "other")
    studio = BaselineStudio(
        SubjectPackage.load(builtin_subject("actor-a")), own=spoken, moda=builtin_weights("moda")
    )
    drawn = {name: np.stack(list(studio.draw(name, spoken, other=other))) for name in Baseline}
    assert {frames.shape for frames in drawn.values()} == {(3, studio.size, studio.size, 3)}
    still_THW3 = drawn[Baseline.STILL_PICTURE]
    assert (still_THW3 == still_THW3[0]).all()
    assert numbers_of(drawn[Baseline.GROUND_TRUTH]) == [17, 18, 19]
    assert (drawn[Baseline.OURS] != drawn[Baseline.SHUFFLED_SPEECH]).any()
    others_words = np.stack(list(studio.draw(Baseline.OURS, other, other=spoken)))
    np.testing.assert_array_equal(drawn[Baseline.SHUFFLED_SPEECH], others_words)
    # The clip's mouth keeps still, so its mean and its nearest neighbours are one, but for rounding.
    apart = drawn[Baseline.MEAN_MOUTH].astype(int) - drawn[Baseline.NEAREST_MOUTH]
    assert np.abs(apart).max() <= 1


def test_a_video_holds_the_frames_and_the_sound(tmp_path: Path) -> None:
    frames = [np.full((256, 256, 3), 3 * frame, np.uint8) for frame in range(60)]
    tone_S = 0.3 * np.sin(np.arange(60 * 640) * 0.1).astype(np.float32)
    write_baseline(tmp_path / "deep" / "a.mp4", iter(frames), speech_S=tone_S, title="a test")
    with av.open(str(tmp_path / "deep" / "a.mp4")) as video:
        assert video.metadata["title"] == "a test"
        assert sum(1 for _ in video.decode(video=0)) == 60
        video.seek(0)
        heard = sum(frame.samples / frame.sample_rate for frame in video.decode(audio=0))
    assert abs(heard - 60 / 25) < 0.1
