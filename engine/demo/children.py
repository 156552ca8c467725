"""What becomes of the demo's processes, told in the terminal and counted."""

from __future__ import annotations

from collections.abc import Callable

from rich.markup import escape

from engine.local.supervisor import Change, State

LINES = 3  # of a dead process's log, shown


class Children:
    """Hears every `Change`; ``restarts`` counts the children that died although nobody wanted them to."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.restarts = 0
        self._say = say
        self._state: dict[str, State] = {}

    def changed(self, change: Change) -> None:
        """Count it, and say it unless it is how things stood."""
        if change.state is State.DIED and not change.planned:
            self.restarts += 1
        if self._state.get(change.name) not in (None, change.state) or change.state is State.DIED:
            self._say(escape(told(change)))
        self._state[change.name] = change.state


def told(change: Change) -> str:
    """A line for people; of a death, how it came, and the last words."""
    if change.state is not State.DIED:
        return f"{change.name}: {change.state}"
    if change.planned:
        return f"{change.name}: ended on purpose, is started again"
    words = "".join(f"\n  {line}" for line in change.said[-LINES:])
    return f"{change.name}: died ({change.detail}), is started again{'; it said:' if words else ''}{words}"
