"""Windows of training speech: varied, repeatable, in range, and never of a held-out speaker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recipes.corpus import CorpusClip
from recipes.encoder import distil_data
from recipes.encoder.distil_data import SpeechPool, Variety, read_corpus, read_folder
from stages.errors import SpeechError

PLAIN = Variety(
    excerpt_frames=(20, 40),
    speed=(1.0, 1.0),
    tilt_db=0.0,
    level_db=(-6.0, -6.0),
    reverberant=0.0,
    noisy=0.0,
    silent_start=0.0,
)
FRAMES = 60


def a_tone(hertz: float, *, frames: int = 100) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(640 * frames) / 16_000).astype(np.float32)


def pitch(window_S: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(window_S * np.hanning(len(window_S))))
    return float(spectrum.argmax() * 16_000 / len(window_S))


def a_window(variety: Variety, *, seed: int = 0, hertz: float = 500.0) -> np.ndarray:
    pool = SpeechPool([[a_tone(hertz)]], shares=[1.0], variety=variety)
    return pool.window(np.random.default_rng(seed), frames=FRAMES)


@pytest.mark.parametrize("seed", range(8))
def test_a_window_has_its_length_and_stays_in_range(seed: int):
    window_S = a_window(Variety(excerpt_frames=(20, 40)), seed=seed)
    assert window_S.shape == (640 * FRAMES,)
    assert window_S.dtype == np.float32
    assert np.abs(window_S).max() <= 1.0
    assert np.abs(window_S).max() > 0.01


def test_the_same_random_numbers_draw_the_same_window_and_others_another():
    np.testing.assert_array_equal(a_window(Variety(), seed=1), a_window(Variety(), seed=1))
    assert not np.allclose(a_window(Variety(), seed=1), a_window(Variety(), seed=2))


def test_a_faster_excerpt_is_a_higher_voice():
    slow, fast = (replace(PLAIN, speed=(factor, factor)) for factor in (0.8, 1.25))
    assert pitch(a_window(PLAIN)) == pytest.approx(500, abs=5)
    # Excerpts are whole frames long, so their speed is met within a frame in the shortest of them.
    assert pitch(a_window(slow)) == pytest.approx(400, rel=1 / 20)
    assert pitch(a_window(fast)) == pytest.approx(625, rel=1 / 20)


def test_noise_lies_as_far_below_the_speech_as_asked_for():
    clean_S = a_window(PLAIN)
    noisy_S = a_window(replace(PLAIN, noisy=1.0, noise_db=(20.0, 20.0)))
    ratio = np.sqrt(np.mean(clean_S**2) / np.mean((noisy_S - clean_S) ** 2))
    assert 20 * np.log10(ratio) == pytest.approx(20.0, abs=0.2)


def test_a_room_adds_an_echo_that_has_faded_after_its_time():
    click_S = np.zeros(640 * 100, dtype=np.float32)
    click_S[::6400] = 1.0
    pool = SpeechPool([[click_S]], shares=[1.0], variety=replace(PLAIN, reverberant=1.0, decay_s=(0.1, 0.1)))
    window_S = pool.window(np.random.default_rng(0), frames=20)
    first = int(np.abs(window_S[:6400]).argmax())
    assert np.abs(window_S[first + 10 : first + 800]).max() > 1e-4
    assert np.abs(window_S[first + 1700 : first + 6000]).max() < 1e-6


def test_a_window_may_begin_with_the_silence_before_a_recording():
    window_S = a_window(replace(PLAIN, silent_start=1.0))
    assert not window_S[: 25 * 640].any()
    assert window_S[25 * 640 :].any()


def test_groups_are_drawn_from_by_their_shares_and_not_by_their_length():
    pool = SpeechPool([[a_tone(300)], [a_tone(900, frames=2000)]], shares=[3.0, 1.0], variety=PLAIN)
    random = np.random.default_rng(0)
    low = sum(pitch(pool.window(random, frames=20)) < 600 for _ in range(200))
    assert 125 <= low <= 175


def test_a_folder_without_long_enough_speech_is_refused():
    with pytest.raises(SpeechError, match="--speech") as caught:
        SpeechPool([[a_tone(500)], [a_tone(500, frames=24)]], shares=[1.0, 1.0], variety=PLAIN)
    assert caught.value.code == "speech_none"


def test_the_digest_tells_one_set_of_recordings_from_another():
    pools = [SpeechPool([[a_tone(hertz)]], shares=[1.0], variety=PLAIN) for hertz in (500, 500, 501)]
    assert pools[0].digest() == pools[1].digest() != pools[2].digest()


def test_recordings_are_read_below_a_folder_in_the_order_of_their_paths(tmp_path: Path, write_audio):
    (tmp_path / "deep").mkdir()
    (tmp_path / "note.txt").write_text("not speech")
    for name, frames in (("deep/b.wav", 30), ("a.wav", 40)):
        write_audio(name, a_tone(500, frames=frames)[:, None], rate=16_000, codec="pcm_s16le")
    read = read_folder(tmp_path)
    assert [len(speech_S) // 640 for speech_S in read] == [40, 30]


def test_held_out_speakers_and_what_is_not_listed_are_kept_from_what_is_learned(
    tmp_path: Path, write_audio, monkeypatch: pytest.MonkeyPatch
):
    for name, frames in (("seen.wav", 30), ("unseen.wav", 40), ("for a study.wav", 50)):
        write_audio(name, a_tone(500, frames=frames)[:, None], rate=16_000, codec="pcm_s16le")
    clips = (
        CorpusClip(path="seen.wav", speaker="a"),
        CorpusClip(path="unseen.wav", speaker="b", held_out=True),
    )
    monkeypatch.setattr(distil_data, "corpus_clips", lambda: clips)
    learned, held_out = read_corpus(tmp_path)
    assert [len(speech_S) // 640 for speech_S in learned] == [30]
    assert [len(speech_S) // 640 for speech_S in held_out] == [40]
