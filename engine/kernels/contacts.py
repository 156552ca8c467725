"""Contacts with the contact centre: when the last two began, and whether one goes on.

A contact is begun by `CONTACT_STARTED` alone, so that one that is queued, connected or transferred any number of
times counts once; who hangs up while waiting (`CONTACT_ABANDONED`) ends it. Its other events change
nothing here.
"""

from __future__ import annotations

from engine.kernels.jit import kernel
from engine.kernels.wire import Kind


@kernel
def apply_contact(row, kind, at):
    """Begin or end a contact, in whichever order the two arrive."""
    if kind == Kind.CONTACT_STARTED:
        row.contacts += 1
        if at > row.contact_started:
            row.contact_previous = row.contact_started
            row.contact_started = at
            row.contact_open = 1 if at >= row.contact_ended else 0
    elif kind == Kind.CONTACT_ENDED or kind == Kind.CONTACT_ABANDONED:
        row.contact_ended = max(row.contact_ended, at)
        if at >= row.contact_started:
            row.contact_open = 0
