"""The demo's simulated agent: receives every cue, requests decisions and reports outcomes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Container
from typing import Any

import httpx
import numpy as np

from engine.clock import wall_ms
from engine.demo.cue_lines import cues
from engine.demo.sample import Sample
from engine.events import Cue

DECISIONS_PER_S = 20.0
TAKEN_SHARE = 0.25  # of the customers asked about, those it acts on
ACCEPTED_SHARE = 0.3  # of the offers it shows
AGAIN_S = 0.2  # before a lost stream is reopened


class SimulatedAgent:
    """What it measured: samples ``decision_ms`` and ``cue_ms`` (event received to cue heard), ``first_cue_at``
    (`time.monotonic`, None: none yet). It asks about `customers` only, so that it takes no
    caps of customers that a user of the demo makes up."""

    def __init__(self, client: httpx.AsyncClient, api_key: str, seed: int, customers: Container[str]) -> None:
        self._rng = np.random.default_rng(seed)
        self.decision_ms, self.cue_ms = Sample(self._rng), Sample(self._rng)
        self.first_cue_at: float | None = None
        self._client = client
        self._bearer = {"authorization": f"Bearer {api_key}"}
        self._customers = customers
        self._cued: deque[str] = deque(maxlen=100)
        self._on_line = ""

    async def follow(self) -> None:
        """Hear every cue, as the page does, and how long each was on its way. Until cancelled."""
        while True:
            with contextlib.suppress(httpx.HTTPError):  # the api process died: its follower is asked again
                async with self._client.stream("GET", "/v1/live", headers=self._bearer, timeout=None) as answer:
                    answer.raise_for_status()
                    async for cue in cues(answer):
                        self._heard(cue)
            await asyncio.sleep(AGAIN_S)

    def _heard(self, cue: Cue) -> None:
        self.first_cue_at = self.first_cue_at or time.monotonic()
        if "agent" in cue.channels and cue.customer in self._customers:
            self._cued.append(cue.customer)
        if cue.received_at:
            self.cue_ms.add(wall_ms() - cue.received_at)

    async def serve(self) -> None:
        """Request decisions until cancelled."""
        while True:
            with contextlib.suppress(httpx.HTTPError):  # as a person would: asked again
                await self._ask()
            await asyncio.sleep(1 / DECISIONS_PER_S)

    async def _ask(self) -> None:
        rng = self._rng
        customer = self._cued[-1] if self._cued else f"visitor-{rng.integers(1000)}"
        # mostly peek, so that caps are not used up for the user who opens a cue of that customer
        peek = customer == self._on_line or rng.random() > TAKEN_SHARE
        self._on_line = customer
        channel = "agent" if rng.random() < 0.5 else "web"
        question = {"customerId": customer, "channel": channel, "limit": 2, "peek": peek}
        began = time.perf_counter()
        answer = await self._client.post("/v1/decisions", json=question, headers=self._bearer)
        answer.raise_for_status()
        self.decision_ms.add((time.perf_counter() - began) * 1_000)
        if not peek:
            await self._report(answer.json())

    async def _report(self, decision: dict[str, Any]) -> None:
        for offer in decision["offers"][:1]:
            outcome = "accepted" if self._rng.random() < ACCEPTED_SHARE else "ignored"
            outcome_report = {
                "decisionId": decision["decisionId"],
                "offerId": offer["offerId"],
                "outcome": outcome,
            }
            await self._client.post("/v1/outcomes", json=outcome_report, headers=self._bearer)
