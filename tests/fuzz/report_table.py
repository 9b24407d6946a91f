"""The outcomes of a run as a table: kinds by codes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from fuzz_case import Outcome


def outcome_table(outcomes: Sequence[Outcome]) -> str:
    """One block for each kind: how many cases, the longest and the largest of them, and every code with its number."""
    by_kind: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_kind[outcome.case.kind].append(outcome)
    lines = []
    for kind, ended in by_kind.items():
        longest, largest = max(each.seconds for each in ended), max(each.megabytes for each in ended)
        codes = Counter(each.code for each in ended).most_common()
        shown = ", ".join(f"{code} {number}" for code, number in codes)
        lines.append(f"{kind:<28}{len(ended):>6}  {longest:5.2f} s {largest:5.0f} MB  {shown}")
    return "\n".join(lines)


def problems(outcomes: Sequence[Outcome], *, shown: int = 20) -> str:
    """The first cases that went wrong, each with the command that repeats it; empty where there is none."""
    wrong = [outcome for outcome in outcomes if outcome.problem]
    told = [f"{each.case.command}\n  {each.code}: {each.problem}" for each in wrong[:shown]]
    return "\n\n".join([f"{len(wrong)} of {len(outcomes)} cases went wrong", *told]) if wrong else ""
