"""What travels between the coordinator and a replica. Nothing here is larger than a few hundred kB: no pixels.

Legend: S samples, T frames (inside `Motion` and `PosedFace`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from farm.execution.stages import SharedWeights
from farm.scheduling.units import Stage
from jobs.forms import NetworkForm
from jobs.manifest import SegmentRecord
from jobs.spec import InspectionPolicy
from stages.payloads import Motion, PosedFace


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSetup:
    """What a replica must know to get ready; the same for all replicas of a job.

    Attributes:
        weights: The weights that all subjects share.
        subject: Folder of the subject package.
        store: Address of the object store; each renderer replica opens it for itself.
        profile: Name of the video profile.
        fps: Frames per second.
        inspection: What happens to segments whose pictures are not good.
        form: How exactly the renderer's network is computed.
        device_kind: Kind of processor that the plan names, on which alone its segments are rendered; empty: on any.
        draft: Every picture carries a mark that says so.
        background: What is behind the person: a colour, or the path of a picture; empty: their own background.
        background_identity: The colour, or the hash of the picture's file.
    """

    weights: SharedWeights
    subject: Path
    store: str
    profile: str
    fps: Fraction
    inspection: InspectionPolicy = InspectionPolicy.RETRY
    form: NetworkForm = NetworkForm.EXACT
    device_kind: str = ""
    draft: bool = False
    background: str = ""
    background_identity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowCall:
    """Predict the motion of one window.

    Attributes:
        samples_S: Speech of the window and of the context frames either side, zeros outside the speech.
    """

    samples_S: NDArray[np.float32]
    first_frame: int
    frame_count: int
    seed: int
    take: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceCall:
    """Compose the posed face of one segment and of the frames either side that its renderer wants to see.

    Attributes:
        motion: Merged, not yet smoothed motion of these frames and of their own context.
        lead: How many frames of `motion` come before the face.
        frame_count: Frames of the face.
        head, blink, torso: Amplitudes; 0 keeps the subject still.
    """

    motion: Motion
    lead: int
    frame_count: int
    head: float
    blink: float
    torso: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SketchCall:
    """Compose the posed face of one segment, draw it in lines and commit the piece of playback under `key`.

    Attributes:
        face: What composes it.
        lead: How many frames of the face come before the segment.
        frame_count: Frames of the segment.
        stills: Frames of the segment, counted from its first, that the contact sheet shows, and the key of each.
    """

    face: FaceCall
    lead: int
    frame_count: int
    key: str
    stills: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SketchRecord:
    """A piece of playback is committed; `faces_sha256` is what its segment would be found by, if it were rendered."""

    faces_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentCall:
    """Render, encode, verify, inspect and commit one segment under `key`, what was found under `inspection_key`.

    Attributes:
        face: Posed faces of the segment and of its context.
        lead: How many frames of `face` come before the segment.
        frame_count: Frames of the segment.
        link_key: Where the plan says that it uses this segment; empty where no plan does.
    """

    face: PosedFace
    lead: int
    index: int
    first_frame: int
    frame_count: int
    key: str
    inspection_key: str
    link_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeCall:
    """Do all of a job in one piece, going on from what an earlier try of it left.

    Attributes:
        name: The job's name in the farm.
        document: The job, JSON.
        folder: Where its relative paths start.
        overwrite: Whether files that the farm did not write may be replaced.
    """

    name: str
    document: str
    folder: Path
    overwrite: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeStep:
    """How far a job in one piece is: so many units of a step; a total of 0 is not known."""

    step: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeDone:
    """A job in one piece is done.

    Attributes:
        outputs: What it made, as paths or ``s3://`` URIs.
        told: What the user should know of it, in sentences.
    """

    outputs: tuple[str, ...]
    told: tuple[str, ...] = ()


Call = WindowCall | FaceCall | SketchCall | SegmentCall


Result = Motion | PosedFace | SketchRecord | SegmentRecord | WholeDone


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaFacts:
    """Where a ready replica lives.

    Attributes:
        device: ``cuda`` or ``cpu``.
        gpus: The accelerator ids that this replica is pinned to; empty on the CPU.
        pid: Its process.
        notice: One sentence that the user should read; may be empty.
    """

    stage: Stage
    device: str
    gpus: tuple[str, ...]
    pid: int
    notice: str = ""
