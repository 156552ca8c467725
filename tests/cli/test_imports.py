"""`cueline import`: a dry run, its account, and what it never shows."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from engine.cli.app import app
from tests.imports.builders import HEADER, MAPPING, table

ROWS = "anna,gold,30,2020-01-31,anna@example.com,030 90123456,yes\nbert,gold,old,,,,\n,gold,,,,,\n"


@pytest.fixture
def mapping(tmp_path: Path) -> str:
    path = tmp_path / "crm.yaml"
    path.write_text(MAPPING)
    return str(path)


def ran(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["import", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_a_dry_run_accounts_for_every_line(tmp_path: Path, mapping: str) -> None:
    file, refusals = str(table(tmp_path, HEADER + ROWS)), tmp_path / "refused.csv"
    said = ran(file, "--mapping", mapping, "--dry-run", "--json", "--refusals", str(refusals)).stdout
    report = json.loads(said.splitlines()[-1])
    assert (report["lines"], report["taken"], report["refused"], report["sent"]) == (3, 2, 1, 0)
    assert (report["reasons"], report["leftOut"], report["dryRun"]) == (
        {"no_customer": 1},
        {"bad_number": 1},
        True,
    )
    assert refusals.read_text() == 'line,column,reason\n3,"age",bad_number\n4,"id",no_customer\n'
    text = ran(file, "--mapping", mapping, "--dry-run").output
    assert "3 lines" in text
    assert "2 taken, 0 repeated, 1 refused; nothing was sent: a dry run" in text
    assert "line 3, column age: no number" in text
    assert "line 2, column phone: a phone number, with its country's code" in text
    assert report["cleanedExamples"] == [{"line": 2, "column": "phone", "reason": "phone"}]
    assert not any(word in text + said for word in ("anna", "bert", "90123456"))


def test_a_file_for_refusals_is_never_written_over(tmp_path: Path, mapping: str) -> None:
    file, taken = str(table(tmp_path, HEADER + ROWS)), table(tmp_path, "mine", "mine.csv")
    ran(file, "--mapping", mapping, "--dry-run", "--refusals", str(taken), code=1)
    assert taken.read_text() == "mine"


def test_a_mapping_with_faults_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("customer: id\ntrait: {a: b}\n")
    file = str(table(tmp_path, HEADER + ROWS))
    assert "unknown key 'trait'" in ran(file, "--mapping", str(tmp_path / "bad.yaml"), "--dry-run", code=3).output


def test_nothing_taken_and_an_old_file_are_failures(tmp_path: Path, mapping: str) -> None:
    path = table(tmp_path, HEADER + ",gold,,,,,\n")
    ran(str(path), "--mapping", mapping, "--dry-run", code=1)
    path = table(tmp_path, HEADER + ROWS)
    os.utime(path, (1_500_000_000, 1_500_000_000))
    assert "--now" in ran(str(path), "--mapping", mapping, "--dry-run", code=1).output
    ran(str(path), "--mapping", mapping, "--dry-run", "--now")
