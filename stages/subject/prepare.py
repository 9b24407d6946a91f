"""From a clip to tracks: points, head pose, canonical meshes, shoulders and aligned speech (MODA section 8).

Legend: T frames, N points, S samples, 3 = (x, y, z), 7 = head vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.errors import SubjectError
from stages.geometry.average_face import average_face
from stages.geometry.canonical import CANVAS, canonicalise, pose, rigid_rotation
from stages.payloads import SAMPLES_PER_FRAME
from stages.speech.decode import read_levelled
from stages.subject.face_framing import framing_of
from stages.subject.face_smoothing import smooth_face, smooth_head
from stages.subject.framing import Frame, Framing, framed_frames
from stages.subject.looks import Looks, look_over
from stages.subject.observation import Observation, ShoulderPlan, observe
from stages.subject.reference import choose_reference
from stages.subject.refinement import refine_tracks
from stages.subject.torso import is_moving, torso_track
from stages.subject.tracks import ClipFacts, ClipTracks
from stages.training.split import training_frames
from stages.video.ahead import read_ahead
from stages.video.unfit import UnfitFrames, joined, within

Floats = NDArray[np.float32]
Progress = Callable[[int], None]

MINIMUM_DETECTED: Final = 0.9

_BLOCK: Final = 250
"""Frames brought to canonical space at once: double precision for a whole clip would outweigh its tracks."""


def prepare_clip(
    clip: Path, *, speaker: str, audio_lag: float = 0.0, progress: Progress | None = None
) -> ClipTracks:
    """Track a clip whose offset of sound is known, and bring it into canonical space.

    Of a clip with cuts the longest shot is taken.

    Args:
        clip: a video of one speaker with sound.
        speaker: who speaks.
        audio_lag: how many frames, in parts of one, the sound lags the lips (negative: leads); undone here.
        progress: called with the number of frames tracked so far.

    Raises:
        SubjectError: no face, or too few frames with one.
        SpeechError: no usable sound.
    """
    looks = look_over(clip)
    start, stop = looks.longest_shot
    framing = framing_of(looks, looks.within(start, stop), where=str(clip))
    observation = observe_shot(clip, looks=looks, framing=framing, progress=progress)
    if observation.detected < MINIMUM_DETECTED:
        raise SubjectError(
            code="clip_face_lost",
            where=str(clip),
            what=f"a face was found in only {observation.detected:.0%} of the frames",
            hint="use a clip in which one face stays in view",
        )
    tracks = assemble(
        observation,
        canonicalised(observation.mesh_TN3),
        read_levelled(clip).samples_S,
        audio_lag=audio_lag,
        shot_start=start,
        source=clip,
        speaker=speaker,
        framing=framing,
        unfit=looks.unfit,
    )
    first = tracks.facts.first_frame
    shot = partial(shot_frames, clip, framing=framing, start=first, stop=first + tracks.frame_count)
    reference, frames = choose_reference(tracks, shot())
    named = replace(tracks, facts=replace(tracks.facts, reference_frame=reference))
    return refine_tracks(named, shot(), reference=reference, reference_HW3=frames[reference]).tracks


def observe_shot(
    clip: Path,
    *,
    looks: Looks,
    framing: Framing,
    progress: Progress | None = None,
    keep: Callable[[Frame], None] | None = None,
) -> Observation:
    """Observe every frame of a clip's longest shot, and hand each to `keep`.

    Raises SubjectError when there is no face.
    """
    start, stop = looks.longest_shot
    frames = shot_frames(clip, framing=framing, start=start, stop=stop)
    return observe(
        frames if keep is None else _kept(frames, keep),
        frame_count=stop - start,
        shoulders=ShoulderPlan.of(looks.within(start, stop), framing),
        where=str(clip),
        progress=progress,
    )


def _kept(frames: Iterator[Frame], keep: Callable[[Frame], None]) -> Iterator[Frame]:
    for frame_HW3 in frames:
        keep(frame_HW3)
        yield frame_HW3


def shot_frames(clip: Path, *, framing: Framing, start: int, stop: int) -> Iterator[Frame]:
    """Framed RGB frames (512, 512, 3) [start, stop) of a clip at 25 fps."""
    frames = framed_frames(clip, framing=framing, first_frame=start, size=CANVAS)
    return islice(read_ahead(frames), stop - start)


def canonicalised(mesh_TN3: Floats) -> tuple[Floats, Floats]:
    """Image meshes (T, 478, 3) to canonical meshes, unsmoothed, and head vectors (T, 7)."""
    reference_N3 = average_face()
    canonical_TN3, head_T7 = np.empty_like(mesh_TN3), np.empty((len(mesh_TN3), 7), dtype=np.float32)
    for start in range(0, len(mesh_TN3), _BLOCK):
        block = slice(start, start + _BLOCK)
        rotations_T3 = np.stack([rigid_rotation(mesh_N3, reference_N3) for mesh_N3 in mesh_TN3[block]])
        canonical_TN3[block], head_T7[block] = canonicalise(mesh_TN3[block], rotations_T3)
    return canonical_TN3, head_T7


def round_trip_px(tracks: ClipTracks) -> float:
    """The largest distance in px by which any point moves from canonical space to the picture and back."""
    worst = 0.0
    for start in range(0, tracks.frame_count, _BLOCK):
        canonical_TN3 = tracks.canonical_TN3[start : start + _BLOCK]
        head_T7 = tracks.head_T7[start : start + _BLOCK]
        again_TN3, _ = canonicalise(pose(canonical_TN3, head_T7), head_T7[:, :3])
        worst = max(worst, float(np.linalg.norm(again_TN3 - canonical_TN3, axis=-1).max()))
    return worst


def assemble(
    observation: Observation,
    face: tuple[Floats, Floats],
    speech_S: Floats,
    *,
    audio_lag: float,
    shot_start: int,
    source: Path,
    speaker: str,
    framing: Framing,
    unfit: Sequence[UnfitFrames] = (),
) -> ClipTracks:
    """Align what was observed with the speech.

    Args:
        observation: of the frames from `shot_start` of the source on.
        face: canonical meshes, unsmoothed, and head vectors of the same frames.
        speech_S: of the whole source, at 16 kHz.
        audio_lag: frames, in parts of one, by which the sound lags the lips.
        shot_start: first frame of the source that was observed.
        source: the clip's file.
        speaker: who speaks.
        framing: the square of the source.
        unfit: frames of the source that nothing is to be learnt from, beside those that were observed to be so.
    """
    canonical_TN3, head_T7 = face
    # Sound that leads loses less than a frame, beside pictures that are lost whole.
    skipped = max(0, ceil(-audio_lag))
    dropped_samples = round((shot_start + skipped + audio_lag) * SAMPLES_PER_FRAME)
    speech_S = speech_S[dropped_samples:]
    count = max(0, min(len(canonical_TN3) - skipped, len(speech_S) // SAMPLES_PER_FRAME))
    torso_TN3 = torso_track(observation.heights_T18, observation.columns_18, observation.mesh_TN3)
    kept = slice(skipped, skipped + count)
    facts = ClipFacts(
        source=str(source),
        speaker=speaker,
        first_frame=shot_start + skipped,
        dropped_samples=dropped_samples,
        framing=framing,
        detected=observation.detected,
        torso_moves=is_moving(torso_TN3[kept]) if count else False,
        trained_frames=training_frames(count),
        unfit=joined(
            [
                *within(unfit, start=shot_start + skipped, stop=shot_start + skipped + count),
                *within(observation.covered, start=skipped, stop=skipped + count),
            ]
        ),
    )
    return ClipTracks(
        facts=facts,
        canonical_TN3=smooth_face(canonical_TN3)[kept],
        head_T7=smooth_head(head_T7)[kept],
        torso_TN3=torso_TN3[kept],
        speech_S=speech_S[: count * SAMPLES_PER_FRAME],
    )
