"""The pictures of a prepared clip: stored nearly lossless, handed out as one array."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from prepared_clip import clip_tracks, numbered_pictures, numbers_of, save_with_pictures

from stages.errors import SubjectError
from stages.subject.frames import (
    FRAMES_FILE,
    FREE_START,
    clip_frames,
    forget_frames,
    stored_count,
    trim_frames,
    write_frames,
)
from stages.video.decoding import read_frames


def test_frame_k_of_the_array_is_frame_k_of_the_video(tmp_path: Path):
    save_with_pictures(tmp_path, frames=15)
    frames_THW3 = clip_frames(tmp_path, size=64)
    assert frames_THW3.shape == (15, 64, 64, 3)
    assert frames_THW3.dtype == np.uint8
    assert numbers_of(frames_THW3) == list(range(15))


def test_the_array_is_mapped_from_disk_and_cannot_be_written(tmp_path: Path):
    save_with_pictures(tmp_path, frames=3)
    frames_THW3 = clip_frames(tmp_path, size=32)
    assert isinstance(frames_THW3, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        frames_THW3[0] = 0


def test_it_is_made_once_for_each_size(tmp_path: Path):
    save_with_pictures(tmp_path, frames=3)
    first = clip_frames(tmp_path, size=32)
    (tmp_path / FRAMES_FILE).unlink()
    np.testing.assert_array_equal(clip_frames(tmp_path, size=32), first)
    assert sorted(path.name for path in tmp_path.glob("*frames*")) == ["frames-32.npy"]


def test_new_pictures_replace_what_was_made_of_the_old(tmp_path: Path):
    save_with_pictures(tmp_path, frames=3)
    clip_frames(tmp_path, size=32)
    forget_frames(tmp_path)
    write_frames(tmp_path / FRAMES_FILE, list(numbered_pictures(6))[3:])
    assert numbers_of(clip_frames(tmp_path, size=32)) == [3, 4, 5]


def test_a_subjects_folder_is_as_good_as_its_clips(tmp_path: Path):
    save_with_pictures(tmp_path / "clip", frames=4)
    assert numbers_of(clip_frames(tmp_path, size=32)) == [0, 1, 2, 3]
    assert (tmp_path / "clip" / "frames-32.npy").is_file()


def test_a_clip_without_pictures_is_read_from_its_source(tmp_path: Path, write_clip):
    source = write_clip("source.mp4", numbered_pictures(12, size=64), fps=Fraction(25))
    folder = tmp_path / "prepared"
    clip_tracks(8, source=str(source), first_frame=2).save(folder)
    tracks = clip_tracks(8)
    assert tracks.frame_count == 8
    # The framing is larger than this source: the whole picture.
    assert numbers_of(clip_frames(folder, size=32)) == list(range(2, 10))


def test_too_few_pictures_are_an_error_and_leave_nothing(tmp_path: Path):
    save_with_pictures(tmp_path, frames=5, pictures=4)
    with pytest.raises(SubjectError) as caught:
        clip_frames(tmp_path, size=32)
    assert caught.value.code == "clip_frames_missing"
    assert not list(tmp_path.glob("*frames-32*"))


def test_a_folder_without_a_prepared_clip_is_refused(tmp_path: Path):
    with pytest.raises(SubjectError) as caught:
        clip_frames(tmp_path, size=32)
    assert caught.value.code == "clip_not_prepared"


def test_stored_pictures_are_nearly_the_originals_in_colour_too(tmp_path: Path):
    rows, columns = np.mgrid[:512, :512]
    # Fine red stripes, which half the chroma would wash out.
    frame_HW3 = np.stack([128 + 100 * (columns // 2 % 2), rows // 4, 200 - columns // 4], axis=-1).astype(
        np.uint8
    )
    write_frames(tmp_path / "a.mp4", [frame_HW3] * 3)
    for stored_HW3 in read_frames(tmp_path / "a.mp4"):
        error_HW3 = stored_HW3.astype(float) - frame_HW3
        assert 10 * np.log10(255**2 / (error_HW3**2).mean()) > 36
        assert np.abs(error_HW3.mean(axis=(0, 1))).max() < 1.0


def test_an_interrupted_video_does_not_pass_for_a_whole_one(tmp_path: Path):
    def broken():
        yield from numbered_pictures(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_frames(tmp_path / FRAMES_FILE, broken())
    assert not (tmp_path / FRAMES_FILE).exists()


@pytest.mark.parametrize("start", [0, 1, 11, FREE_START])
def test_a_trimmed_video_keeps_its_frames_as_they_were(tmp_path: Path, start: int):
    path = tmp_path / FRAMES_FILE
    write_frames(path, numbered_pictures(60))
    whole = list(read_frames(path))
    assert stored_count(path) == 60
    trim_frames(path, start=start, count=17)
    kept = list(read_frames(path))
    assert len(kept) == stored_count(path) == 17
    np.testing.assert_array_equal(kept, whole[start : start + 17])
    assert [each.name for each in tmp_path.iterdir()] == [FRAMES_FILE]


def test_a_video_is_not_made_to_begin_where_no_key_frame_is(tmp_path: Path):
    path = tmp_path / FRAMES_FILE
    write_frames(path, numbered_pictures(40))
    with pytest.raises(ValueError, match="begin at frame 26"):
        trim_frames(path, start=FREE_START + 1, count=3)
    assert stored_count(path) == 40
