"""Settings that are missing or unusual."""

from __future__ import annotations

from collections.abc import Iterable

from engine.process.access import faults_of_access
from engine.process.doctor.finding import Finding
from engine.settings import Settings


def of_settings(settings: Settings) -> Iterable[Finding]:
    """Of what is unsafe, and of what contradicts nothing, but may not be meant."""
    if settings.stream.clock == "replay":
        yield Finding("clock", "warning", "stream.clock is replay: the time is what the last replay set")
    yield from (Finding("web", "bad", fault) for fault in faults_of_access(settings.web))
