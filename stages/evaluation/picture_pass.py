"""Two videos picture by picture, in blocks that threads take side by side. Legend: T frames, H/W pixels, 3 = RGB."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from stages.evaluation.first_look import at_size
from stages.evaluation.side_by_side import PassRunner, Tick
from stages.evaluation.watch import Watched
from stages.metrics.pictures import score_frame
from stages.metrics.temporal import TemporalConsistency
from stages.video.decoding import read_frames

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureTraces:
    """Figures of every frame (T,); see `stages.metrics.pictures.PictureScores`.

    Attributes:
        psnr_T, mouth_psnr_T: dB, infinite where the pictures are equal.
        ssim_T: structural similarity.
        sharpness_T: as a share of the truth's.
        consistency_T: terms of MODA eq. 16; NaN where there is none.
    """

    psnr_T: Doubles
    mouth_psnr_T: Doubles
    ssim_T: Doubles
    sharpness_T: Doubles
    consistency_T: Doubles


def compare_pictures(
    generated: Watched, truth: Watched, *, runner: PassRunner, tick: Tick, blocks: int
) -> PictureTraces:
    """Compare the frames of two videos at the truth's size."""
    frames = len(truth.found_T)
    edges = [frames * block // blocks for block in range(blocks + 1)]
    passes = [
        partial(_compare_block, generated, truth, start=start, stop=stop, tick=tick)
        for start, stop in pairwise(edges)
    ]
    rows_T5 = np.concatenate(runner.run(passes))
    psnr_T, mouth_psnr_T, ssim_T, sharpness_T, consistency_T = rows_T5.T
    return PictureTraces(
        psnr_T=psnr_T,
        mouth_psnr_T=mouth_psnr_T,
        ssim_T=ssim_T,
        sharpness_T=sharpness_T,
        consistency_T=consistency_T,
    )


def mean_decibels(psnr_T: Doubles) -> float:
    """Mean over the frames whose pictures differ; infinite where none do."""
    differing_T = psnr_T[np.isfinite(psnr_T)]
    return float(differing_T.mean()) if len(differing_T) else float("inf")


def _compare_block(generated: Watched, truth: Watched, *, start: int, stop: int, tick: Tick) -> Doubles:
    """Rows (T, 5) of the frames [start, stop), in the order of `PictureTraces`."""
    # One frame more, so that the first has one before it.
    first = max(0, start - 1)
    facts = truth.look.facts
    consistency = TemporalConsistency()
    rows: list[tuple[float, ...]] = []
    pairs = zip(
        islice(read_frames(generated.look.path), first, stop),
        islice(read_frames(truth.look.path), first, stop),
        strict=True,
    )
    for index, (raw_HW3, truth_HW3) in enumerate(pairs, start=first):
        picture_HW3 = at_size(raw_HW3, width=facts.width, height=facts.height)
        term = consistency.add(picture_HW3, truth_HW3)
        if index < start:
            continue
        scores = score_frame(picture_HW3, truth_HW3, face=truth.faces[index], mouth=truth.mouths[index])
        rows.append(
            (
                scores.psnr,
                scores.mouth_psnr,
                scores.ssim,
                scores.sharpness,
                float("nan") if term is None else term,
            )
        )
        tick()
    return np.array(rows, dtype=np.float64).reshape(-1, 5)
