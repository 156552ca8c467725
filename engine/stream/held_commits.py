"""Commits that wait until Kafka has the mail, and the audit of links: once an offset is passed nothing would send
these any more."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import Unavailable
from engine.ports.kafka import AuditEntry, Mail
from engine.stream.commit import CommitSender, PreparedCommit
from engine.stream.partition_state import PartitionState
from engine.stream.post_office import PostOffice


class HeldCommits:
    """Those of one round of all partitions, in order, and their mail."""

    def __init__(self) -> None:
        self._commits: list[tuple[PartitionState, PreparedCommit]] = []
        self._mail: list[Mail] = []
        self._audit: list[AuditEntry] = []

    def holds(self, state: PartitionState) -> bool:
        """Whether commits of `state` wait, so that later ones must."""
        return any(one is state for one, _ in self._commits)

    def add(
        self, state: PartitionState, commit: PreparedCommit, mail: Sequence[Mail], audit: Sequence[AuditEntry]
    ) -> None:
        """`commit` waits, and causes `mail` and entries of the `audit`."""
        self._commits.append((state, commit))
        self._mail += mail
        self._audit += audit

    async def deliver(self, office: PostOffice, committer: CommitSender) -> None:
        """Write the audit, and all mail at once, then commit; the partitions have failed where Kafka does not take
        them."""
        if not self._commits:
            return
        try:
            if self._audit:
                await office.audit(self._audit)
            if self._mail:
                await office.send(self._mail)
        except Unavailable:
            for state, _ in self._commits:
                state.failed = True
        commits, self._commits, self._mail, self._audit = self._commits, [], [], []
        for state, commit in commits:
            await state.room()
            if state.live:
                committer.send(state, commit)
