"""Become a program that cannot outlive its parent: ``python parent_death.py PARENT LEASH PROGRAM ARGUMENT…``.

A program of its own, because what has to be set between fork and exec cannot safely be set from a
process with threads. Standard library only, started without site-packages: it costs some 20 ms.

LEASH is ``-`` where the kernel can do it (Linux: the parent-death signal). Elsewhere it is the read end
of a pipe whose other end only the parent holds: a small watcher beside the program kills it at the pipe's end.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
CANNOT_RUN = 127
PARENT_IS_GONE = 125
POLL_S = 0.5


def dying_with_parent(argv: Sequence[str], leash: int | None = None) -> list[str]:
    """The command line that runs `argv` so that it dies with this process; its pid is the program's own.

    Linux sends the signal when the *thread* that started the program ends: start it from one that stays.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), "-" if leash is None else str(leash), *argv]


def main(arguments: Sequence[str]) -> None:
    """Arrange for death with the parent, then exec; does not return."""
    parent, leash, argv = int(arguments[0]), arguments[1], list(arguments[2:])
    if leash == "-":
        _signal_at_parents_death()
    else:
        _fork_watcher(int(leash), os.getpid())
    # the parent may have died before that was arranged
    if os.getppid() != parent:
        os._exit(PARENT_IS_GONE)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        print(f"{argv[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(CANNOT_RUN)


def _signal_at_parents_death() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def _fork_watcher(leash: int, program: int) -> None:
    """Leave a watcher behind that is nobody's child, so that the program never has to reap it."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os.set_inheritable(leash, False)
        return
    if os.fork() == 0:
        _watch(leash, program)
    os._exit(0)


def _watch(leash: int, program: int) -> None:
    while _is_alive(program):
        if select.select([leash], [], [], POLL_S)[0]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(program, signal.SIGKILL)
            return


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1:])
