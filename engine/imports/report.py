"""What became of a file: every line is taken, repeated or refused, each with its reason and its number."""

from __future__ import annotations

from collections import Counter
from typing import TextIO

import msgspec

KEPT = 20

#: Reason -> in words.
REASONS = {
    "wrong_columns": "another number of columns than the first line",
    "stray_line_end": "a line end within a cell without quotes",
    "bad_quotes": "a quote that is not closed, or stands in the middle of a cell",
    "not_text": "not of the encoding, or longer than 64 KB",
    "no_customer": "no customer's id",
    "placeholder_id": "an id that stands for nobody",
    "unreadable_id": "a customer's id with control characters in it",
    "reserved_id": "an id that begins with contact:, email: or phone:, which are made here alone",
    "long_id": "a customer's id of more than 256 bytes",
    "duplicate": "another line of the same customer came before, and no column says which is newer",
    "impossible_date": "a date that is none, or out of the years 1900 to 2135",
    "other_date": "a date of another form than the mapping's dates say (without them 2024-02-29)",
    "number_for_date": "a number where a date is meant, such as Excel's count of days: export it as a date",
    "bad_date": "no date",
    "old": "more than 400 days ago",
    "nothing_left": "no trait that can be taken",
    "bad_text": "no text",
    "bad_number": "no number",
    "bad_flag": "neither yes nor no",
    "bad_email": "no e-mail address",
    "bad_phone": "no phone number that is in use",
    "too_long": "more than 256 bytes",
}

#: What was done to a cell, in words.
CLEANED = {
    "unseen": "without characters that nobody sees",
    "formula": 'a text that was written as a formula (="…")',
    "number": "a number, without marks between thousands and with a point",
    "email": "an e-mail address, its domain in small letters",
    "phone": "a phone number, with its country's code",
}


class Example(msgspec.Struct, frozen=True):
    """One of the first lines with a reason; ``column`` where it is about one. No content of the file."""

    line: int
    column: str
    reason: str


class ImportReport(msgspec.Struct, frozen=True, rename="camel"):
    """Lines read, and what became of them: ``taken`` + ``repeated`` + ``refused`` = ``lines``.

    ``repeated`` are the same as one before. ``reasons``: why lines were refused; ``left_out``: why cells were, of
    lines that were taken; ``cleaned``: how many cells were written otherwise. ``examples`` and
    ``cleaned_examples`` are the first of each, with their lines. ``sent``: what the API has taken,
    ``not_sent``: what it refused of the lines that were taken here, with its reasons; 0 in a dry run.
    """

    lines: int
    taken: int
    repeated: int
    refused: int
    reasons: dict[str, int]
    left_out: dict[str, int]
    cleaned: dict[str, int]
    sent: int
    not_sent: int
    api_reasons: dict[str, int]
    examples: list[Example]
    dry_run: bool
    seconds: float
    cleaned_examples: list[Example] = []


class Account:
    """Counts as lines go by; `refusals`, where given, gets a CSV of each line and cell that was not taken."""

    def __init__(self, refusals: TextIO | None = None) -> None:
        self.lines = self.taken = self.repeated = self.sent = self.not_sent = 0
        self.reasons, self.left_out, self.cleaned = Counter[str](), Counter[str](), Counter[str]()
        self.api_reasons = Counter[str]()
        self._examples: list[Example] = []
        self._cleaned: list[Example] = []
        self._refusals = refusals
        if refusals is not None:
            refusals.write("line,column,reason\n")

    def refuse(self, line: int, reason: str, column: str = "") -> None:
        """A whole line is not taken."""
        self.reasons[reason] += 1
        self._note(line, column, reason)

    def leave_out(self, line: int, column: str, reason: str) -> None:
        """A cell of a line is not taken."""
        self.left_out[reason] += 1
        self._note(line, column, reason)

    def clean(self, line: int, column: str, how: str) -> None:
        """A cell of a line that is taken is written otherwise."""
        self.cleaned[how] += 1
        if len(self._cleaned) < KEPT:
            self._cleaned.append(Example(line, column, how))

    def report(self, dry_run: bool, seconds: float) -> ImportReport:
        """What there is so far."""
        return ImportReport(
            self.lines, self.taken, self.repeated, self.reasons.total(), dict(self.reasons), dict(self.left_out),
            dict(self.cleaned), self.sent, self.not_sent, dict(self.api_reasons), self._examples, dry_run, seconds,
            self._cleaned,
        )  # fmt: skip

    def _note(self, line: int, column: str, reason: str) -> None:
        if len(self._examples) < KEPT:
            self._examples.append(Example(line, column, reason))
        if self._refusals is not None:
            quoted = column.replace('"', '""')
            self._refusals.write(f'{line},"{quoted}",{reason}\n')
