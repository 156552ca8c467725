"""State changes of the demo's processes, printed in the terminal and counted."""

from __future__ import annotations

from collections.abc import Callable

from rich.markup import escape

from engine.local.supervisor import Change, State

LINES = 3  # of a dead process's log, shown


class Children:
    """Receives every `Change`; ``restarts`` counts the children that died unplanned."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.restarts = 0
        self._say = say
        self._state: dict[str, State] = {}

    def changed(self, change: Change) -> None:
        """Count it, and print it unless the state is the same as before."""
        if change.state is State.DIED and not change.planned:
            self.restarts += 1
        if self._state.get(change.name) not in (None, change.state) or change.state is State.DIED:
            self._say(escape(describe(change)))
        self._state[change.name] = change.state


def describe(change: Change) -> str:
    """A line of text; of a death, also its cause and the end of its log."""
    if change.state is not State.DIED:
        return f"{change.name}: {change.state}"
    if change.planned:
        return f"{change.name}: ended on purpose, is started again"
    tail = "".join(f"\n  {line}" for line in change.said[-LINES:])
    return f"{change.name}: died ({change.detail}), is started again{'; its log ends:' if tail else ''}{tail}"
