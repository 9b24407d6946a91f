"""The errors of the stages. A leaf: it imports nothing, and every stage may import it.

    StageError
    ├── SpeechError     the recording cannot be read, or holds no usable speech
    ├── SubjectError    the subject package or a clip to prepare one from is unusable
    ├── WeightsError    weights do not fit the network they are meant for
    ├── CaptionsError   a file of captions is broken, or belongs to another speech
    └── EncodeError     a segment or a master cannot be written, or is not what was asked for

Each error carries four plain strings, so that it survives pickling between processes and a caller can show it in
one line without parsing a message.
"""

from __future__ import annotations


class StageError(Exception):
    """A stage refused its input or could not write its output.

    Attributes:
        code: Stable dotted name for machines, for example ``speech_not_found``.
        what: One sentence for people: what is wrong.
        hint: One sentence: what to do about it; may be empty.
        where: The file, object or key concerned; may be empty.
    """

    def __init__(self, *, code: str, what: str, hint: str = "", where: str = "") -> None:
        super().__init__(code, what, hint, where)
        self.code = code
        self.what = what
        self.hint = hint
        self.where = where

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.hint})" if self.hint else ""
        return f"[{self.code}] {place}{self.what}{advice}"

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own pickling calls the class with positional arguments, which keyword-only fields refuse.
        return _rebuild, (type(self), self.code, self.what, self.hint, self.where)


class SpeechError(StageError):
    """The recording cannot be read, or holds no usable speech."""


class SubjectError(StageError):
    """The subject package, or a clip to prepare one from, is unusable."""


class WeightsError(StageError):
    """Weights do not fit the network they are meant for."""


class CaptionsError(StageError):
    """A file of captions is broken, or belongs to another speech."""


class EncodeError(StageError):
    """A segment or a master cannot be written, or is not what was asked for."""


def _rebuild(kind: type[StageError], code: str, what: str, hint: str, where: str) -> StageError:
    return kind(code=code, what=what, hint=hint, where=where)
