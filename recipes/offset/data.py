"""Clips as the judge of the offset learns from them: the lips of the longest shot, and its sound.

Legend: S samples at 16 kHz, T frames, K spectral frames at 100 Hz, F bands, N points, 3 = (x, y, z), or lip measures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recipes.corpus import CorpusClip, performer_of
from stages.errors import SubjectError
from stages.payloads import SAMPLES_PER_FRAME
from stages.speech.decode import read_levelled
from stages.subject.audio_offset import lip_measures
from stages.subject.face_framing import framing_of
from stages.subject.face_tracker import FaceTracker
from stages.subject.lip_predictor import sound_bands
from stages.subject.looks import look_over
from stages.subject.prepare import canonicalised, shot_frames
from stages.whole_files import written_whole

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_STUDIO: Final = ("video_3s/", "video_10s/v_vidtimit")
"""Recorded in one go, picture and sound by the same machine: GRID and VidTIMIT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardClip:
    """Lips and sound of a clip's longest shot, as recorded.

    Attributes:
        entry: where it lies, who speaks, and the listed lag.
        seen_T3: lip measures of every frame.
        speech_S: samples from the shot's start to its end.
        bands_KF: its spectrum.
    """

    entry: CorpusClip
    seen_T3: Doubles
    speech_S: Floats
    bands_KF: Floats

    @property
    def performer(self) -> str:
        """Whose voice and motion it is; clips of one are never on both sides of a split."""
        return performer_of(self.entry.speaker)

    @property
    def is_studio(self) -> bool:
        """Whether it is one of those that zero is set by."""
        return self.entry.path.startswith(_STUDIO)


def load_heard(entries: Iterable[CorpusClip], *, data: Path, cache: Path) -> list[HeardClip]:
    """Clips with their lips, tracked where `cache` does not hold them. Raises SubjectError for one without a face."""
    return [_load(entry, data=data, cache=cache) for entry in entries]


def _load(entry: CorpusClip, *, data: Path, cache: Path) -> HeardClip:
    kept = cache / f"{entry.path.replace('/', '_')}.npz"
    if not kept.is_file():
        seen_T3, speech_S = observe_lips(data / entry.path)
        cache.mkdir(parents=True, exist_ok=True)
        with written_whole(kept) as partial, partial.open("xb") as file:
            np.savez(file, seen_T3=seen_T3, speech_S=speech_S)
    with np.load(kept) as arrays:
        seen_T3, speech_S = arrays["seen_T3"], arrays["speech_S"]
    return HeardClip(entry=entry, seen_T3=seen_T3, speech_S=speech_S, bands_KF=sound_bands(speech_S))


def observe_lips(clip: Path) -> tuple[Doubles, Floats]:
    """Lip measures (T, 3) and speech (S,) of a clip's longest shot. Raises SubjectError where it shows no face."""
    looks = look_over(clip)
    start, stop = looks.longest_shot
    framing = framing_of(looks, looks.within(start, stop), where=str(clip))
    meshes: list[Floats] = []
    with FaceTracker() as tracker:
        for frame_HW3 in shot_frames(clip, framing=framing, start=start, stop=stop):
            track = tracker.track(frame_HW3)
            if track is not None or meshes:
                meshes.append(meshes[-1] if track is None else track.mesh_N3)
            else:
                start += 1
    if not meshes:
        raise SubjectError(
            code="clip_no_face", where=str(clip), what="no face was found", hint="leave it out"
        )
    canonical_TN3, _ = canonicalised(np.stack(meshes))
    samples = slice(start * SAMPLES_PER_FRAME, (start + len(meshes)) * SAMPLES_PER_FRAME)
    return lip_measures(canonical_TN3), read_levelled(clip).samples_S[samples]


def performer_folds(clips: Sequence[HeardClip], count: int) -> list[set[str]]:
    """Performers in groups of about equally many frames, the same ones for the same clips."""
    frames: dict[str, int] = {}
    for clip in clips:
        frames[clip.performer] = frames.get(clip.performer, 0) + len(clip.seen_T3)
    groups: list[set[str]] = [set() for _ in range(count)]
    sizes = [0] * count
    for performer in sorted(frames, key=lambda name: (-frames[name], name)):
        smallest = sizes.index(min(sizes))
        groups[smallest].add(performer)
        sizes[smallest] += frames[performer]
    return groups
