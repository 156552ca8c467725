"""pytest, as a mutant is run: the same examples every time, none made smaller, and kernels as asked."""

from __future__ import annotations

import os
import signal

import hypothesis
import numba
import pytest
from hypothesis import HealthCheck, Phase

from tests.mutation import interpreted

#: A failure is enough; which is the smallest does not matter.
PHASES = (Phase.explicit, Phase.generate)
INTERPRETED_EXAMPLES = 50
#: Processor time of one test; the first compiled one may have to compile all kernels.
INTERPRETED_S, COMPILED_S = 12.0, 60.0


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Before anything of the engine is imported."""
    if _is_interpreted():
        numba.njit = interpreted.njit  # type: ignore[assignment]


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """After conftest has chosen its profile."""
    hypothesis.settings.register_profile(
        "mutant",
        deadline=None,
        derandomize=True,
        database=None,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
    )
    hypothesis.settings.load_profile("mutant")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one example before those of hundreds."""
    items.sort(key=_is_property)
    if _is_interpreted():
        for item in filter(_is_property, items):
            _shorten(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """A test that uses more of the processor than any does will not end: the process is killed by SIGPROF, or by
    SIGALRM when it only waits."""
    signal.setitimer(signal.ITIMER_PROF, INTERPRETED_S if _is_interpreted() else COMPILED_S)
    signal.setitimer(signal.ITIMER_REAL, float(os.environ.get("MUTANT_TEST_S", "0")))


def _is_interpreted() -> bool:
    return os.environ.get("NUMBA_DISABLE_JIT") == "1"


def _is_property(item: pytest.Item) -> bool:
    return bool(getattr(getattr(item, "obj", None), "is_hypothesis_test", False))


def _shorten(item: pytest.Item) -> None:
    """Python takes a hundred times as long as what it stands for; the compiled kernels get every example."""
    test = item.obj  # type: ignore[attr-defined]
    asked = test._hypothesis_internal_use_settings
    fewer = min(asked.max_examples, INTERPRETED_EXAMPLES)
    test._hypothesis_internal_use_settings = hypothesis.settings(asked, max_examples=fewer)
