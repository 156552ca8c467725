"""What is mutated, and which tests must notice: the one table to change when folders are renamed."""

from __future__ import annotations

from dataclasses import dataclass

from tests.mutation.mutant import Mutant


@dataclass(frozen=True)
class Area:
    """Sources and the tests that belong to them: folders or files.

    ``tests`` are steps, each run only when the one before noticed nothing: the quick ones first. Of a step the
    files that reach the mutated module by imports are run, the nearest first. ``interpreted``: kernels, run
    without the compiler first.
    """

    name: str
    sources: tuple[str, ...]
    tests: tuple[tuple[str, ...], ...]
    interpreted: bool = False


#: How kernels are compiled, when, and where they are kept, which no result depends on; and the tests of that.
LEFT_OUT = (
    "engine/kernels/cache.py",
    "engine/kernels/cache_directory.py",
    "engine/kernels/jit.py",
    "engine/kernels/linking.py",
    "engine/kernels/warm.py",
    "tests/kernels/test_cache_directory.py",
    "tests/kernels/test_kernel_cache.py",
)

AREAS = (
    Area(
        "kernels",
        ("engine/kernels",),
        (
            ("tests/kernels", "tests/kafka", "tests/contracts/test_aiokafka_fetcher.py", "tests/stream"),
            (
                "tests/sources/test_what_rules_see.py",
                "tests/decisions",
                "tests/rulebook",
                "tests/state",
                "tests/contracts/test_store_commits.py",
            ),
        ),
        interpreted=True,
    ),
    Area(
        "decisions",
        ("engine/decisions",),
        (
            ("tests/decisions", "tests/stream"),
            (
                "tests/contracts",
                "tests/flows/test_decisions.py",
                "tests/flows/test_first_decision.py",
                "tests/flows/test_outcomes.py",
            ),
        ),
    ),
    Area(
        "rulebook",
        ("engine/rulebook",),
        (("tests/rulebook", "tests/decisions"), ("tests/flows/test_reload.py",)),
    ),
    Area(
        "commit path",
        ("engine/stream", "engine/post"),
        (
            ("tests/post", "tests/stream", "tests/kernels/test_advance.py"),
            ("tests/flows/test_fencing.py", "tests/flows/test_worker_measures.py"),
            ("tests/flows/test_stream.py", "tests/flows/test_outcomes.py"),
        ),
    ),
    Area(
        "fetched records",
        ("engine/kafka/record_batches.py", "engine/ports/records.py"),
        (
            ("tests/kafka", "tests/contracts/test_aiokafka_fetcher.py", "tests/stream"),
            ("tests/flows/test_stream.py", "tests/flows/test_outcomes.py"),
        ),
    ),
    Area(
        "store",
        ("engine/store/commits.py", "engine/store/resp.py", "engine/store/functions"),
        (
            ("tests/store", "tests/contracts"),
            ("tests/flows/test_stream.py", "tests/flows/test_outcomes.py"),
        ),
    ),
)

#: Tests that need no other process: what they say once they say always.
PURE = (
    "tests/kernels/",
    "tests/decisions/",
    "tests/rulebook/",
    "tests/stream/",
    "tests/state/",
    "tests/store/",
    "tests/kafka/test_record_batches.py",
    "tests/sources/test_what_rules_see.py",
    "tests/contracts/test_aiokafka_fetcher.py",
)


def area_of(path: str) -> Area | None:
    """The area a source file belongs to, None when it is not mutated."""
    if path in LEFT_OUT or path.endswith("__init__.py") or not path.endswith((".py", ".lua")):
        return None
    return next((area for area in AREAS if any(f"{path}/".startswith(f"{one}/") for one in area.sources)), None)


def is_interpreted(mutant: Mutant) -> bool:
    """Whether a mutant can be tried without the compiler first."""
    area = area_of(mutant.path)
    return area is not None and area.interpreted
