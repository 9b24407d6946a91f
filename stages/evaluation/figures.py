"""What is measured on a video, and between two of them. What each figure is, is in docs/measures.md.

None stands for what was not measured; the notes of an `Evaluation` say why.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from stages.evaluation.traces import Traces
from stages.metrics.blinking import Blinking
from stages.metrics.head_motion import HeadMotion


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncFigures:
    """Lips against sound.

    Attributes:
        offset: frames of 40 ms by which the sound lags the lips.
        confidence: how clearly that offset stands out (as LSE-C; higher is better).
        distance: of lips and sound at that offset (as LSE-D; lower is better).
        judge: the network that said so.
    """

    offset: int
    confidence: float
    distance: float
    judge: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFigures:
    """What can be said of one video alone.

    Attributes:
        file: its path.
        width, height, fps: as recorded.
        frames: at 25 a second.
        face_share: share of frames in which a face was found.
        niqe: naturalness of the picture, lower is better.
        sharpness: variance of the Laplacian on the face.
        flicker: mean second difference in time of the luma beside the face, in levels of 255.
        frozen_share: share of frames that repeat the one before.
        black_share: share of frames that are black.
        identity: mean cosine of its faces to the truth's mean face.
        sync: lips against sound.
        head: motion of the head.
        blinks: of both eyes.
    """

    file: str
    width: int
    height: int
    fps: float
    frames: int
    face_share: float
    niqe: float | None
    sharpness: float
    flicker: float | None
    frozen_share: float
    black_share: float
    identity: float | None
    sync: SyncFigures | None
    head: HeadMotion
    blinks: Blinking


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFigures:
    """What can be said of a generated video beside the true one, frame t with frame t.

    Attributes:
        frames: compared: those that both have.
        face_frames: of these, frames with a face in both.
        lmd, lmd_v: distance of the lip points, and of their steps, canonical px.
        ma: agreement of the mouth's opening (inner lips).
        ma_outer: the same of the outer lips.
        opening_correlation: Pearson's, of the inner-lip opening; None where one of the two does not move.
        psnr: dB, mean over frames that are not equal; infinite where all are.
        mouth_psnr: the same in the box around the mouth.
        ssim: mean over frames.
        tcm: temporal consistency, MODA eq. 16.
        sharpness_share, flicker_share: the generated video's as a share of the truth's, sharpness over the frames
            in which the truth shows a face.
    """

    frames: int
    face_frames: int
    lmd: float
    lmd_v: float | None
    ma: float
    ma_outer: float
    opening_correlation: float | None
    psnr: float | None
    mouth_psnr: float | None
    ssim: float | None
    tcm: float | None
    sharpness_share: float | None
    flicker_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A generated video judged against the true one.

    Attributes:
        generated: the generated video alone.
        truth: the true one alone.
        pair: one against the other.
        speech: the sound that sync was judged by; None: each video's own.
        notes: what a reader must know: lengths that differ, what was not measured and why.
        traces: figures frame by frame, for plots.
    """

    generated: VideoFigures
    truth: VideoFigures
    pair: PairFigures
    speech: str | None
    notes: tuple[str, ...]
    traces: Traces

    def as_record(self) -> dict[str, object]:
        """Plain data for JSON, without the traces: infinity is the text "inf", what was not measured is null."""
        return {
            "generated": _plain(asdict(self.generated)),
            "truth": _plain(asdict(self.truth)),
            "pair": _plain(asdict(self.pair)),
            "speech": self.speech,
            "notes": list(self.notes),
        }


def _plain(fields: dict[str, object]) -> dict[str, object]:
    return {
        name: _plain(value) if isinstance(value, dict) else _finite(value) for name, value in fields.items()
    }


def _finite(value: object) -> object:
    return "inf" if isinstance(value, float) and math.isinf(value) else value
