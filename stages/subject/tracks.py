"""The tracks of a prepared clip: what motion, face and renderer training read.

Legend: T frames, N points, 3 = (x, y, z), 7 = head vector.
"""

from __future__ import annotations

import json
import tokenize
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from stages.errors import SubjectError
from stages.files import check_types, is_plain_file, read_record
from stages.geometry.landmarks import EYES, LIPS
from stages.payloads import HEAD_CHANNELS, MESH_POINTS, SAMPLES_PER_FRAME, TORSO_POINTS
from stages.subject.framing import Framing
from stages.video.unfit import UnfitFrames, fit_frames
from stages.whole_files import written_whole

Floats = NDArray[np.float32]

_TRACKS: Final = "tracks.npz"
_FACTS: Final = "clip.json"
CLIP_FOLDER: Final = "clip"
"""Below a subject's folder: what its renderer is trained on."""

SCHEMA: Final = "farm.tracks/v2"
"""Version of what tracks are. Those without one came from a tracker that lags, and lie beside their pictures."""


_UNREADABLE: Final = (
    *(ArithmeticError, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError),
    *(tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)
"""What json, numpy and zipfile raise for damaged bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFacts:
    """How a clip was prepared.

    Attributes:
        source: path of the clip's file.
        speaker: who speaks; clips of one speaker share a template.
        first_frame: frames of the source dropped at its start, to undo sound that comes early.
        dropped_samples: 16 kHz samples dropped at the start, to undo sound that comes late.
        framing: the square of the source picture.
        detected: share of frames in which a face was found.
        torso_moves: whether the shoulders were seen to move.
        trained_frames: frames from the start that training may see; the rest is held out. None in clips prepared
            without it.
        reference_frame: the frame shown to the renderer as reference; None where none was chosen.
        unfit: frames that nothing is to be learnt from, counted from the first frame of the tracks.
    """

    source: str
    speaker: str
    first_frame: int
    dropped_samples: int
    framing: Framing
    detected: float
    torso_moves: bool
    trained_frames: int | None = None
    reference_frame: int | None = None
    unfit: tuple[UnfitFrames, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipTracks:
    """Canonical meshes (T, 478, 3), head vectors (T, 7), shoulders (T, 18, 3) and speech (640 T,)."""

    facts: ClipFacts
    canonical_TN3: Floats
    head_T7: Floats
    torso_TN3: Floats
    speech_S: Floats

    @property
    def frame_count(self) -> int:
        """Number of frames T."""
        return len(self.canonical_TN3)

    def learnable(self, stop: int | None = None) -> list[int]:
        """The frames before `stop` that may be learnt from."""
        return fit_frames(self.facts.unfit, start=0, stop=self.frame_count if stop is None else stop)

    def save(self, folder: Path) -> None:
        """Write the tracks into `folder`; its facts come last and mark it complete."""
        folder.mkdir(parents=True, exist_ok=True)
        # Tracks of an earlier preparation must not pass for the ones being written.
        (folder / _FACTS).unlink(missing_ok=True)
        np.savez_compressed(
            folder / _TRACKS,
            canonical_TN3=self.canonical_TN3,
            head_T7=self.head_T7,
            torso_TN3=self.torso_TN3,
            speech_S=self.speech_S,
        )
        with written_whole(folder / _FACTS) as partial:
            partial.write_text(json.dumps({"schema": SCHEMA, **asdict(self.facts)}, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read tracks that `save` wrote, from the folder of the clip or of the subject prepared from it.

        Raises:
            SubjectError: there are none (``clip_not_prepared``), or those of another version of the farm
                (``clip_version``).
        """
        home = clip_folder(folder)
        try:
            raw = json.loads(read_record(home / _FACTS))
            _check_version(raw.pop("schema", "farm.tracks/v1"), folder)
            unfit = tuple(UnfitFrames(**span) for span in raw.get("unfit", ()))
            facts = ClipFacts(**{**raw, "framing": Framing(**raw["framing"]), "unfit": unfit})
            for part in (facts, facts.framing, *unfit):
                check_types(part)
            if not is_plain_file(home / _TRACKS):
                raise FileNotFoundError(home / _TRACKS)
            with np.load(home / _TRACKS) as arrays:
                tracks = cls(facts=facts, **{name: arrays[name] for name in arrays.files})
            _check_shapes(tracks)
            return tracks
        except _UNREADABLE as error:
            raise SubjectError(
                code="clip_not_prepared",
                where=str(folder),
                what="there is no prepared clip in this folder",
                hint="prepare one: farm subject prepare",
            ) from error

    @staticmethod
    def is_complete(folder: Path) -> bool:
        """Whether `save` finished in `folder`."""
        return (clip_folder(folder) / _FACTS).is_file()


def _check_version(schema: object, folder: Path) -> None:
    if schema != SCHEMA:
        raise SubjectError(
            code="clip_version",
            where=str(folder),
            what=f"its tracks are of version {str(schema)[:40]!r}, and this farm learns from {SCHEMA!r}",
            hint="prepare it again: farm subject prepare, with --overwrite",
        )


def _check_shapes(tracks: ClipTracks) -> None:
    """Raises ValueError where the tracks do not fit each other."""
    count = tracks.frame_count
    expected = {
        "canonical_TN3": (count, MESH_POINTS, 3),
        "head_T7": (count, HEAD_CHANNELS),
        "torso_TN3": (count, TORSO_POINTS, 3),
        "speech_S": (count * SAMPLES_PER_FRAME,),
    }
    for name, shape in expected.items():
        array = getattr(tracks, name)
        if array.shape != shape or array.dtype != np.float32 or not np.isfinite(array).all():
            raise ValueError(f"{name} must be {shape} finite float32, not {array.shape} of {array.dtype}")


def clip_folder(folder: Path) -> Path:
    """Where the tracks lie: in `folder` itself, or below it where it is a subject's."""
    below = folder / CLIP_FOLDER
    return below if below.is_dir() else folder


def mouth_and_eyes(canonical_TN3: Floats) -> tuple[Floats, Floats]:
    """The (T, 40, 3) lip and (T, 60, 3) eye vertices of canonical meshes, in network order."""
    return canonical_TN3[:, LIPS], canonical_TN3[:, EYES]
