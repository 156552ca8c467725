"""How Amazon Connect calls things: names in whatever case, and channels."""

from __future__ import annotations

from typing import Any

from engine.events import ContactChannel

DEEPEST = 6  # names of objects within objects that are compared without regard to case

CHANNELS = {
    "voice": ContactChannel.VOICE,
    "chat": ContactChannel.CHAT,
    "email": ContactChannel.EMAIL,
}


def lowered(value: Any, depth: int = DEEPEST) -> Any:
    """`value` with the names of objects in small letters."""
    if not isinstance(value, dict) or not depth:
        return value
    return {name.lower(): lowered(inner, depth - 1) for name, inner in value.items()}
