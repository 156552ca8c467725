"""A result as people read it."""

from __future__ import annotations

import msgspec
import pytest

from engine.cli.output import show


class Figures(msgspec.Struct, rename="camel"):
    events_sent: int
    indicators_risen: int
    cue_ms: dict[str, float]


def test_a_table_has_words_and_json_has_keys(capsys: pytest.CaptureFixture[str]) -> None:
    result = Figures(1_200, 3, {"p50": 1.5})
    show(result, False)
    table = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "events sent 1,200" in table
    assert "indicators activated 3" in table
    assert "cue ms p50 1.5" in table
    show(result, False, {"eventsSent": "events of ours"})
    assert "events of ours 1,200" in " ".join(capsys.readouterr().out.replace("│", " ").split())
    show(result, True)
    assert capsys.readouterr().out == '{"eventsSent":1200,"indicatorsRisen":3,"cueMs":{"p50":1.5}}\n'
