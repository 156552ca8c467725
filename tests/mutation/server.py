"""A process that has the libraries imported and forks for every run of pytest: a mutant must not wait for them.

It is started in a copy of the checkout (`Sandbox`) and imports nothing of it. A line of JSON on its input is an
order, two on its output are the answer: the child's process id, and how the child ended.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import numba
import pytest

#: What tests import besides: whatever is missing here only costs time.
LIBRARIES = (
    "numpy",
    "hypothesis.strategies",
    "msgspec",
    "yaml",
    "redis",
    "hiredis",
    "aiokafka",
    "prometheus_client",
)


def main() -> None:
    """Serve until the input ends."""
    for name in LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _run(order)
        print(json.dumps(pid), flush=True)
        _, status = os.waitpid(pid, 0)
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)


def _run(order: dict[str, Any]) -> NoReturn:
    """In the child: pytest, in a session of its own, with its output in a file."""
    code = 1
    try:
        os.setsid()
        _redirect(Path(order["output"]))
        os.environ.update(order["environment"])
        numba.config.reload_config()  # type: ignore[no-untyped-call]
        code = int(pytest.main(order["arguments"]))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _redirect(output: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(nothing, 0)
    os.dup2(written, 1)
    os.dup2(written, 2)


if __name__ == "__main__":
    main()
