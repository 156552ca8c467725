"""The benchmark of links in short. No figure of time is asserted."""

from __future__ import annotations

import msgspec
import pytest
from typer.testing import CliRunner

from engine.cli.app import app


@pytest.mark.parametrize(("option", "wrong"), [("--links", "0"), ("--decisions", "15")])
def test_too_few_are_told(option: str, wrong: str) -> None:
    shown = CliRunner().invoke(app, ["bench", "links", f"{option}={wrong}"])
    assert shown.exit_code == 2
    assert option in shown.output


@pytest.mark.slow
def test_the_whole_benchmark_in_short() -> None:
    shown = CliRunner().invoke(app, ["bench", "links", "--links", "20", "--decisions", "160", "--json"])
    assert shown.exit_code == 0, shown.output
    printed = msgspec.json.decode(shown.stdout)
    assert 0 < printed["linkToMergedMs"]["p50"] <= printed["linkToMergedMs"]["p99"]
    assert printed["decisionsForLinkedId"]["roundTrips"] == 1
    assert printed["decisionsForLinkedId"]["ratioToUnlinked"] > 0
    assert (printed["links"], printed["decisions"]) == (20, 160)
    assert printed["broker"] == "tansu"
    assert printed["machine"]["cores"] > 0
