"""Cues out of a stream of server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import msgspec

from engine.events import Cue


async def cues(stream: httpx.Response) -> AsyncIterator[Cue]:
    """Those of `stream`, an answer whose body is read as it comes, until it ends."""
    kind = ""
    async for line in stream.aiter_lines():
        if line.startswith("event:"):
            kind = line[6:].strip()
        elif line.startswith("data:") and kind == "cue":
            yield msgspec.json.decode(line[5:], type=Cue)
