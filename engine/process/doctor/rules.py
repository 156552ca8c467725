"""Whether the rule files compile."""

from __future__ import annotations

from engine.errors import BadRule
from engine.process.doctor.finding import Finding
from engine.rulebook.directory import load
from engine.settings import Settings


def of_rules(settings: Settings) -> Finding:
    """How much there is, or every fault."""
    try:
        rulebook = load(settings.rules.directory)
    except BadRule as bad:
        faults = "\n".join(bad.faults)
        if not settings.rules.directory.is_dir():
            faults += ": set rules.directory (CUELINE_RULES__DIRECTORY) to the folder of the rule files"
        return Finding("rules", "bad", faults)
    counts = f"{len(rulebook.indicators)} indicators, {len(rulebook.offers)} offers"
    return Finding("rules", "good", f"revision {rulebook.revision}: {counts}")
