"""``cueline demo`` as the README starts it: with its defaults, until Ctrl-C."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import sys
from pathlib import Path

import httpx
import pytest

from engine.demo import scene
from engine.demo.feed import Input
from engine.demo.run import Demo, Wishes
from tests.flows.demos import END_S, ROOT, Demos, child, events_applied, until
from tests.patience import PATIENCE_S

START_S = 2 * PATIENCE_S  # it starts four processes


async def signs_a_visitors_token(page: str) -> None:
    """As README asks for one, with the demo's cookie."""
    asked = {"userId": "ann", "anonymousIds": ["visitor-1"], "scope": "cues:read outcomes:write decisions"}
    async with httpx.AsyncClient(base_url=page, trust_env=False, timeout=PATIENCE_S) as client:
        await client.get("/")
        made = (await client.post("/v1/visitor-tokens", json=asked)).json()["token"]
        opened = {"authorization": f"Bearer {made}"}
        async with httpx.AsyncClient(
            base_url=page, trust_env=False, timeout=PATIENCE_S, headers=opened
        ) as visitor:
            asked = {"customerId": "ann", "channel": "web"}
            assert (await visitor.post("/v1/decisions", json=asked)).status_code == 200


async def leads_other_commands(line: str) -> None:
    """What the demo prints for a shell brings `cueline keys` to the demo's Redis."""
    given = {"NAME": "shop", "PYTHONPATH": str(ROOT), "ENGINE": f"{sys.executable} -m engine"}
    script = f"{line}\n$ENGINE keys create $NAME --trust public && $ENGINE keys list && $ENGINE doctor --json"
    shell = await asyncio.create_subprocess_exec(
        *("sh", "-e", "-c", script), cwd=ROOT, env=os.environ | given, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await shell.communicate()
    assert shell.returncode == 0, out
    assert b"shop" in out


async def test_a_file_of_settings_is_refused(start: Demos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUELINE_CONFIG", "config/production.toml")
    demo = await start()
    printed, _ = await asyncio.wait_for(demo.communicate(), END_S)
    assert demo.returncode == 2
    assert b"CUELINE_CONFIG is config/production.toml" in printed
    assert b"starting" not in printed


async def test_without_arguments_it_runs_until_it_is_interrupted(start: Demos) -> None:
    demo = await start("--json")
    async with asyncio.timeout(START_S):
        seen = [line async for line in until(demo, b"metrics ")]
        await events_applied(seen[-1])
        (page,) = re.findall(rb"(http\S+)/metrics and", seen[-1])
        await signs_a_visitors_token(page.decode())
        *_, line = [line async for line in until(demo, b"export ")]
        await leads_other_commands(line.decode())
        *_, scene = [line async for line in until(demo, b"one customer, everywhere")]
    assert b"3 searches on the website and 4 items looked at" in scene
    assert demo.returncode is None, b"".join(seen)

    demo.send_signal(signal.SIGINT)
    rest, _ = await asyncio.wait_for(demo.communicate(), END_S)
    assert demo.returncode == 0, rest
    assert b"Traceback" not in rest
    result = json.loads(rest.splitlines()[-1])
    assert result["eventsApplied"] == result["eventsSent"] > 0
    assert result["scene"]["cues"] == result["scene"]["played"] == 1


@pytest.mark.slow
async def test_kernels_are_compiled_before_anything_is_started(
    start: Demos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cold := tmp_path / "kernels").mkdir(mode=0o700)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(cold))
    demo = await start("--seconds", "5")
    async with asyncio.timeout(2 * START_S):
        seen = [line async for line in until(demo, b"ready in")]
    said = [place for place, line in enumerate(seen) if line.startswith(b"compiling")]
    started = [place for place, line in enumerate(seen) if line.startswith(b"starting")]
    assert len(said) == 1, seen
    assert said < started, seen
    assert any(cold.iterdir())


@pytest.mark.slow
async def test_another_needs_a_directory_of_its_own(start: Demos) -> None:
    first = await start()
    async with asyncio.timeout(START_S):
        _ = [line async for line in until(first, b"starting")]
        refused = await start()
        printed, _ = await refused.communicate()
        assert refused.returncode == 2
        assert b"demo is in use by another demo" in printed
        assert b"--port 0 --directory .cueline/demo-2" in printed

        second = await start("--directory", "second")
        _ = [line async for line in until(second, b"ready in")]
    assert second.returncode is None


async def test_a_port_that_is_taken_is_told_before_anything_is_started(start: Demos) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        demo = await start("--port", str(taken.getsockname()[1]))
        printed, _ = await asyncio.wait_for(demo.communicate(), END_S)
    assert demo.returncode == 2
    assert b"is in use" in printed
    assert b"--port 0 --directory" in printed
    assert b"starting" not in printed


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", b"empty"),
        (b"a,b\n", b"no format we know"),
        (b"\x1f\x8b\x08", b"damaged"),
        (b"{}\n", b"no event could be read"),
    ],
)
async def test_a_log_that_cannot_be_read_is_refused_before_anything_is_started(
    start: Demos, tmp_path: Path, content: bytes, said: bytes
) -> None:
    (tmp_path / "log").write_bytes(content)
    demo = await start("--input", str(tmp_path / "log"))
    out, _ = await asyncio.wait_for(demo.communicate(), END_S)
    assert demo.returncode == 1
    assert said in out
    assert b"starting" not in out
    assert len(out.splitlines()) == 1


@pytest.mark.slow
async def test_where_nothing_can_be_written_it_uses_a_temporary_directory(start: Demos, tmp_path: Path) -> None:
    (tmp_path / ".cueline").write_text("in the way")
    demo = await start("--seconds", "5", "--json")
    out, _ = await asyncio.wait_for(demo.communicate(), START_S)
    assert demo.returncode == 0, out
    first = out.splitlines()[0]
    assert first.startswith(b".cueline/demo: Not a directory; files and logs go to ")
    shutil.rmtree(Path(first.rpartition(b" ")[2].decode()))

    refused = await start("--directory", ".cueline/other")
    out, _ = await asyncio.wait_for(refused.communicate(), END_S)
    assert refused.returncode == 2
    assert b"--directory .cueline/other: Not a directory" in out


@pytest.mark.slow
async def test_the_page_stays_when_the_log_is_over(start: Demos, tmp_path: Path) -> None:
    (log := tmp_path / "log.csv").write_text("1,10,5,pv,1511658000\nno line of a log\n")
    demo = await start("--input", str(log))
    async with asyncio.timeout(START_S):
        _ = [line async for line in until(demo, b"the page stays")]
    demo.send_signal(signal.SIGINT)
    out, _ = await asyncio.wait_for(demo.communicate(), END_S)
    assert demo.returncode == 0, out
    summary = " ".join(out.decode().replace("│", " ").split())
    assert "events sent from the log 1 " in summary
    assert "lines or events of the log skipped 1 " in summary
    assert "events applied" in summary


@pytest.mark.slow
async def test_its_agent_goes_on_after_the_api_was_killed(start: Demos) -> None:
    demo = await start("--seconds", "25", "--json")
    async with asyncio.timeout(START_S):
        _ = [line async for line in until(demo, b"ready in")]
        os.kill(await child(demo.pid, "engine api"), signal.SIGKILL)
        out, _ = await demo.communicate()
    assert demo.returncode == 0, out
    result = json.loads(out.splitlines()[-1])
    assert b"api: died (killed by SIGKILL), is started again" in out
    assert result["restarts"] == 1
    assert result["decisions"] > 10  # at twenty a second, a few of them before the end of the first process
    assert result["eventsApplied"] == result["eventsSent"] > 0


@pytest.mark.slow
async def test_it_goes_on_when_kafka_came_back_without_its_log(start: Demos) -> None:
    demo = await start("--json")
    async with asyncio.timeout(START_S):
        metrics = [line async for line in until(demo, b"metrics ")][-1]
        await events_applied(metrics)
        os.kill(await child(demo.pid, "tansu"), signal.SIGKILL)
        _ = [line async for line in until(demo, b"worker: ended on purpose")]
        _ = [line async for line in until(demo, b"worker: ready")]
        await events_applied(metrics)  # by the new worker, whose counters began at 0
    demo.send_signal(signal.SIGINT)
    out, _ = await asyncio.wait_for(demo.communicate(), END_S)
    assert demo.returncode == 0, out
    result = json.loads(out.splitlines()[-1])
    assert 0 < result["eventsApplied"] <= result["eventsSent"]


@pytest.mark.slow
async def test_it_is_exact_although_redis_was_killed(start: Demos) -> None:
    demo = await start("--seconds", "25", "--json")
    async with asyncio.timeout(START_S):
        await events_applied([line async for line in until(demo, b"metrics ")][-1])
        os.kill(await child(demo.pid, "valkey"), signal.SIGKILL)
        out, _ = await demo.communicate()
    assert demo.returncode == 0, out
    assert b"redis: died (killed by SIGKILL), is started again" in out
    result = json.loads(out.splitlines()[-1])
    assert result["restarts"] == 1
    assert result["eventsApplied"] == result["eventsSent"] > 0


@pytest.mark.slow
async def test_a_long_log_begins_anew_and_nothing_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene, "AGAIN_AFTER_S", 3.0)  # each sends mail between partitions
    chosen = Input(file=None, speed=0, rate=400, seed=7)
    result = await Demo(
        Wishes(chosen, 30, 0, ROOT / "rules", tmp_path / "demo", as_json=True, browser=False, log_batches=30)
    ).run()
    assert result is not None
    printed = capsys.readouterr()
    assert "begins anew" in printed.err
    assert "is lost" not in printed.err
    assert result.events_applied == result.events_sent > 0
    assert (result.events_duplicate, result.events_dead_lettered) == (0, 0)


@pytest.mark.slow
async def test_the_time_given_ends_a_log_at_any_speed(start: Demos, tmp_path: Path) -> None:
    (log := tmp_path / "log.csv").write_text("1,10,5,pv,1511658000\n2,10,5,pv,1511744400\n")
    demo = await start("--seconds", "5", "--json", "--speed", "1", "--input", str(log))
    out, _ = await asyncio.wait_for(demo.communicate(), START_S)
    assert demo.returncode == 0, out
    assert json.loads(out.splitlines()[-1])["eventsSent"] == 1


@pytest.mark.slow
async def test_cues_for_the_website_alone_are_measured_too(start: Demos, tmp_path: Path) -> None:
    # a cart without prices, left for two hours: its offer is for the web
    rows = ["1,10,5,cart,1511658000", *(f"2,{n},5,pv,{1511658000 + 60 * n}" for n in range(1, 120))]
    (log := tmp_path / "log.csv").write_text("\n".join(rows) + "\n")
    demo = await start("--seconds", "20", "--json", "--speed", "1200", "--input", str(log))
    out, _ = await asyncio.wait_for(demo.communicate(), START_S)
    assert demo.returncode == 0, out
    result = json.loads(out.splitlines()[-1])
    assert result["cues"] >= 1
    assert result["secondsToFirstCue"] is not None
    assert result["cueMs"]["p50"] is not None


@pytest.mark.parametrize("seconds", ["4", "-1", "nan", "inf"])
async def test_a_time_that_is_too_short_or_none_is_told(start: Demos, seconds: str) -> None:
    demo = await start("--seconds", seconds)
    printed, _ = await asyncio.wait_for(demo.communicate(), END_S)
    assert demo.returncode == 2
    assert b"5 at least" in printed
