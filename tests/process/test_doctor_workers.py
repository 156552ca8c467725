"""What `cueline doctor` says of the workers."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from engine.identity.link import RULES
from engine.ports.health import WorkerReport
from engine.process.doctor.workers import listed, worker_findings

NEW = WorkerReport("a", 1, 1, 0, (), (), RULES)
OTHER, OLD = msgspec.structs.replace(NEW, worker="b"), WorkerReport("c", 1, 1, 0)
OLDER = msgspec.structs.replace(NEW, links=RULES - 1)
TROUBLED = msgspec.structs.replace(NEW, problems=("rules do not compile",))


@pytest.mark.parametrize(
    ("reports", "found"),
    [
        ([NEW, NEW, OTHER], [("good", "2 running, and every partition has one")]),
        ([None, None], [("warning", "none is running, so events wait in Kafka: start some with `cueline work`")]),
        ([NEW, None, NEW, None, None, None], [("bad", "partitions 1, 3 to 5 have no worker, while others have")]),
        ([OLD, NEW], [("warning", "partitions 0 have workers of an older release: stop all workers")]),
        (
            [OLD, OLDER, None],
            [("bad", "partitions 2 have no worker"), ("warning", "partitions 0, 1 have workers of")],
        ),
        ([TROUBLED, TROUBLED], [("warning", "one of them says: rules do not compile")]),
    ],
)
def test_each_says_what_to_do(reports: Sequence[WorkerReport | None], found: list[tuple[str, str]]) -> None:
    findings = list(worker_findings(reports))
    assert [one.state for one in findings] == [state for state, _ in found]
    assert [one.detail.startswith(said) for one, (_, said) in zip(findings, found, strict=True)] == [True] * len(
        found
    )
    assert {one.name for one in findings} == {"workers"}


def test_partitions_in_a_row_are_a_range() -> None:
    assert [listed(some) for some in ([3], [0, 1], [0, 1, 2], [1, 2, 3, 7, 9, 10, 11])] == [
        "3", "0, 1", "0 to 2", "1 to 3, 7, 9 to 11",
    ]  # fmt: skip
