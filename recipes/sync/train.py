"""Train the judge of lip-sync.

`python -m recipes.sync.train --clips DIR... --held-out NAME... --out FILE --steps N`
"""

from __future__ import annotations

import argparse
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from recipes.corpus import performer_of
from recipes.sync.data import SyncClip, load_clips
from recipes.sync.training import SyncTraining, train_judge
from stages.payloads import FRAMES_PER_SECOND
from stages.speech.loading import load_encoder
from stages.sync.inputs import ENCODER
from stages.sync.judge_network import ARCHITECTURE, SyncNetwork
from stages.threads import use_one_thread
from stages.weights import save_weights
from stages.weights_header import WeightsHeader

logger = logging.getLogger(__name__)


def publish_judge(
    path: Path, network: SyncNetwork, clips: Sequence[SyncClip], training: SyncTraining
) -> None:
    """Write a trained judge with what it learned from."""
    digest = hashlib.sha256()
    for clip in clips:
        digest.update(np.ascontiguousarray(clip.lips_TK).tobytes() + clip.sound_TA.tobytes())
    save_weights(
        path,
        network,
        WeightsHeader(
            architecture=ARCHITECTURE,
            sizes=asdict(training.network),
            encoder=ENCODER,
            fps=FRAMES_PER_SECOND,
            training_data=digest.hexdigest(),
            facts={
                "clips": len(clips),
                "frames": sum(clip.frame_count for clip in clips),
                "steps": training.steps,
                "seed": training.seed,
            },
        ),
    )


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="folders of prepared clips")
    parser.add_argument("--held-out", nargs="*", default=[], help="speakers that are not trained on")
    parser.add_argument("--out", type=Path, required=True, help="weights file to write")
    parser.add_argument("--steps", type=int, default=SyncTraining().steps)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    use_one_thread()
    training = SyncTraining(steps=options.steps, seed=options.seed)
    hidden = {performer_of(speaker) for speaker in options.held_out}
    clips = load_clips(options.clips, load_encoder(ENCODER, device=torch.device("cpu")))
    seen = [clip for clip in clips if clip.performer not in hidden]
    logger.info("training on %d clips, %d held out", len(seen), len(clips) - len(seen))
    publish_judge(options.out, train_judge(seen, training), seen, training)


if __name__ == "__main__":
    main()
