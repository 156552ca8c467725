"""Whatever is in a rule file, it gives a rulebook or faults: nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import BadRule
from engine.rulebook.directory import compile_texts, load
from engine.rulebook.model import Rulebook

SHIPPED = Path(__file__).parents[2] / "rules" / "retail.yaml"

OFFER = "offers: [{id: x, kind: ask, channels: [web], when: true, value: 1, propensity: 0.5, say: hi}]"


def rulebook_or_faults(texts: dict[str, str]) -> None:
    try:
        assert isinstance(compile_texts(texts), Rulebook)
    except BadRule as bad:
        lines = bad.faults
        for fault in lines:
            assert re.match(r"[ab]:\d+:\d+: .+: .+", fault), fault
            assert "\n" not in fault
            assert fault.encode()


fuzz = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@fuzz
@given(st.text())
def test_any_text_gives_a_rulebook_or_faults(text: str) -> None:
    rulebook_or_faults({"a": text})


@fuzz
@given(st.text(), st.booleans())
def test_any_condition_gives_a_rulebook_or_faults(text: str, wide: bool) -> None:
    rule = {"name": "x", "when": text}
    rulebook_or_faults({"a": yaml.safe_dump({"indicators": [rule]}, width=20 if wide else 1000)})


pieces = st.sampled_from(
    ["cart.items", "Cart Items", "x", "is", "not", "In", "AND", "(", ")", "[", "{", "}", '"', "”", "=", ">", "≥",
     "&", "|", "!", "~", ",", ";", "1", "0,1", "1.000,5", "9" * 400, "1'000", "%", "€", "EUR", "minutes", "s", "k",
     "between", "..", "true", "17:00", "-", "–", " ", " ", " ", "\u00a0", "when", "und", "at least",
     "== ", "Monday", "so", "9 am", "12:30 pm", "1h30", "2 weeks 3 d", "range(1, 2)", "&gt;", "&amp;", "@x", "$",
     "is true", "is not no", "1;2", "then", "ſ", "K", "٣", "½", "months", "x and 5 Euro"]
)  # fmt: skip


@fuzz
@given(st.lists(pieces, max_size=20).map("".join), st.booleans())
def test_any_slip_gives_a_rulebook_or_faults(text: str, wide: bool) -> None:
    rule = {"name": "x", "when": text}
    rulebook_or_faults({"a": yaml.safe_dump({"indicators": [rule]}, width=20 if wide else 1000)})


@fuzz
@given(
    st.integers(0, 10_000),
    st.integers(0, 40),
    st.sampled_from(
        ["", "and ", "not ", "(", "]", "{", "'", '"', "\n", "  ", "- ", ": ", "#", "&a ", "*a", "!!int ", ".nan"]
    ),
)
def test_a_mangled_rule_file_gives_a_rulebook_or_faults(start: int, length: int, instead: str) -> None:
    text = SHIPPED.read_text()
    start %= len(text)
    rulebook_or_faults({"a": text[:start] + instead + text[start + length :]})


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.dates(), st.text(max_size=8))
keys = st.one_of(
    st.sampled_from(["indicators", "offers", "name", "id", "when", "say", "cap", "channels"]), scalars
)


@fuzz
@given(
    st.recursive(
        scalars,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=4)),
        max_leaves=12,
    )
)
def test_any_yaml_gives_a_rulebook_or_faults(content: object) -> None:
    rulebook_or_faults({"a": yaml.dump(content), "b": OFFER})


@given(st.binary(max_size=40))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_any_bytes_give_a_rulebook_or_faults(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "one.yaml").write_bytes(content)
    with pytest.raises(BadRule):
        load(tmp_path)
