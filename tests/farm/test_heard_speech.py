"""Which track, channels and level of a recording a render hears, and where it says so. Legend: S samples."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from jobs.errors import NotSpeech
from jobs.manifest import Manifest

sys.path.insert(0, str(Path(__file__).parents[1] / "stages"))

from made_voices import RATE, MadeTrack, voice, write_tracks

VOICE_S = voice(2.6)
OTHER_S = voice(2.6, pitch=190.0)[::-1].copy()


def write(folder: Path, *tracks_S: NDArray[np.float32], name: str = "hello.mka") -> str:
    tracks = [
        MadeTrack(samples_SC=track_S.reshape(len(track_S), -1), codec="pcm_f32le") for track_S in tracks_S
    ]
    return write_tracks(folder / name, *tracks).name


def manifest_of(tmp_path: Path) -> Manifest:
    return Manifest.from_json((tmp_path / "out" / "hello.manifest.json").read_bytes())


def pictures_of(tmp_path: Path) -> list[str]:
    return [segment.sha256 for segment in manifest_of(tmp_path).segments]


def sound_of(master: Path) -> NDArray[np.float32]:
    with av.open(str(master)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def frames_of(master: Path) -> NDArray[np.int16]:
    with av.open(str(master)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]).astype(
            np.int16
        )


def test_a_recording_of_any_level_gives_the_same_pictures_and_keeps_its_own_level(
    make_job: Any, render: Any, tmp_path: Path
) -> None:
    found, master = [], tmp_path / "out" / "hello.mp4"
    for gain in (1.0, 0.01, 10**-0.5):
        render(make_job(speech=write(tmp_path, VOICE_S * np.float32(gain))))
        found.append(frames_of(master))
        assert np.abs(sound_of(master)).max() == pytest.approx(gain * np.abs(VOICE_S).max(), rel=0.1)
    for other in found[1:]:
        assert np.abs(other - found[0]).mean() < 0.5


def test_the_gain_of_a_manifest_can_be_named_and_gives_the_same_pictures(
    make_job: Any, render: Any, tmp_path: Path
) -> None:
    speech = write(tmp_path, VOICE_S)
    render(make_job(speech=speech))
    pictures = pictures_of(tmp_path)
    gain_db = manifest_of(tmp_path).speech.media.found["sound"]["level"]["gain_db"]
    render(make_job(speech={"uri": speech, "gain_db": gain_db}))
    assert pictures_of(tmp_path) == pictures
    render(make_job(speech={"uri": speech, "gain_db": gain_db - 9}))
    assert pictures_of(tmp_path) != pictures


def test_the_named_track_is_heard_and_is_in_the_master(make_job: Any, render: Any, tmp_path: Path) -> None:
    speech = write(tmp_path, VOICE_S, OTHER_S)
    render(make_job(speech=speech))
    first = pictures_of(tmp_path)
    assert any("of 2 audio tracks number 1" in told for told in manifest_of(tmp_path).speech.media.told)
    render(make_job(speech={"uri": speech, "track": 2}))
    assert pictures_of(tmp_path) != first
    heard_S = sound_of(tmp_path / "out" / "hello.mp4")[0, : len(OTHER_S)]
    assert np.corrcoef(heard_S, OTHER_S)[0, 1] > 0.98
    assert manifest_of(tmp_path).job["spec"]["speech"] == {"uri": speech, "track": 2}


def test_a_track_that_is_not_there_is_refused_before_anything_is_rendered(
    make_job: Any, render: Any, stages: Any, tmp_path: Path
) -> None:
    with pytest.raises(NotSpeech) as caught:
        render(make_job(speech={"uri": write(tmp_path, VOICE_S), "track": "deu"}))
    assert caught.value.code == "speech_track_unknown"
    assert stages.noted("render-") == 0


def test_silence_is_rendered_and_told(make_job: Any, render: Any, tmp_path: Path) -> None:
    render(make_job(speech=write(tmp_path, np.zeros(2 * RATE, np.float32))))
    assert any("there is no sound" in told for told in manifest_of(tmp_path).speech.media.told)


def test_channels_that_cancel_give_the_pictures_of_one_and_stay_in_the_master(
    make_job: Any, render: Any, tmp_path: Path
) -> None:
    render(make_job(speech=write(tmp_path, VOICE_S)))
    alone = pictures_of(tmp_path)
    render(make_job(speech=write(tmp_path, np.stack([VOICE_S, -VOICE_S], axis=1))))
    assert pictures_of(tmp_path) == alone
    left_S, right_S = sound_of(tmp_path / "out" / "hello.mp4")
    assert np.corrcoef(left_S, right_S)[0, 1] < -0.99
