"""Compiled kernels kept on disk, by everything that their machine code depends on.

numba's own cache knows a function's file only: after a change of a constant or of a callee in another file it goes
on running the old code. Here one directory belongs to one state of all sources in this folder, one numba,
llvmlite, numpy and Python, one processor and one set of compiler options, so that there is nothing to compare when
a kernel is read; a change of any of them is another directory. Old ones go (`cache_directory.tidy`).

This leans on a few names of numba's that are not public; tests/contracts/test_numba_names.py holds them.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import pickle
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
from numba.core import config
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.registry import cpu_target
from numba.core.serialize import dumps

from engine.kernels import cache_directory
from engine.kernels.cache_directory import Choice

log = logging.getLogger("cueline.kernels")

FOLDER = Path(__file__).resolve().parent

#: numba's options that change machine code. Those of the processor are in what `_processor` returns.
_OPTIONS = ("OPT", "BOUNDSCHECK", "LOOP_VECTORIZE", "SLP_VECTORIZE", "DEBUGINFO_DEFAULT", "DISABLE_INTEL_SVML")


@functools.cache
def sources() -> str:
    """Digest of the sources as they were when the first kernel was declared."""
    return cache_directory.digest_of(FOLDER)


def places(named: str, user_cache: Path | None) -> list[Path]:
    """Where kernels may be kept, the preferred one first: the directory `named` by NUMBA_CACHE_DIR, or else beside
    the sources; then the user's own cache."""
    found = [Path(named)] if named else [FOLDER / "__pycache__"]
    return found if user_cache is None else [*found, user_cache / "cueline"]


def _user_cache() -> Path | None:
    """None for a user without a home."""
    path = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(path) if os.path.isabs(path) else None


def _processor() -> tuple[Any, ...]:
    """Platform, processor and its features, as numba compiles for them."""
    return tuple(cpu_target.target_context.codegen().magic_tuple())


def _option(name: str) -> Any:
    """From numba's configuration, which makes its names as it is imported."""
    return getattr(config, name)


def _name() -> str:
    versions = (
        numba.__version__,
        version("llvmlite"),
        version("numpy"),
        sys.implementation.cache_tag,
        sys.abiflags,
    )
    options = [(name, _option(name)) for name in _OPTIONS]
    return cache_directory.name_of((sources(), versions, options, _processor()))


@functools.cache
def opened() -> Choice:
    """This process's directory, chosen when the first kernel is needed, and marked as in use while it runs."""
    chosen = cache_directory.choose(places(_option("CACHE_DIR") or "", _user_cache()), _name(), os.geteuid())
    if chosen.folder is None:
        return chosen
    for fault in chosen.faults:
        log.warning("compiled kernels were refused (%s)", fault)
    cache_directory.use(chosen.folder)
    return chosen


@functools.cache
def warn_once(reason: str) -> None:
    """One line however many kernels it concerns."""
    log.warning(
        "kernels are compiled in memory, which takes up to a minute at every start: %s. "
        "NUMBA_CACHE_DIR may name a directory that only you can write to",
        reason,
    )


class KernelCache(_Cache):
    """What numba asks for `function` compiled for a signature, and gives what it has compiled."""

    def __init__(self, function: Any) -> None:
        self._function = function
        sources()

    @property
    def cache_path(self) -> str | None:
        """The directory, once it was needed."""
        folder = opened().folder
        return None if folder is None else str(folder)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The kernel compiled for `sig`, None when it has to be compiled."""
        folder, faults = opened()
        if folder is None:
            warn_once("; ".join(faults))
            return None
        target_context.refresh()
        payload = cache_directory.read(self._file(folder, sig), os.geteuid())
        if payload is None:
            return None
        known, reduced = pickle.loads(payload)
        return CompileResult._rebuild(target_context, *reduced) if known == sig else None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled, unless the sources are others by now: they are not what was compiled."""
        folder = opened().folder
        if folder is None or data.library.has_dynamic_globals or cache_directory.digest_of(FOLDER) != sources():
            return
        try:
            if not cache_directory.is_filled(folder):
                cache_directory.tidy(folder.parent, keep=folder.name)
            cache_directory.write(self._file(folder, sig), dumps((sig, data._reduce())))
        except OSError as error:
            warn_once(f"{folder}: {error.strerror}")

    def enable(self) -> None:
        """It is always."""

    def disable(self) -> None:
        """It never is."""

    def flush(self) -> None:
        """What is kept stays true."""

    def _file(self, folder: Path, sig: Any) -> Path:
        code = self._function.__code__
        key = hashlib.sha256(f"{code.co_firstlineno} {sig}".encode() + code.co_code).hexdigest()[:32]
        return folder / f"{self._function.__module__}.{self._function.__qualname__}-{key}{cache_directory.SUFFIX}"


def cached(dispatcher: Any) -> Any:
    """`dispatcher` with a `KernelCache`. One whose source lies elsewhere is compiled in memory: its changes would
    not be seen. Without the compiler (NUMBA_DISABLE_JIT) it is a plain function, and stays that."""
    function = getattr(dispatcher, "py_func", None)
    if function is not None and FOLDER in Path(function.__code__.co_filename).resolve().parents:
        dispatcher._cache = KernelCache(function)
    return dispatcher
