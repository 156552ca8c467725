"""A hundred rule reloads while decisions run: no request fails, and no answer is of rules that nobody wrote."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from engine import steps
from engine.decisions.policy import Policy
from engine.meter import PrometheusMeter
from engine.process.learned_counts import LearnedCounts
from engine.process.policy_in_use import PolicyInUse
from engine.process.rulebook_in_use import RulebookInUse
from engine.rulebook import apart
from engine.rulebook import watcher as watch
from engine.rulebook.directory import compile_texts
from engine.rulebook.explain import AT_ONCE as STEP
from engine.rulebook.model import Rulebook
from tests.flows.api import AGENT, Process, serving, settings
from tests.patience import PATIENCE_S
from tests.rulebook import large

RELOADS = 100
RULES = 700
ASKING = 4
WITHIN_S = PATIENCE_S
BROKEN = ("offers: [", "indicators:\n  - {name: a, when: no.such >= 1}\n", "", "\xff: latin-1")


def rules(value: int) -> str:
    """Rules that differ by `value`."""
    return f"""
indicators:
  - {{name: looking, description: sees things, when: customer.events >= 1}}
offers:
  - {{id: chat, kind: chat, channels: [web], when: looking, value: {value}, propensity: 0.2, say: "Hi"}}
"""


class LoudMeter(PrometheusMeter):
    """Lets a test wait for a gauge to be set."""

    def __init__(self) -> None:
        super().__init__()
        self.moved = asyncio.Event()

    def set(self, name: str, value: float, label: str = "") -> None:
        super().set(name, value, label)
        self.moved.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not holds():
                self.moved.clear()
                await self.moved.wait()


def renamed(file: Path, text: bytes) -> None:
    """Beside it, then in its place: nobody sees a part."""
    draft = file.with_name(".draft")
    draft.write_bytes(text)
    os.replace(draft, file)


def overwritten(file: Path, text: bytes) -> None:
    """Emptied, then filled."""
    file.write_bytes(text)


class Rules:
    """A rule file that is followed, and the HTTP application on it. ``written`` are the revisions it ever had."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "rules.yaml"
        self.meter = LoudMeter()
        self.written: set[str] = set()
        self.revision = ""
        self.put(rules(0), renamed)
        self.process = Process(settings(deadline_ms=20_000), meter=self.meter)
        self.in_use = PolicyInUse(
            RulebookInUse(directory, self.meter), LearnedCounts(self.process.store), self._take
        )

    def _take(self, policy: Policy) -> None:
        self.process.policy = policy

    def put(self, text: str, how: Callable[[Path, bytes], None]) -> None:
        """Write good rules."""
        self.revision = compile_texts({str(self.file): text}).revision
        self.written.add(self.revision)
        how(self.file, text.encode())

    async def taken(self) -> None:
        """Wait until the rules last written are in use and no fault is reported."""
        await self.meter.until(
            lambda: (
                self.in_use.policy.rulebook.revision == self.revision and not self.meter.value("rulebook_faults")
            )
        )

    async def spoil(self, text: str, how: Callable[[Path, bytes], None]) -> None:
        """Write a broken file and wait until its fault is reported."""
        how(self.file, text.encode("latin-1"))
        await self.meter.until(lambda: self.meter.value("rulebook_faults") > 0)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look sooner after a change than is right for people's editors."""
    monkeypatch.setattr(watch, "DEBOUNCE_MS", 20)


@asynccontextmanager
async def followed(directory: Path) -> AsyncIterator[Rules]:
    rules, stop = Rules(directory), asyncio.Event()
    following = asyncio.create_task(rules.in_use.rules.follow(stop))
    try:
        yield rules
    finally:
        stop.set()
        async with asyncio.timeout(WITHIN_S):
            await following


class Asking:
    """Clients who ask for decisions without a pause."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.statuses: Counter[int] = Counter()
        self.fallbacks: Counter[bool] = Counter()
        self.revisions: Counter[str] = Counter()
        self.stop = asyncio.Event()
        self._answered = asyncio.Event()

    async def until(self, revision: str) -> None:
        """Wait for an answer of that revision."""
        async with asyncio.timeout(WITHIN_S):
            while revision not in self.revisions:
                self._answered.clear()
                await self._answered.wait()

    async def ask(self) -> None:
        while not self.stop.is_set():
            answer = await self._client.post(
                "/v1/decisions", json={"customerId": "ann", "channel": "web", "peek": True}, headers=AGENT
            )
            self.statuses[answer.status_code] += 1
            self.revisions[answer.json()["revision"]] += 1
            self.fallbacks[answer.json()["fallback"]] += 1
            self._answered.set()


@pytest.mark.usefixtures("quick")
async def test_a_hundred_reloads_while_decisions_run(tmp_path: Path) -> None:
    async with followed(tmp_path) as deployed, serving(deployed.process) as client:
        await deployed.process.know("ann", recent_total=1)
        asking = Asking(client)
        async with asyncio.TaskGroup() as group:
            for _ in range(ASKING):
                group.create_task(asking.ask())
            for reload in range(1, RELOADS + 1):
                how = overwritten if reload % 2 else renamed
                if reload % 5 == 0:
                    before = deployed.in_use.policy.rulebook
                    await deployed.spoil(BROKEN[reload // 5 % len(BROKEN)], how)
                    assert deployed.in_use.policy.rulebook is before
                    assert deployed.in_use.rules.faults
                deployed.put(rules(reload), how)
                await deployed.taken()
                await asking.until(deployed.revision)
            asking.stop.set()
        # the HTTP process reports the same
        shown = (await client.get("/v1/rulebook", headers=AGENT)).json()
    assert shown["revision"] == deployed.revision
    assert set(asking.statuses) == {200}
    assert set(asking.fallbacks) == {False}
    assert set(asking.revisions) <= deployed.written
    assert len(asking.revisions) >= RELOADS
    assert deployed.meter.value("rulebook_reloads") == RELOADS
    assert deployed.meter.value("rulebook_faults") == 0
    assert deployed.meter.value("rulebook_info", deployed.revision) == 1 == deployed.meter.value("rulebook_info")


@pytest.mark.usefixtures("quick")
async def test_the_old_rules_put_back_end_the_fault_without_a_reload(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "cueline")
    async with followed(tmp_path) as deployed:
        await deployed.spoil("offers: [", renamed)
        assert deployed.in_use.rules.faults
        assert _mended(caplog) == []
        deployed.put(rules(0), renamed)
        await deployed.taken()
        deployed.put(rules(1), renamed)  # nothing was wrong before this one
        await deployed.taken()
        assert len(_mended(caplog)) == 1
        assert compile_texts({str(deployed.file): rules(0)}).revision in _mended(caplog)[0]
    assert deployed.in_use.rules.faults == []
    assert deployed.meter.value("rulebook_reloads") == 1


@pytest.mark.usefixtures("quick")
async def test_a_broken_file_taken_away_is_said_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "cueline")
    async with followed(tmp_path) as deployed:
        (extra := tmp_path / "extra.yaml").write_text("offers: [")
        await deployed.meter.until(lambda: deployed.meter.value("rulebook_faults") > 0)
        extra.unlink()
        await deployed.taken()
    assert [deployed.revision in line for line in _mended(caplog)] == [True]


@pytest.mark.usefixtures("quick")
async def test_many_rules_are_swapped_beside_other_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are compiled in another process, and joined step by step: the old policy serves until the new one is
    whole."""
    monkeypatch.setattr(apart, "LARGE", 16 * 1024)
    monkeypatch.setattr(steps, "SLICE_S", 0.0)  # a turn for the loop after every step
    async with followed(tmp_path) as deployed:
        monkeypatch.setattr(apart, "load", _not_here)
        before, joining = deployed.in_use.policy, Joining(deployed.in_use)
        renamed(tmp_path / "many.yaml", large.text(0, RULES).encode())
        await asyncio.wait_for(joining.done.wait(), WITHIN_S)
        assert len(deployed.in_use.policy.rulebook.offers) == RULES + 1
        assert joining.seen[:-1] == [before] * (len(joining.seen) - 1)
        assert len(joining.seen) >= 2 * RULES // STEP
        before = deployed.in_use.policy
        deployed.in_use.learned.counts = {("offer_1", "web"): (20, 0)}
        await joining.join()
        assert joining.seen[:-1] == [before] * (len(joining.seen) - 1)
        assert len(joining.seen) >= 3 * len(before.rankings)  # each in steps of its own
        learned = deployed.in_use.policy.rankings["all", "web"].propensity
        assert learned[_position("offer_1", before)] > 0.5


class Joining:
    """Notes the policy in use at each turn of the event loop while a new one is made."""

    def __init__(self, in_use: PolicyInUse) -> None:
        self.seen: list[Policy] = []
        self.done = asyncio.Event()
        self._in_use = in_use
        self._renew = in_use.rules.on_change
        in_use.rules.on_change = self.join

    async def join(self) -> None:
        self.seen.clear()
        looking = asyncio.create_task(self._look())
        await self._renew()
        looking.cancel()
        self.done.set()

    async def _look(self) -> None:
        while True:
            self.seen.append(self._in_use.policy)
            await asyncio.sleep(0)


def _not_here(folder: Path) -> Rulebook:
    raise AssertionError(f"{folder} is compiled in this process")


def _position(offer: str, policy: Policy) -> int:
    return [one.id for one in policy.rulebook.offers].index(offer)


def _mended(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.messages if "no faults any more" in line]
