"""Prepare every clip of corpus and study, restartable: `python -m recipes.prepare_corpus --data DIR --work DIR`."""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

from recipes.corpus import corpus_clips, study_clips
from stages.subject.prepare import prepare_clip
from stages.subject.tracks import ClipTracks

logger = logging.getLogger(__name__)


def prepare_corpus(*, data: Path, work: Path) -> None:
    """Track every clip that is not tracked yet."""
    for clip in (*corpus_clips(), *study_clips()):
        folder = clip.folder(work)
        if ClipTracks.is_complete(folder):
            continue
        start = time.monotonic()
        tracks = prepare_clip(data / clip.path, speaker=clip.speaker, audio_lag=clip.lag)
        tracks.save(folder)
        logger.info(
            "%s: %d frames, face in %.1f %%, shoulders %s, %.1f s",
            clip.path,
            tracks.frame_count,
            100 * tracks.facts.detected,
            "move" if tracks.facts.torso_moves else "still",
            time.monotonic() - start,
        )


def main() -> None:
    """Command line of the module."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the clips")
    parser.add_argument("--work", type=Path, required=True, help="folder for the prepared tracks")
    options = parser.parse_args()
    prepare_corpus(data=options.data, work=options.work)


if __name__ == "__main__":
    main()
