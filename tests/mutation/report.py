"""The figures of a run, and what survived it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.mutation.ledger import KILLED, SURVIVED, TIMEOUT, Result
from tests.mutation.mutant import Mutant
from tests.mutation.targets import area_of

Found = Sequence[tuple[Mutant, Result | None]]


def figures(found: Found, equivalent: Mapping[str, str]) -> dict[str, Any]:
    """Counts and the score: the share of mutants noticed, of those that were run.

    A mutant that ends in an endless loop (``timeout``) is noticed. Those listed as equivalent are not run: they
    are counted, and no part of the score.
    """
    outcomes = [result.outcome for _, result in found if result is not None]
    counts = {name: outcomes.count(name) for name in (KILLED, SURVIVED, TIMEOUT)}
    alike = sum(mutant.id in equivalent for mutant, _ in found)
    score = round((counts[KILLED] + counts[TIMEOUT]) / len(outcomes), 3) if outcomes else None
    return {
        "sampled": len(found),
        "killed": counts[KILLED],
        "survived": counts[SURVIVED],
        "equivalent": alike,
        "timeout": counts[TIMEOUT],
        "notRun": len(found) - len(outcomes) - alike,
        "score": score,
    }


def survivors(root: Path, found: Found) -> list[dict[str, Any]]:
    """The mutants that no test noticed, with their diffs."""
    return [
        {
            "id": mutant.id,
            "file": mutant.path,
            "line": mutant.line,
            "operator": mutant.edit.operator,
            "diff": mutant.diff((root / mutant.path).read_bytes()),
        }
        for mutant, result in found
        if result is not None and result.outcome == SURVIVED
    ]


def in_words(root: Path, found: Found, equivalent: Mapping[str, str], left_out: Sequence[str]) -> str:
    """Survivors, equivalents, tests that say nothing, a line an area, and the figures in the last line."""
    lines = []
    for one in survivors(root, found):
        lines += [f"\n{one['file']}:{one['line']} {one['operator']} {one['id']}", one["diff"]]
    lines += ["", "equivalent, and why:"] if any(mutant.id in equivalent for mutant, _ in found) else []
    lines += [f"  {m.id} {m.path}:{m.line} {equivalent[m.id]}" for m, _ in found if m.id in equivalent]
    lines += (
        ["", "left out, since they fail without a mutant:", *(f"  {name}" for name in left_out)]
        if left_out
        else []
    )
    lines.append("")
    for name in dict.fromkeys(_area(mutant) for mutant, _ in found):
        part = figures([one for one in found if _area(one[0]) == name], equivalent)
        lines.append(f"{name:12} {_line(part)}")
    return "\n".join([*lines, f"{'all':12} {_line(figures(found, equivalent))}"])


def _line(counts: Mapping[str, Any]) -> str:
    return " ".join(f"{name} {value}" for name, value in counts.items())


def _area(mutant: Mutant) -> str:
    area = area_of(mutant.path)
    return area.name if area else ""
