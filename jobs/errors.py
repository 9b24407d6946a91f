"""Everything that can go wrong with a job, as one tree.

    FarmError
    ├── SpecError                 the job itself is wrong; carries every mistake at once
    ├── SettingsError             an environment variable holds what the farm cannot use
    ├── InputError                what the job reads
    │   ├── InputNotFound             no such file or object, or it may not be read
    │   ├── InputChanged              it is no longer what the job was planned from
    │   ├── BundleUnusable            a replay bundle is missing, damaged or of another version
    │   └── NotSpeech                 it can be read, but there is no usable speech in it
    ├── CastingError              who the job shows, and the weights that draw them
    │   ├── UnknownSubject            no subject package of that name or at that place
    │   ├── SubjectRefused            no consent on record, or a broken package
    │   ├── WeightsMismatch           weights of another architecture, size or training
    │   └── FormUnavailable           a machine that cannot compute the network in the form that was asked for
    ├── OutputError               what the job writes
    │   ├── OutputUnwritable          the place of the master cannot be written
    │   ├── OutputRefused             something of the studio's would be lost there
    │   ├── DiskFull                  no space left where the farm writes
    │   └── StoreError                the object store refused, lost or corrupted an object
    │       ├── StoreUnavailable          it does not answer, or is too busy, for now
    │       ├── ObjectNotFound            nothing is committed under that key
    │       └── SegmentDivergence         the nondeterminism alarm: same key, other bytes
    ├── RenderError               the work itself
    │   └── SegmentFailed             a segment failed again and again on healthy replicas
    │       └── SegmentRejected           it was rendered, but its pictures are not good
    ├── TrainingError             the learning of weights
    │   ├── TrainingFailed            the run stopped: its code raised, or its losses are no longer numbers
    │   └── DataUnusable              the clips are there, but this stage cannot learn from them
    ├── EvaluationError           the judging of videos
    │   └── PairFailed                one video could not be judged against its true one; the others were
    ├── InfrastructureError       the machines; never charged to the job
    │   ├── ReplicaLost               an actor, its process or its node is gone
    │   ├── ClusterUnavailable        the cluster cannot be started or reached
    │   └── JournalError              the journal cannot be read or written
    │       ├── JournalFenced             a later run of the farm writes it now
    │       └── JournalCorrupt            it is damaged, or tells what cannot have happened
    ├── InternalError             the farm itself failed in a way that nobody foresaw
    ├── NotEnded                  jobs were waited for, and the time was up before they ended
    ├── TokenTaken                the token of a request was used for another one
    ├── AccessRefused             no key, or one that may not do this
    ├── UnknownKey                no key has that name
    └── Cancelled                 somebody asked the farm to stop

A caller who wants one line per failure needs no more than the base class::

    try:
        render(job)
    except FarmError as error:
        report(error.line(), error.hint)
        return error.exit_code
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import Any

from jobs.exit_codes import ExitCode as ExitCode
from jobs.farm_error import FarmError as FarmError
from jobs.farm_error import Retry as Retry
from jobs.spec_mistake import SpecMistake as SpecMistake

_AWAY = frozenset(
    {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH}
)


def is_away(error: OSError) -> bool:
    """Whether the operating system says that a disk, such as one of the network, does not answer for now."""
    return error.errno in _AWAY


class SpecError(FarmError):
    """The job cannot be accepted; ``mistakes`` holds everything that is wrong with it.

    Attributes:
        mistakes: At least one mistake, in the order of the file where lines are known.
    """

    exit_code = ExitCode.USAGE
    default_code = "bad_spec"
    mistakes: tuple[SpecMistake, ...]

    def __init__(
        self,
        message: str = "",
        *,
        mistakes: Iterable[SpecMistake],
        where: str = "",
        hint: str = "",
        code: str = "",
    ) -> None:
        found = tuple(mistakes)
        count = "1 mistake" if len(found) == 1 else f"{len(found)} mistakes"
        super().__init__(message or f"the job has {count}", where=where, hint=hint, code=code)
        self.mistakes = found

    def as_record(self) -> dict[str, Any]:
        """The failure as plain data, with one record for each mistake."""
        return {**super().as_record(), "mistakes": [mistake.as_record() for mistake in self.mistakes]}

    def __str__(self) -> str:
        return "\n".join([self.line(), *(f"  {mistake}" for mistake in self.mistakes)])

    def _fields(self) -> dict[str, Any]:
        return {**super()._fields(), "mistakes": self.mistakes}


class SettingsError(FarmError):
    """An environment variable or an address of the farm has a value it cannot take."""

    exit_code = ExitCode.USAGE
    default_code = "bad_setting"


class InputError(FarmError):
    """Something the job reads cannot be used."""

    exit_code = ExitCode.INPUT
    default_code = "bad_input"


class InputNotFound(InputError):
    """A named input does not exist or may not be read."""

    default_code = "input_not_found"


class InputChanged(InputError):
    """What a job was planned from has changed since."""

    default_code = "input_changed"


class BundleUnusable(InputError):
    """A replay bundle cannot be used: there is none, it was changed, or another version wrote it."""

    default_code = "bad_bundle"


class NotSpeech(InputError):
    """The file holds no usable speech: not audio, zero length, or samples that are not numbers."""

    default_code = "not_speech"


class CastingError(FarmError):
    """The subject or the weights of a job cannot be used."""

    exit_code = ExitCode.CASTING
    default_code = "bad_casting"


class UnknownSubject(CastingError):
    """No subject package has that name or lies at that place."""

    default_code = "unknown_subject"


class SubjectRefused(CastingError):
    """The subject package is broken, or names no consent; no face is rendered without one."""

    default_code = "subject_refused"


class WeightsMismatch(CastingError):
    """Weights do not fit the architecture that should load them."""

    default_code = "weights_mismatch"


class FormUnavailable(CastingError):
    """A machine cannot compute the renderer's network in the form, or as the kind of processor, that a plan names."""

    default_code = "form_unavailable"
    default_retry = Retry.ELSEWHERE


class OutputError(FarmError):
    """Something the job writes cannot be written."""

    exit_code = ExitCode.OUTPUT
    default_code = "bad_output"


class OutputUnwritable(OutputError):
    """The place of the master cannot be written."""

    default_code = "output_unwritable"


class OutputRefused(OutputError):
    """An output would replace what a job reads, what another job writes, or a file that the farm did not write."""

    default_code = "output_refused"


class DiskFull(OutputError):
    """No space is left where the farm writes."""

    default_code = "disk_full"

    @staticmethod
    def or_unwritable(error: OSError, *, where: str, hint: str) -> DiskFull | OutputUnwritable:
        """The right error for a write that the operating system refused."""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return DiskFull("no space is left", where=where, hint=hint)
        place = f"'{error.filename}' " if error.filename else ""
        reason = (error.strerror or type(error).__name__).lower()
        return OutputUnwritable(
            f"{place}cannot be written: {reason}",
            where=where,
            hint=hint,
            retry=Retry.LATER if is_away(error) else None,
        )


class StoreError(OutputError):
    """The object store refused, lost or corrupted an object: the same would happen again."""

    default_code = "store_failed"


class StoreUnavailable(StoreError):
    """The object store does not answer, is too busy or throttles: the same may succeed later."""

    default_code = "store_unavailable"
    default_retry = Retry.LATER


class ObjectNotFound(StoreError):
    """Nothing is committed under that key."""

    default_code = "object_not_found"


class SegmentDivergence(StoreError):
    """A second copy of a committed object has other bytes: the nondeterminism alarm.

    The first copy stays as it is. Either something in the render is not deterministic, or two
    engines that call themselves the same version differ.
    """

    default_code = "segment_divergence"


class RenderError(FarmError):
    """The work of a job failed."""

    exit_code = ExitCode.RENDER
    default_code = "render_failed"


class SegmentFailed(RenderError):
    """A segment failed repeatedly on healthy replicas."""

    default_code = "segment_failed"
    default_retry = Retry.ELSEWHERE


class SegmentRejected(SegmentFailed):
    """A segment was rendered, but its pictures are not good; it is not committed."""

    default_code = "segment_rejected"
    default_retry = Retry.NEVER


class TrainingError(FarmError):
    """Weights could not be trained; the last checkpoint stays, and the same job goes on from it."""

    exit_code = ExitCode.TRAINING
    default_code = "bad_training"


class TrainingFailed(TrainingError):
    """The run stopped: its code raised an error, or its losses are no longer numbers."""

    default_code = "training_failed"


class DataUnusable(TrainingError):
    """The clips can be read, but the stage cannot learn from them."""

    default_code = "data_unusable"


class EvaluationError(FarmError):
    """Videos could not be judged; what was measured is committed and is not measured again."""

    exit_code = ExitCode.EVALUATION
    default_code = "bad_evaluation"


class PairFailed(EvaluationError):
    """One video could not be judged against its true one."""

    default_code = "pair_failed"


class InfrastructureError(FarmError):
    """A machine failed, not the job; repeating the job is safe and renders only what is missing."""

    exit_code = ExitCode.INFRASTRUCTURE
    default_code = "infrastructure_failed"
    default_retry = Retry.ELSEWHERE


class ReplicaLost(InfrastructureError):
    """A replica is gone: its actor, process or node died."""

    default_code = "replica_lost"


class ClusterUnavailable(InfrastructureError):
    """The cluster cannot be started or reached."""

    default_code = "cluster_unavailable"
    default_retry = Retry.LATER


class JournalError(InfrastructureError):
    """The journal cannot be reached, read or written."""

    default_code = "journal_failed"
    default_retry = Retry.NEVER


class JournalFenced(JournalError):
    """A later run of the farm became the journal's writer; nothing of the earlier one is kept any more."""

    default_code = "journal_fenced"


class JournalCorrupt(JournalError):
    """The journal is damaged, or an entry tells what cannot have happened; the error names the first such entry."""

    default_code = "journal_corrupt"


class InternalError(FarmError):
    """The farm itself failed in a way that nobody foresaw; the traceback is kept in the file that the error names."""

    exit_code = ExitCode.INTERNAL
    default_code = "internal_error"


class NotEnded(FarmError):
    """Jobs were waited for, and the time was up before they ended; they go on."""

    exit_code = ExitCode.NOT_ENDED
    default_code = "not_ended"


class TokenTaken(FarmError):
    """The token of a request was used before, for another request."""

    exit_code = ExitCode.USAGE
    default_code = "token_taken"


class AccessRefused(FarmError):
    """The API opens nothing: there is no key, it is none of this farm, it has ended, or it may not do this."""

    exit_code = ExitCode.ACCESS
    default_code = "key_refused"


class UnknownKey(FarmError):
    """No key of the API has that name."""

    exit_code = ExitCode.USAGE
    default_code = "unknown_key"


class Cancelled(FarmError):
    """Somebody asked the farm to stop; committed segments stay and are not rendered again."""

    exit_code = ExitCode.INTERRUPTED
    default_code = "cancelled"
