"""Notices of the api process about the deployment, printed in the terminal too."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import httpx
from rich.markup import escape

LOOK_EVERY_S = 1.0


class Notices:
    """Follows the notices of ``/health/ready``; ``seen`` are those so far, each printed once."""

    def __init__(self, client: httpx.AsyncClient, say: Callable[[str], None]) -> None:
        self.seen: list[str] = []
        self._client = client
        self._say = say

    async def follow(self) -> None:
        """Until cancelled. An api process that is away is waited for; a new one has no notices yet."""
        while True:
            with contextlib.suppress(httpx.HTTPError, ValueError):
                answer = (await self._client.get("/health/ready")).json()
                for notice in answer.get("notices", ()):
                    self._print_once(notice)
            await asyncio.sleep(LOOK_EVERY_S)

    def _print_once(self, notice: str) -> None:
        if notice not in self.seen:
            self.seen.append(notice)
            self._say(escape(notice))
