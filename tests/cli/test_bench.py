"""``cueline bench`` hands over to the load tests, which an installation of the engine alone lacks."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from engine.cli.app import app


def test_its_options_are_those_of_the_benchmarks() -> None:
    shown = CliRunner().invoke(app, ["bench", "stream", "--help"])
    assert shown.exit_code == 0
    assert "--stock-seconds" in shown.output


def test_a_wrong_option_is_refused_there() -> None:
    assert CliRunner().invoke(app, ["bench", "stream", "--no-such-option"]).exit_code == 2


def test_without_the_benchmarks_one_sentence_says_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.cli.bench.LOADTEST", "no_benchmarks_here.cli")
    shown = CliRunner().invoke(app, ["bench", "stream"])
    assert shown.exit_code == 1
    assert shown.output == "the benchmarks are not installed: run this in a checkout of Cueline\n"
