"""The supervisor with real children: restarts, back-off, order of stopping, nothing left when the parent dies."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Unavailable
from engine.local import Change, State, Supervisor
from engine.local.parent_death import dying_with_parent
from engine.local.supervisor import BackOff, Ready
from tests.processes import Changes, gone, kill

SLEEP = "import os, signal\nprint('up', os.getpid(), flush=True)\nwhile True: signal.pause()"
SLEEPER = [sys.executable, "-c", SLEEP]
DEAF = [sys.executable, "-c", "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEP]
POLITE = [
    sys.executable,
    "-c",
    "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(print('bye', flush=True)))\n" + SLEEP,
]

PARENT = """
import asyncio, sys, uvloop
from pathlib import Path
from engine.local import LocalServices

async def main():
    async with LocalServices(Path(sys.argv[1])) as services:
        await services.supervisor.run("sleeper", [sys.executable, "-c", "import signal; signal.pause()"])
        print(*map(services.supervisor.pid, ("kafka", "redis", "sleeper")), flush=True)
        await asyncio.Event().wait()

sys.exit({"asyncio": asyncio, "uvloop": uvloop}[sys.argv[2]].run(main()))
"""


async def test_a_killed_child_is_started_again_with_its_environment(tmp_path: Path) -> None:
    changes, pids = Changes(), []
    greet = [sys.executable, "-c", "import os; print(os.environ['GREETING'])\n" + SLEEP]
    async with Supervisor(tmp_path, changes) as supervisor:
        await supervisor.run("child", greet, env={"GREETING": "hello"}, ready=up(supervisor, "child"))
        for restarts in range(3):
            ready = await changes.until("child", State.READY)
            assert (ready.restarts, ready.pid) == (restarts, supervisor.pid("child"))
            pids.append(ready.pid)
            kill(ready.pid)
    assert len(set(pids)) == 3
    assert supervisor.log("child").read_text().count("hello") >= 3


async def test_a_child_that_cannot_start_says_why(tmp_path: Path) -> None:
    async with Supervisor(tmp_path) as supervisor:
        with pytest.raises(Unavailable, match=r"(?s)exit code 3.*no port left"):
            await supervisor.run("child", [sys.executable, "-c", "print('no port left'); exit(3)"], ready=_never)
        with pytest.raises(Unavailable, match=r"(?s)exit code 127.*No such file"):
            await supervisor.run("child", ["/no/such/program"], ready=_never)
        with pytest.raises(Unavailable, match=r"not ready within 0\.2 s"):
            await supervisor.run("child", SLEEPER, ready=_never, within=0.2)
        with pytest.raises(KeyError):
            supervisor.pid("child")


async def test_a_restart_that_fails_is_tried_again(tmp_path: Path) -> None:
    fuse = tmp_path / "fuse"
    blow = f"import os\nif os.path.exists({str(fuse)!r}): exit(os.remove({str(fuse)!r}) or 1)\n"
    changes = Changes()
    async with Supervisor(tmp_path, changes, BackOff(first=0.01, longest=0.05)) as supervisor:
        await supervisor.run("child", [sys.executable, "-c", blow + SLEEP], ready=up(supervisor, "child"))
        fuse.touch()
        kill(supervisor.pid("child"))
        assert (await changes.until("child", State.DIED)).detail == "killed by SIGKILL"
        assert (await changes.until("child", State.DIED)).detail == "exit code 1"
        assert (await changes.until("child", State.READY)).restarts == 2


async def test_a_death_is_told_with_its_own_last_words_and_whether_it_was_asked_for(tmp_path: Path) -> None:
    talk = "import os, sys, time\nprint('up', os.getpid(), flush=True)\n"
    die = (
        talk
        + "while not os.path.exists(sys.argv[1]): time.sleep(0.01)\nos.remove(sys.argv[1])\nsys.exit('too many')"
    )
    changes, fuse = Changes(), tmp_path / "fuse"
    async with Supervisor(tmp_path, changes, BackOff(first=0.01, longest=0.05)) as supervisor:
        await supervisor.run("child", [sys.executable, "-c", die, str(fuse)], ready=up(supervisor, "child"))
        for _ in range(2):
            pid = supervisor.pid("child")
            fuse.touch()
            died = await changes.until("child", State.DIED)
            assert (died.detail, died.said, died.planned) == ("exit code 1", (f"up {pid}", "too many"), False)
            await changes.until("child", State.STARTED)
        supervisor.restart("child", at_once=True)
        died = await changes.until("child", State.DIED)
        assert (died.detail, died.planned) == ("killed by SIGKILL", True)
        await changes.until("child", State.STARTED)
        kill(supervisor.pid("child"))
        assert not (await changes.until("child", State.DIED)).planned


async def test_children_stop_in_reverse_and_a_deaf_one_is_killed(tmp_path: Path) -> None:
    seen: list[Change] = []
    async with Supervisor(tmp_path, seen.append) as supervisor:
        for name, argv in (("polite", POLITE), ("deaf", DEAF), ("last", SLEEPER)):
            await supervisor.run(name, argv, ready=up(supervisor, name))
        pids = [supervisor.pid(name) for name in ("polite", "deaf", "last")]
        await supervisor.stop_all(grace=1.5)
    assert [change.name for change in seen if change.state is State.STOPPED] == ["last", "deaf", "polite"]
    assert "bye" in supervisor.log("polite").read_text()
    for pid in pids:
        await gone(pid)


async def test_a_child_may_be_stopped_while_it_waits_for_its_restart(tmp_path: Path) -> None:
    changes = Changes()
    async with Supervisor(tmp_path, changes, BackOff(first=3600, longest=3600)) as supervisor:
        await supervisor.run("child", SLEEPER)
        kill(supervisor.pid("child"))
        await changes.until("child", State.DIED)
        await supervisor.stop("child")
        await supervisor.run("child", SLEEPER)
        assert supervisor.pid("child")


@pytest.mark.skipif(sys.platform != "linux", reason="waits on a process that is not its child")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_nothing_outlives_a_killed_parent(tmp_path: Path, loop: str) -> None:
    argv = [sys.executable, "-c", PARENT, str(tmp_path), loop]
    parent = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout
    pids = [int(pid) for pid in (await parent.stdout.readline()).split()]
    assert len(pids) == 3
    parent.kill()
    await parent.wait()
    for pid in pids:
        await gone(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="waits on a process that is not its child")
async def test_a_leash_kills_where_the_kernel_does_not() -> None:
    held, end = os.pipe()
    process = await asyncio.create_subprocess_exec(*dying_with_parent(SLEEPER, held), pass_fds=(held,))
    os.close(held)
    os.close(end)
    assert await process.wait() == -signal.SIGKILL


async def test_a_program_whose_parent_is_gone_does_not_run(tmp_path: Path) -> None:
    argv = dying_with_parent([sys.executable, "-c", f"open({str(tmp_path / 'ran')!r}, 'w')"])
    not_the_parent = str(os.getppid())
    argv[4] = not_the_parent
    process = await asyncio.create_subprocess_exec(*argv)
    assert await process.wait() == 125
    assert not (tmp_path / "ran").exists()


@given(st.integers(0, 10**6), st.floats(0, 1, exclude_max=True))
def test_back_off_doubles_up_to_its_limit(failures: int, chance: float) -> None:
    back_off = BackOff(first=0.1, longest=5.0)
    whole = 0.1
    for _ in range(min(failures, 40)):
        whole = min(5.0, whole * 2)
    delay = back_off.delay(failures, chance)
    assert whole / 2 * (1 - 1e-12) <= delay <= whole * (1 + 1e-12)


async def _never() -> bool:
    raise ConnectionRefusedError


def up(supervisor: Supervisor, name: str) -> Ready:
    """Ready when the child itself has said so in its log; a start that exits first never is."""

    async def ready() -> bool:
        return f"up {supervisor.pid(name)}" in supervisor.log(name).read_text().splitlines()

    return ready
