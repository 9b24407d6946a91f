"""Speech in other voices and rooms, and sounds that are no speech: what lips must follow alike, and what they must not.

Minutes of speech are few, and every speaker has one voice and one room. The same lips go with the same words in any
other, so a clip is heard in several; what is said stays, and when.

Legend: S samples at 16 kHz, W frequency bins, T frames, D feature width.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from scipy.signal import resample as resample_by_fourier

from stages.payloads import SAMPLE_RATE, SAMPLES_PER_FRAME
from stages.speech.context import WINDOW_FRAMES
from stages.speech.encoder import SpeechEncoder, encode_speech

Floats = NDArray[np.float32]

_PITCH: Final = 0.12
"""Standard deviation of the logarithm of pitch and formants, which move together."""

_TILT_DB: Final = 4.0
_REVERBERANT: Final = 0.4
_DECAY_S: Final = (0.1, 0.4)
_NOISY: Final = 0.5
_NOISE_DB: Final = (15.0, 40.0)

VOICES_DIGEST: Final = hashlib.sha256(
    repr((_PITCH, _TILT_DB, _REVERBERANT, _DECAY_S, _NOISY, _NOISE_DB)).encode()
).hexdigest()[:8]
"""Names how voices are made, for what is kept of them."""

_SOUNDS_OF_A_KIND: Final = 4
_SOUND_LEVELS: Final = (0.003, 0.3)


def other_voices(encoder: SpeechEncoder, speech_S: Floats, *, count: int, seed: int) -> tuple[Floats, ...]:
    """What an encoder hears of the same words in other voices: `count` times (T, D), every row at its own frame."""
    return tuple(
        _other_voice(encoder, speech_S, np.random.default_rng([seed, number])) for number in range(count)
    )


def _other_voice(encoder: SpeechEncoder, speech_S: Floats, random: np.random.Generator) -> Floats:
    frames = len(speech_S) // SAMPLES_PER_FRAME
    # A voice that is sped up is a higher one; its rows are then laid back over the frames they came from.
    fast = max(1, round(frames * float(np.exp(random.normal(0.0, _PITCH)))))
    voice_S = resample_by_fourier(speech_S[: frames * SAMPLES_PER_FRAME], fast * SAMPLES_PER_FRAME)
    if random.random() < _REVERBERANT:
        voice_S = in_a_room(voice_S, random, decay_s=random.uniform(*_DECAY_S))
    voice_S = coloured(voice_S, random, decibels=_TILT_DB)
    if random.random() < _NOISY:
        voice_S = voice_S + noise_below(voice_S, random, decibels=random.uniform(*_NOISE_DB))
    voice_S = voice_S * (np.abs(speech_S).max() / max(float(np.abs(voice_S).max()), 1e-6))
    rows_TD = encode_speech(encoder, voice_S.astype(np.float32))
    at_T = np.linspace(0, fast - 1, frames)
    before_T = np.minimum(at_T.astype(np.int64), max(0, fast - 2))
    share_T1 = (at_T - before_T)[:, None]
    laid_TD = (1 - share_T1) * rows_TD[before_T] + share_T1 * rows_TD[np.minimum(before_T + 1, fast - 1)]
    return np.asarray(laid_TD, dtype=np.float32)


def sounds_without_speech(encoder: SpeechEncoder, *, seed: int = 0) -> tuple[Floats, ...]:
    """What an encoder hears of noise, of held and struck chords, and of blows: (300, D) each."""
    random = np.random.default_rng([seed, 1])
    makers = (_hiss, _held_chord, _struck_chord, _blows)
    return tuple(
        encode_speech(encoder, _at_a_level(make(random), random))
        for make in makers
        for _ in range(_SOUNDS_OF_A_KIND)
    )


def _at_a_level(sound_S: Floats, random: np.random.Generator) -> Floats:
    level = float(np.exp(random.uniform(*np.log(_SOUND_LEVELS))))
    return np.asarray(sound_S * (level / np.abs(sound_S).max()), dtype=np.float32)


def _times() -> Floats:
    return (np.arange(WINDOW_FRAMES * SAMPLES_PER_FRAME) / SAMPLE_RATE).astype(np.float32)


def _hiss(random: np.random.Generator) -> Floats:
    return noise_below(np.ones_like(_times()), random, decibels=0.0)


def _held_chord(random: np.random.Generator) -> Floats:
    times_S = _times()
    notes = 110.0 * 2 ** (random.integers(0, 36, size=4) / 12)
    swell_S = 1 + 0.5 * np.sin(2 * np.pi * random.uniform(0.2, 2.0) * times_S)
    return np.asarray(
        swell_S
        * sum(
            np.sin(2 * np.pi * overtone * note * times_S) / overtone
            for note in notes
            for overtone in (1, 2, 3)
        ),
        dtype=np.float32,
    )


def _struck_chord(random: np.random.Generator) -> Floats:
    return _held_chord(random) * _fading(random, decay=random.uniform(2.0, 6.0))


def _blows(random: np.random.Generator) -> Floats:
    return _hiss(random) * _fading(random, decay=random.uniform(8.0, 20.0))


def _fading(random: np.random.Generator, *, decay: float) -> Floats:
    """Falling from one beat to the next, by e in 1 / `decay` beats."""
    return np.exp(-decay * ((random.uniform(1.0, 3.0) * _times()) % 1.0)).astype(np.float32)


def coloured(speech_S: Floats, random: np.random.Generator, *, decibels: float) -> Floats:
    """Through a random smooth equaliser."""
    bins_hz_W = rfftfreq(len(speech_S), 1 / SAMPLE_RATE)
    corners_hz = np.geomspace(80.0, SAMPLE_RATE / 2, 7)
    gains_W = np.interp(np.log(np.maximum(bins_hz_W, 1.0)), np.log(corners_hz), random.normal(0, decibels, 7))
    filtered_S: Floats = irfft(rfft(speech_S) * 10 ** (gains_W / 20), len(speech_S))
    return filtered_S


def in_a_room(speech_S: Floats, random: np.random.Generator, *, decay_s: float) -> Floats:
    """With a diffuse echo that fades by 60 dB in `decay_s`, behind the direct sound."""
    length = round(decay_s * SAMPLE_RATE)
    tail_S = random.normal(size=length) * 10 ** (-3.0 * np.arange(length) / length)
    tail_S *= random.uniform(0.1, 0.6) / np.sqrt(np.sum(tail_S**2))
    tail_S[0] += 1.0
    tail_S = tail_S.astype(np.float32)
    size = next_fast_len(len(speech_S) + length, real=True)
    echoed_S = np.asarray(irfft(rfft(speech_S, size) * rfft(tail_S, size), size), dtype=np.float32)
    return echoed_S[: len(speech_S)]


def noise_below(speech_S: Floats, random: np.random.Generator, *, decibels: float) -> Floats:
    """Noise between white and brown, so many decibels below the speech."""
    bins_W = np.maximum(rfftfreq(len(speech_S), 1 / SAMPLE_RATE), 40.0)
    spectrum_W = rfft(random.standard_normal(len(speech_S), dtype=np.float32)) * bins_W ** -random.uniform(
        0.0, 1.0
    )
    noise_S = irfft(spectrum_W, len(speech_S))
    loudness = float(np.sqrt(np.mean(speech_S**2)) / np.sqrt(np.mean(noise_S**2)))
    return np.asarray(noise_S * loudness * 10 ** (-decibels / 20), dtype=np.float32)
