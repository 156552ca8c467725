"""Rule files with many rules."""

from __future__ import annotations

from pathlib import Path

FEATURES = ("session.bursts", "session.pages", "cart.items", "cart.value", "idle.seconds", "customer.events")


def text(first: int, count: int, value: int = 10) -> str:
    """So many indicators and offers, numbered from `first`; every seventh offer names two indicators."""
    lines = ["indicators:"]
    for number in range(first, first + count):
        feature = FEATURES[number % len(FEATURES)]
        lines.append(
            f"  - {{name: indicator_{number}, description: The {number}th., "
            f"when: {feature} >= {number % 97 + 1} and customer.events >= {number % 13 + 1}}}"
        )
    lines.append("offers:")
    for number in range(first, first + count):
        other = f"or indicator_{first} " if number % 7 == 0 else ""
        cap = ", cap: {max: 1, period: 7d}" if number % 2 else ""
        when = "true" if number % 11 == 0 else f"indicator_{number} {other}and not contact.open == 1"
        lines.append(
            f"  - {{id: offer_{number}, kind: sell, channels: [web, {'agent' if number % 3 else 'email'}], "
            f"when: {when}, value: {value + number % 50}, propensity: 0.{number % 80 + 10}, "
            f'say: "Offer {number}"{cap}}}'
        )
    return "\n".join(lines) + "\n"


def write(directory: Path, rules: int, value: int = 10, a_file: int = 500) -> None:
    """Rule files with so many indicators and as many offers."""
    for first in range(0, rules, a_file):
        (directory / f"rules-{first:05d}.yaml").write_text(text(first, min(a_file, rules - first), value))
