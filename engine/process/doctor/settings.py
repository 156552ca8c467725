"""Settings that are missing or unusual."""

from __future__ import annotations

from collections.abc import Iterable

from engine.process.doctor.finding import Finding
from engine.settings import Settings


def of_settings(settings: Settings) -> Iterable[Finding]:
    """Of what contradicts nothing, but may not be meant."""
    if settings.stream.clock == "replay":
        yield Finding("clock", "warning", "stream.clock is replay: the time is what the last replay set")
    for name, keys, lost in (
        ("web.write_keys", settings.web.write_keys, "no website can send events"),
        ("web.api_keys", settings.web.api_keys, "nobody can ask for decisions"),
    ):
        yield Finding(name, "good", f"{len(keys)} set") if keys else Finding(name, "warning", f"none set: {lost}")
