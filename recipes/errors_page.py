"""Writes docs/errors.md: every code an error can have, read from the sources that raise it; the API's copy as well.

    python -m recipes.errors_page

A call that gives ``code=`` has a code of its own; an error class has one by default. Exit code and ``retry`` are the
class's own unless the call says otherwise, for errors of the stages those of the farm's error which `farm.translation`
makes of them.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeGuard

import stages.errors
from farm.translation import translate
from infra.journal.problems import DatabaseProblem
from infra.storage.s3_problems import HINTS, S3Error, S3Problem
from jobs.errors import ExitCode, FarmError, JournalError, Retry, StoreError, StoreUnavailable
from jobs.spec_mistake import SpecMistake

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "errors.md"
TABLE: Final = ROOT / "farm" / "api" / "error_codes.json"
"""The same for the API, which explains each code that it tells."""

_PACKAGES: Final = ("jobs", "infra", "stages", "farm")
_FAMILIES: Final = {"speech": "SpeechError", "clip": "SubjectError"}
"""Codes of `stages.media` begin with what the file is to its reader, who chooses the class of the error too."""
_CODE: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

_HEAD: Final = """# Errors: every code, how the command ends, and what to do

This page is written by `python -m recipes.errors_page` from the sources. With `--json` an error has `code`, `where`
(the field or object concerned), `message`, `hint`, `exit_code` and `retry`; in a terminal it is one line,
`error [code] where: message`, and the hint. A code keeps its meaning. Where a hint names something that differs from
case to case, `...` stands for it here.

The farm tries again by itself where that can help, and only there. **never**: the job, pair or run ends at once with
this error. **later**: something does not answer for now; what needs it waits, twice as long each time and charged to
nobody, says so in `farm why`, `farm status` and the log, and ends with this error once `patience` is over.
**elsewhere**: another replica, or a fresh one, tries it, until the budget of the window, face or segment is spent.

| exit code | meaning |
|---|---|
"""


Kinds = Mapping[str, ast.ClassDef]
"""Every class of the product, by name."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One code where it is raised.

    Attributes:
        code: The code.
        exit_code: How a command ends with it.
        what: What it means, or what is said first.
        hint: What to do; may be empty.
        retry: Whether trying again helps; several words where that differs from case to case.
    """

    code: str
    exit_code: int
    what: str
    hint: str
    retry: tuple[Retry, ...]


def entries() -> list[Entry]:
    """Every code of the product, sorted."""
    trees = [
        ast.parse(path.read_text(encoding="utf-8"))
        for package in _PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    ]
    kinds = {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}
    found = {entry for node in kinds.values() for entry in _of_class(node, kinds)}
    shared = {name: value for tree in trees for name, value in _constants(tree).items()}
    found.update(entry for tree in trees for entry in _of_calls(tree, kinds, shared))
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found.update(_of_s3(calls))
    found.update(_of_databases(calls))
    return sorted(found)


def page(found: Sequence[Entry]) -> str:
    """The text of the page."""
    lines = [f"| {code.value} | {code.meaning} |" for code in ExitCode]
    lines += ["", "| code | exit | trying again | what happened | what to do |", "|---|---|---|---|---|"]
    by_code: defaultdict[tuple[str, int], list[Entry]] = defaultdict(list)
    for entry in found:
        by_code[entry.code, entry.exit_code].append(entry)
    for (code, exit_code), same in sorted(by_code.items()):
        what = "; or: ".join(dict.fromkeys(entry.what for entry in same if entry.what))
        hints = "; or: ".join(dict.fromkeys(entry.hint for entry in same if entry.hint))
        retry = " or ".join(word.value for word in Retry if any(word in entry.retry for entry in same))
        lines.append(f"| `{code}` | {exit_code} | {retry} | {_cell(what)} | {_cell(hints)} |")
    return _HEAD + "\n".join(lines) + "\n"


def table(found: Sequence[Entry]) -> str:
    """What each code means, as JSON."""
    codes: dict[str, dict[str, list[str]]] = {}
    for entry in found:
        told = codes.setdefault(entry.code, {"what": [], "hints": [], "retry": []})
        words = (
            ("what", entry.what),
            ("hints", entry.hint),
            *(("retry", word.value) for word in entry.retry),
        )
        for kind, text in words:
            if text and text not in told[kind]:
                told[kind].append(" ".join(text.split()))
    return json.dumps(codes, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page."""
    argparse.ArgumentParser(prog="python -m recipes.errors_page", description=__doc__).parse_args(arguments)
    found = entries()
    PAGE.write_text(page(found), encoding="utf-8")
    TABLE.write_text(table(found), encoding="utf-8")
    return 0


def _of_class(node: ast.ClassDef, kinds: Kinds) -> Iterator[Entry]:
    code = _attribute(node, "default_code")
    exit_code = _class_exit_code(node.name, kinds)
    if code is not None and exit_code is not None:
        what = (ast.get_docstring(node) or "").splitlines()[0].rstrip(".")
        yield Entry(_text(code, {}), exit_code, what, "", (_class_retry(node.name, kinds),))


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    return {
        target.id: node.value
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }


def _of_calls(tree: ast.Module, kinds: Kinds, shared: dict[str, ast.expr]) -> Iterator[Entry]:
    constants = {**shared, **_constants(tree)}
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
        code = _text(given.get("code"), constants)
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        said = given.get("what") or given.get("message") or (call.args[0] if call.args else None)
        # What is wrong with a file is told of a speech and of a clip in the same words.
        families = _FAMILIES if name == "family" else {"": name}
        for noun, kind in families.items():
            own = code.replace("...", noun, 1)
            exit_code = _exit_code(kind, own, kinds)
            if _CODE.fullmatch(own) and exit_code is not None:
                retry = _retry(kind, own, given.get("retry"), kinds)
                yield Entry(
                    own, exit_code, _text(said, constants), _text(given.get("hint"), constants), retry
                )


def _of_s3(calls: Sequence[ast.Call]) -> Iterator[Entry]:
    """What S3 can answer; what passes by itself is passing wherever it is said to be."""
    passing = {
        ast.unparse(call.args[0]).partition(".")[2]
        for call in _calls_of(S3Error, calls)
        if any(each.arg == "is_passing" and ast.unparse(each.value) == "True" for each in call.keywords)
    }
    # Of these two, what is told is an error of another code, or none.
    for problem in set(S3Problem) - {S3Problem.NO_OBJECT, S3Problem.EXISTS}:
        kind = StoreUnavailable if problem.name in passing else StoreError
        what = f"S3: {problem.name.lower().replace('_', ' ')}"
        yield Entry(problem.value, int(kind.exit_code), what, HINTS[problem], (kind.default_retry,))


def _of_databases(calls: Sequence[ast.Call]) -> Iterator[Entry]:
    """What the journal's database can answer."""
    for call in _calls_of(DatabaseProblem, calls):
        code, what, hint, *passing = (_text(argument, {}) for argument in call.args)
        retry = Retry.LATER if passing else Retry.NEVER
        yield Entry(code, int(JournalError.exit_code), what, hint, (retry,))


def _calls_of(kind: type[object], calls: Sequence[ast.Call]) -> Iterator[ast.Call]:
    return (call for call in calls if isinstance(call.func, ast.Name) and call.func.id == kind.__name__)


def _exit_code(name: str, code: str, kinds: Kinds) -> int | None:
    """How a command ends with an error that a call of the name makes; None where it makes none."""
    if name == SpecMistake.__name__:
        return int(ExitCode.USAGE)
    translated = _of_stage(name, code)
    return _class_exit_code(name, kinds) if translated is None else int(translated.exit_code)


def _retry(called: str, code: str, given: ast.expr | None, kinds: Kinds) -> tuple[Retry, ...]:
    """What the call says of trying again; ``None`` there stands for what its class says."""
    translated = _of_stage(called, code)
    of_class = _class_retry(called, kinds) if translated is None else translated.retry
    said = [Retry[each.attr] for each in ast.walk(given) if _is_word(each)] if given is not None else []
    is_always = len(said) == 1 and isinstance(given, ast.Attribute)
    return tuple(said) if is_always else (of_class, *said)


def _is_word(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Retry"


def _of_stage(name: str, code: str) -> FarmError | None:
    """What becomes of an error of the stages; None for all others."""
    theirs = getattr(stages.errors, name, None)
    if isinstance(theirs, type) and issubclass(theirs, stages.errors.StageError):
        return translate(theirs(code=code, what=""), where="")
    return None


def _class_retry(name: str, kinds: Kinds) -> Retry:
    node = kinds.get(name)
    if node is None:
        return Retry.NEVER
    own = _attribute(node, "default_retry")
    if isinstance(own, ast.Attribute):
        return Retry[own.attr]
    bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
    return _class_retry(bases[0], kinds) if bases else Retry.NEVER


def _class_exit_code(name: str, kinds: Kinds) -> int | None:
    """The exit code of an error class of the farm, its own or that of the class it is derived from."""
    node = kinds.get(name)
    if node is None:
        return None
    own = _attribute(node, "exit_code")
    if isinstance(own, ast.Attribute):
        return int(ExitCode[own.attr])
    bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
    return next((code for base in bases if (code := _class_exit_code(base, kinds)) is not None), None)


def _attribute(node: ast.ClassDef, name: str) -> ast.expr | None:
    for each in node.body:
        targets = each.targets if isinstance(each, ast.Assign) else []
        target = each.target if isinstance(each, ast.AnnAssign) else next(iter(targets), None)
        if (
            isinstance(target, ast.Name)
            and target.id == name
            and isinstance(each, (ast.Assign, ast.AnnAssign))
        ):
            return each.value
    return None


def _text(node: ast.expr | None, constants: dict[str, ast.expr]) -> str:
    """A text as far as the source says it; ``...`` where it is put together when the program runs."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            _text(each, constants) if isinstance(each, ast.Constant) else "..." for each in node.values
        )
    if isinstance(node, ast.Name) and node.id in constants:
        return _text(constants[node.id], constants)
    return ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    raise SystemExit(main())
