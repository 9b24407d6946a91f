"""Preparation of two seconds of a digital actor, whose true motion is known."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from stages.geometry.canonical import FACE_CENTRE, canonicalise, pose
from stages.geometry.landmarks import POSE_ANCHOR
from stages.metrics.landmarks import correlation, mouth_opening
from stages.subject.tracks import ClipTracks

FRAMES = 50


def cut(source: Path, target: Path) -> None:
    """The first frames of a clip and their sound, in a new file."""
    with av.open(str(source)) as clip, av.open(str(target), "w") as out:
        picture = out.add_stream("libx264", rate=25, options={"crf": "10"})
        picture.width, picture.height, picture.pix_fmt = 512, 512, "yuv420p"
        voice = out.add_stream("pcm_s16le", rate=16_000)
        voice.layout = "mono"
        for index, frame in enumerate(islice(clip.decode(video=0), FRAMES)):
            fresh = av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), format="rgb24")
            fresh.pts, fresh.time_base = index, Fraction(1, 25)
            out.mux(picture.encode(fresh))
        out.mux(picture.encode(None))
        samples = np.zeros((1, FRAMES * 640), dtype=np.int16)
        samples[0, ::100] = 1000
        sound = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        sound.sample_rate, sound.time_base, sound.pts = 16_000, Fraction(1, 16_000), 0
        out.mux(voice.encode(sound))
        out.mux(voice.encode(None))


@pytest.fixture(scope="module")
def tracks(data: Path, tmp_path_factory: pytest.TempPathFactory) -> ClipTracks:
    try:
        from stages.subject.prepare import prepare_clip
    except (ImportError, OSError) as error:
        pytest.skip(f"MediaPipe cannot be loaded: {error}")
    clip = tmp_path_factory.mktemp("actor") / "two_seconds.mkv"
    cut(data / "actors" / "actor_b.mp4", clip)
    return prepare_clip(clip, speaker="actor-b")


def test_the_face_is_found_in_every_frame_and_the_clip_kept_whole(tracks: ClipTracks):
    assert tracks.facts.detected == 1.0
    assert tracks.frame_count == FRAMES
    assert len(tracks.speech_S) == FRAMES * 640
    assert (tracks.facts.framing.left, tracks.facts.framing.top, tracks.facts.framing.side) == (0, 0, 512)


def test_posing_and_canonicalising_are_each_others_inverse(tracks: ClipTracks):
    image_TN3 = pose(tracks.canonical_TN3, tracks.head_T7)
    canonical_TN3, head_T7 = canonicalise(image_TN3, tracks.head_T7[:, :3])
    np.testing.assert_allclose(canonical_TN3, tracks.canonical_TN3, atol=1e-3)
    np.testing.assert_allclose(pose(canonical_TN3, head_T7), image_TN3, atol=1e-3)
    anchor_T3 = tracks.canonical_TN3[:, POSE_ANCHOR].mean(axis=1)
    np.testing.assert_allclose(anchor_T3, np.tile(FACE_CENTRE, (FRAMES, 1)), atol=1e-3)


def test_the_lips_open_as_those_of_the_actors_rig(tracks: ClipTracks, data: Path):
    with np.load(data / "actors" / "actor_b_motion.npz") as truth:
        rig_gap_T = truth["rig_gap"][:FRAMES]
    assert correlation(mouth_opening(tracks.canonical_TN3), rig_gap_T) > 0.9


def test_the_head_turns_as_that_of_the_actors_rig(tracks: ClipTracks, data: Path):
    with np.load(data / "actors" / "actor_b_motion.npz") as truth:
        turn_T = truth["R"][:FRAMES, 0, 2]
    assert abs(correlation(tracks.head_T7[:, 0], turn_T)) > 0.9


def test_the_shoulders_lie_below_the_face_and_inside_the_picture(tracks: ClipTracks):
    heights_T18 = tracks.torso_TN3[..., 1]
    assert heights_T18.max() < 512
    assert heights_T18.min() > pose(tracks.canonical_TN3, tracks.head_T7)[:, POSE_ANCHOR, 1].max()
