"""Rule files with thousands of rules, for the swap of a large rulebook."""

from __future__ import annotations

from pathlib import Path

A_FILE = 500
FEATURES = ("session.bursts", "session.pages", "cart.items", "cart.value", "idle.seconds", "customer.events")


def write_rules(directory: Path, rules: int, value: float) -> None:
    """Files with so many indicators and as many offers, each worth `value` or some more."""
    for first in range(0, rules, A_FILE):
        text = _text(first, min(A_FILE, rules - first), value)
        (draft := directory / f".many-{first:05d}.draft").write_text(text)
        draft.replace(directory / f"many-{first:05d}.yaml")


def _text(first: int, count: int, value: float) -> str:
    lines = ["indicators:"]
    for number in range(first, first + count):
        when = f"{FEATURES[number % len(FEATURES)]} >= {number % 97 + 1} and customer.events >= {number % 13 + 1}"
        lines.append(f"  - {{name: many_{number}, description: The {number}th of many., when: {when}}}")
    lines.append("offers:")
    lines += (
        f"  - {{id: many_{number}, kind: sell, channels: [web, agent], "
        f"when: many_{number} and customer.events >= {number % 31}, value: {value + number % 50}, "
        f'propensity: 0.{number % 80 + 10}, say: "Offer {number}", cap: {{max: 1, period: 7d}}}}'
        for number in range(first, first + count)
    )
    return "\n".join(lines) + "\n"
