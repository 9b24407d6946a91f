"""What a viewer of the example would check: length, face, lips, blinks, head, shoulders."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from stages.metrics.landmarks import mouth_opening
from stages.metrics.lip_sync import lip_sync
from stages.moda.blinks import lid_opening
from stages.speech.decode import read_speech
from stages.subject.tracks import mouth_and_eyes

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Rendered

    from stages.subject.tracks import ClipTracks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def seen(example: Rendered) -> ClipTracks:
    """The master, tracked as if it were a recording."""
    pytest.importorskip("mediapipe", reason="looking for faces needs MediaPipe", exc_type=ImportError)
    from stages.subject.prepare import prepare_clip

    return prepare_clip(example.master, speaker="example")


def test_the_master_has_a_frame_for_every_started_frame_of_speech(
    example: Rendered, example_speech: Path
) -> None:
    speech = read_speech(example_speech)
    expected = -(-speech.source_sample_count * 25 // speech.source_rate)
    with av.open(str(example.master)) as container:
        pictures = sum(1 for _ in container.decode(video=0))
    with av.open(str(example.master)) as container:
        sound = container.streams.audio[0]
        heard = sum(frame.samples for frame in container.decode(audio=0))
        sound_length = Fraction(heard, sound.rate)
    assert pictures == expected >= 8 * 25
    assert abs(sound_length - Fraction(pictures, 25)) <= Fraction(1, 25)


def test_a_face_is_found_in_nearly_every_frame(seen: ClipTracks) -> None:
    assert seen.facts.detected >= 0.99


def test_the_mouth_follows_the_speech_and_closes_in_silence(seen: ClipTracks, example_speech: Path) -> None:
    sync = lip_sync(mouth_opening(seen.canonical_TN3), read_speech(example_speech).samples_S)
    print(sync)
    assert sync.correlation >= 0.35
    assert sync.silent_frames >= 10, "the example has pauses to look at"
    assert sync.open_in_silence <= 0.35


def test_eyes_blink_while_head_and_shoulders_move(seen: ClipTracks) -> None:
    opening_T = lid_opening(mouth_and_eyes(seen.canonical_TN3)[1])
    head_spread = seen.head_T7.std(axis=0)
    shoulder_spread = float(seen.torso_TN3[..., 1].std(axis=0).mean())
    print(
        "lids", np.percentile(opening_T, [0, 50]), "head", head_spread.round(2), "shoulders", shoulder_spread
    )
    assert opening_T.min() < 0.5 * np.median(opening_T)
    assert head_spread[:3].max() > 0.5
    assert shoulder_spread > 0.5
