"""Which tests reach a source file by imports, and a digest of all that an outcome depends on."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

TOPS = ("engine", "models", "loadtest", "tests")
#: Read by tests without being imported.
FAR = 99
DATA = ("rules", "config", "pyproject.toml")


class Graph:
    """The imports between the files of the checkout at `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._imports = cache(self._read)
        self._reached = cache(self._reach)

    def nearest(self, source: str, tests: Iterable[str]) -> list[str]:
        """Those of `tests` that reach `source`, by the number of imports between."""
        ends = self._stand_ins(source)
        far = {test: min((self._reached(test).get(end, FAR) for end in ends), default=FAR) for test in tests}
        return sorted((test for test, steps in far.items() if steps < FAR), key=lambda test: (far[test], test))

    def _reach(self, start: str) -> dict[str, int]:
        """Files that `start` imports, with the number of steps to each."""
        found, edge, steps = {start: 0}, {start}, 0
        while edge:
            steps += 1
            edge = {file for one in edge for file in self._imports(one)} - found.keys()
            found |= dict.fromkeys(edge, steps)
        return found

    def digest(self, tests: Iterable[str]) -> str:
        """A digest of the tests and all they reach, with the fixtures, rules and settings they run with."""
        starts = {*tests, *(path for path in self.files(["tests"], "conftest.py"))}
        files = {file for start in starts for file in self._reached(start)} | set(self._data())
        whole = hashlib.sha256()
        for file in sorted(files):
            whole.update(f"{file}\0".encode() + hashlib.sha256((self._root / file).read_bytes()).digest())
        return whole.hexdigest()

    def files(self, wanted: Sequence[str], pattern: str = "test_*.py") -> list[str]:
        """Files among `wanted` (files and folders) whose names are like `pattern`."""
        paths = [self._root / one for one in wanted]
        files = (file for path in paths for file in ([path] if path.is_file() else path.rglob(pattern)))
        return sorted({file.relative_to(self._root).as_posix() for file in files})

    def _stand_ins(self, source: str) -> list[str]:
        """The module itself; for a script its package's modules, one of which reads it."""
        if source.endswith(".py"):
            return [source]
        return [file.relative_to(self._root).as_posix() for file in (self._root / source).parent.glob("*.py")]

    def _data(self) -> list[str]:
        paths = [self._root / one for one in DATA]
        lua = self._root.glob("engine/**/*.lua")
        files = (file for path in paths for file in ([path] if path.is_file() else path.rglob("*")))
        return [file.relative_to(self._root).as_posix() for file in (*files, *lua) if file.is_file()]

    def _read(self, file: str) -> frozenset[str]:
        found: set[str] = set()
        for node in ast.walk(ast.parse((self._root / file).read_bytes())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.List | ast.Tuple):
                found |= _started(node)
        return frozenset(ours for name in found if (ours := self._file_of(name)))

    def _file_of(self, module: str) -> str | None:
        if module.split(".")[0] not in TOPS:
            return None
        path = module.replace(".", "/")
        return next(
            (file for file in (f"{path}.py", f"{path}/__init__.py") if (self._root / file).is_file()), None
        )


def _started(command: ast.List | ast.Tuple) -> set[str]:
    """The modules that a command line ``python -m …`` starts: a test reaches what its child processes import."""
    words = [word.value if isinstance(word, ast.Constant) else None for word in command.elts]
    modules = [str(module) for option, module in pairwise(words) if option == "-m"]
    return {name for module in modules for name in (module, f"{module}.__main__")}
