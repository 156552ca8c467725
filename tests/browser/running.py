"""A demo that runs beside its page, and the browser to look at it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
from playwright.async_api import Browser, async_playwright

from engine.local.loopback import free_port
from tests.patience import PATIENCE_S
from tests.services import missing

ROOT = Path(__file__).parents[2]
START_S = 2 * PATIENCE_S  # it starts four processes
END_S = PATIENCE_S
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
NAMES = ("chromium", "chromium-browser", "google-chrome")

#: what is shown and reaches beyond the window or the card that it lies in
TOO_WIDE = """() => [...document.querySelectorAll("body *:not(.skip, .quiet)")].filter((one) => {
    const box = one.getBoundingClientRect(), around = one.closest("section")?.getBoundingClientRect()
    return box.width && (box.left < 0 || box.right > Math.min(innerWidth, around?.right ?? innerWidth) + 0.5)
}).map((one) => `${one.tagName} ${one.id} ${one.textContent.slice(0, 40)}`)"""


def find_chromium() -> str | None:
    """The browser's program, as ``CHROMIUM`` or the path have it."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def needed_chromium() -> str:
    """The browser's program, without which a test is skipped."""
    return find_chromium() or missing("no chromium: apt-get install chromium, or name it in CHROMIUM")


@asynccontextmanager
async def running_browser(program: str) -> AsyncIterator[Browser]:
    """A headless one."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def running_demo(folder: Path, *arguments: str) -> AsyncIterator[RunningDemo]:
    """`cueline demo` in `folder`, with rules of its own there, once its page is served and its engine ready."""
    log, port = folder / "demo.log", free_port()
    rules = shutil.copytree(ROOT / "rules", folder / "rules")
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "engine", "demo", "--no-browser", "--port", str(port)),
            *("--rules", str(rules), *arguments),
            cwd=folder,  # a demo keeps its files where it is started, and another may be running
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=out,
            stderr=asyncio.subprocess.STDOUT,
        )
    demo = RunningDemo(process, f"http://127.0.0.1:{port}/", folder)
    try:
        async with asyncio.timeout(START_S):
            await demo.answers()
        yield demo
    except BaseException:
        print(log.read_text(errors="replace")[-4_000:])
        raise
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            await asyncio.wait_for(process.wait(), END_S)


class RunningDemo:
    """Its page is at ``url``, its files are in ``folder``."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self._process = process

    async def answers(self) -> None:
        """Wait until the page is served and the engine ready."""
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as http:
            while self._process.returncode is None:
                try:
                    page, ready = await http.get(self.url), await http.get(f"{self.url}health/ready")
                    if page.status_code == ready.status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)
        raise AssertionError(f"the demo ended with {self._process.returncode}")

    async def child(self, words: str) -> int:
        """The process id of its child whose command line has `words`."""
        listing = await asyncio.create_subprocess_exec(
            *("ps", "-A", "-ww", "-o", "pid=,ppid=,args="), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await listing.communicate()
        rows = (line.split(None, 2) for line in out.decode().splitlines())
        return next(int(pid) for pid, of, args in rows if int(of) == self._process.pid and words in args)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The demo itself, but none of its children, stands still: it starts none of them again."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)
