"""What the terminal says of the demo's processes."""

from __future__ import annotations

from engine.demo.children import Children
from engine.local.supervisor import Change, State


def test_a_death_is_said_with_its_reason_and_counted_unless_it_was_wanted() -> None:
    said: list[str] = []
    children = Children(said.append)
    words = ("a", "b", "starting [rows]", "LostLog the log continues at offset 3")
    for change in (
        Change("worker", State.STARTED, 1, 0),
        Change("worker", State.READY, 1, 0),
        Change("worker", State.DIED, 1, 0, "exit code 1", words),
        Change("worker", State.DIED, 2, 1, "killed by SIGKILL", planned=True),
        Change("worker", State.DIED, 3, 2, "not ready within 60 s"),
    ):
        children.changed(change)
    assert children.restarts == 2
    assert said == [
        "worker: ready",
        "worker: died (exit code 1), is started again; its log ends:\n"
        "  b\n  starting \\[rows]\n  LostLog the log continues at offset 3",
        "worker: ended on purpose, is started again",
        "worker: died (not ready within 60 s), is started again",
    ]
