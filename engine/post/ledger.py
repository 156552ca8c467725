"""Which letters a partition has sent and which it has had: what makes at least once exactly once.

It is stored as fields beside the partition's offset and changes with it:

================  ===========================================================================================
``mails``         the offset from which on misplaced records are mailed; without it they are sent on unnumbered
``era``           of the partition's log; missing: 0
``out.<q>``       the number of the newest letter to partition q in this era
``had.<p>.<era>`` the numbers of the letters had from that era of partition p's log (`IntervalSet.text`)
================  ===========================================================================================

Numbers are places in the sender's log and not counted. A count would begin again where a store that lost
everything meets a log whose beginning is deleted, and later letters would have numbers that were had. What a count
is good for, to show that a letter is missing and to keep the set small, is done by each letter's naming the one
before it.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.errors import BadState
from engine.post.intervals import IntervalSet
from engine.post.letter import Letter, number_of

MAILS, ERA, OUT, HAD = "mails", "era", "out.", "had."

_Source = tuple[int, int]  # a partition, and an era of its log


class Ledger:
    """The post of one partition as of some offset. `changes` gathers the fields that changed until they are taken.

    Raises `BadState` when made of fields that are none.
    """

    def __init__(self, fields: Mapping[str, str] | None = None) -> None:
        stored = fields or {}
        self.mails_from = _number(stored[MAILS]) if MAILS in stored else None
        self.era = _number(stored.get(ERA, "0"))
        self._sent = {
            _number(name.removeprefix(OUT)): _number(text) for name, text in stored.items() if name.startswith(OUT)
        }
        self._had = {
            _source(name): IntervalSet.read(text) for name, text in stored.items() if name.startswith(HAD)
        }

    @property
    def holes(self) -> int:
        """How many stretches of letters to this partition are missing."""
        return sum(had.holes for had in self._had.values())

    def mails(self, offset: int) -> bool:
        """Whether the record at `offset` is mailed, if it is misplaced."""
        return self.mails_from is not None and offset >= self.mails_from

    def begin(self, offset: int) -> dict[str, str]:
        """Mail from `offset` on, for good; the fields to store before anything is."""
        self.mails_from = offset
        return {MAILS: str(offset)}

    def restart(self, era: int) -> dict[str, str]:
        """The log begins again: its offsets are used anew, as another `era`; the fields to store before anything
        is mailed. ``mails`` counts from its new beginning."""
        ended = {f"{OUT}{receiver}": "0" for receiver in self._sent}
        self._sent, self.era = {}, era
        if self.mails_from is not None:
            self.mails_from, ended[MAILS] = 0, "0"
        return {ERA: str(era), **ended}

    def address(self, sender: int, receiver: int, offset: int, index: int = 0) -> tuple[Letter, dict[str, str]]:
        """The letter `index` to `receiver` that the record at `offset` causes; the fields that it changes."""
        number = number_of(offset, index)
        letter = Letter(sender, self.era, number, self._sent.get(receiver, 0))
        self._sent[receiver] = number
        return letter, {f"{OUT}{receiver}": str(number)}

    def unnumbered(self, sender: int) -> Letter:
        """One that may count twice, and is missed by nobody."""
        return Letter(sender, self.era, 0, 0)

    def receive(self, letter: Letter) -> tuple[bool, dict[str, str]]:
        """Whether `letter` is had for the first time, or has no number; the fields that it changes."""
        if letter.number == 0:
            return True, {}
        source = letter.sender, letter.era
        had = self._had.get(source, IntervalSet())
        self._had[source] = now = had.with_interval(letter.previous, letter.number)
        changed = {f"{HAD}{letter.sender}.{letter.era}": now.text} if now != had else {}
        return letter.number not in had, changed


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise BadState(f"{text!r} is no number")
    return int(text)


def _source(name: str) -> _Source:
    sender, _, era = name.removeprefix(HAD).partition(".")
    return _number(sender), _number(era)
