"""The seam between an evaluate job and the measures: files in, figures and plots out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from jobs.errors import EvaluationError

if TYPE_CHECKING:
    from farm.evaluation.records import PairRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFiles:
    """A pair on this machine.

    Attributes:
        takes: What a system made, the first take first.
        reference: The true video.
        speech: The sound that sync is judged by; None: each video's own.
    """

    takes: tuple[Path, ...]
    reference: Path
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
            from stages.evaluation.report import takes_record, write_report
            from stages.threads import use_one_thread
        except ModuleNotFoundError as error:
            raise EvaluationError(
                f"judging videos needs {error.name}, which is not installed where the workers run",
                where="evaluate",
                code="evaluation_extra_missing",
                hint="make test installs what measuring needs, beside what rendering needs",
            ) from error

        use_one_thread()
        judged = evaluate_takes(
            files.takes,
            files.reference,
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
