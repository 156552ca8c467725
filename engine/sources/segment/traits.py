"""The `traits` of an identify call, and a group call's membership: what can be kept of them.

https://segment.com/docs/connections/spec/identify/, …/spec/group/
"""

from __future__ import annotations

from engine.access import VISITORS
from engine.errors import BadEvent
from engine.events import Kind, LeftOut, More, Traits
from engine.kernels.wire import MAX_TRAIT_NAME_BYTES
from engine.placeholder_ids import is_placeholder
from engine.sources.segment.values import leave_out
from engine.traits import MEMBER, MOST_TRAITS, TraitValue, fault_of, is_name

NO_GROUP = f"no membership of it: a name of up to {MAX_TRAIT_NAME_BYTES - len(MEMBER)} printable bytes is needed"

SERVER, OF_VISITOR, ANYBODY = 2, 1, 0


def rank_of(trust: int, by: str) -> int:
    """Whose word it is that comes with `trust` by the key `by`."""
    if not trust:
        return ANYBODY
    return OF_VISITOR if by == VISITORS else SERVER


def traits_of(found: object, trust: int, by: str, left_out: list[LeftOut]) -> Traits | None:
    """The traits that can be kept, None where there are none; `left_out` gets the others. Objects and lists are
    passed over: the published form has some (an address, a company), so a call that brings them is right."""
    if found is None:
        return None
    if not isinstance(found, dict):
        if found:
            leave_out(BadEvent("bad_field", "an object is needed", "traits"), left_out)
        return None
    values: dict[str, TraitValue] = {}
    for name, value in found.items():
        if isinstance(value, dict | list):
            continue
        if fault := _fault(name, value, len(values)):
            leave_out(fault, left_out)
        else:
            values[name] = value
    return Traits(rank_of(trust, by), by, values) if values else None


def membership(
    group: str, trust: int, by: str, placeholders: frozenset[str], left_out: list[LeftOut]
) -> Traits | None:
    """That the customer belongs to the group of a group call; None where its name can be none, which `left_out`
    gets."""
    name = MEMBER + group.strip()
    if is_placeholder(group, placeholders):
        leave_out(BadEvent("placeholder_id", "it stands for no group: a placeholder", "groupId"), left_out)
    elif is_name(name):
        return Traits(rank_of(trust, by), by, {name: True})
    else:
        leave_out(BadEvent("bad_field", NO_GROUP, "groupId"), left_out)
    return None


def _fault(name: str, value: object, count: int) -> BadEvent | None:
    if not is_name(name):
        return BadEvent("bad_field", "a name of up to 64 bytes is needed", "traits")
    if count == MOST_TRAITS:
        return BadEvent("too_large", f"more than {MOST_TRAITS} traits", f"traits.{name}")
    if reason := fault_of(value):
        return BadEvent("too_large" if reason.startswith("longer") else "bad_field", reason, f"traits.{name}")
    return None


def kind_with(traits: Traits | None, kind: Kind) -> Kind:
    """What an identify call of a server sets belongs to the customer, and to no visit to a website."""
    return Kind.TRAITS_SET if traits is not None and traits.rank == SERVER and kind is Kind.IDENTIFIED else kind


def with_traits(more: More | None, traits: Traits | None) -> More | None:
    """`more` and the traits."""
    if traits is None:
        return more
    return More(traits=traits) if more is None else More(more.kind, more.thousandths, more.lines, traits)
