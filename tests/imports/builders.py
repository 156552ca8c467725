"""Files and mappings of imports, as their tests make and read them."""

from __future__ import annotations

from pathlib import Path

from engine.imports.mapping import FileMapping, parse
from engine.imports.report import Account, ImportReport
from engine.imports.run import REMEMBERED, TableReader, TraitsOf
from engine.imports.tables import FileProgress, lines

NOW = 1_700_000_000_000
MAPPING = """
customer: id
region: DE
traits:
  plan: tariff
  age: {column: age, type: number}
  joined: {column: joined, type: date}
  mail: {column: mail, type: email}
  phone: {column: phone, type: phone}
memberships:
  newsletter: nl
"""
HEADER = "id,tariff,age,joined,mail,phone,nl\n"


def table(folder: Path, text: str | bytes, name: str = "customers.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def imported(
    path: Path, mapping: FileMapping | None = None, room: int = REMEMBERED
) -> tuple[list[TraitsOf], ImportReport]:
    """What a file comes to, as a dry run has it."""
    mapping = mapping or parse(MAPPING)
    account = Account()
    reader = TableReader(mapping, account, NOW, NOW, room=room)
    found = [one for batch in reader.batches(lines(path, mapping, FileProgress())) for one in batch]
    report = account.report(True, 0.0)
    assert report.taken + report.repeated + report.refused == report.lines
    assert report.taken == len(found)
    assert sum(report.reasons.values()) == report.refused
    return found, report
