"""Commits that wait until Kafka has the mail: once an offset is passed nothing would send it any more."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import Unavailable
from engine.ports.kafka import Mail
from engine.stream.commit import CommitSender, PreparedCommit
from engine.stream.partition_state import PartitionState
from engine.stream.post_office import PostOffice


class HeldCommits:
    """Those of one round of all partitions, in order, and their mail."""

    def __init__(self) -> None:
        self._commits: list[tuple[PartitionState, PreparedCommit]] = []
        self._mail: list[Mail] = []

    def holds(self, state: PartitionState) -> bool:
        """Whether commits of `state` wait, so that later ones must."""
        return any(one is state for one, _ in self._commits)

    def add(self, state: PartitionState, commit: PreparedCommit, mail: Sequence[Mail]) -> None:
        """`commit` waits, and causes `mail`."""
        self._commits.append((state, commit))
        self._mail += mail

    async def deliver(self, office: PostOffice, committer: CommitSender) -> None:
        """Write all mail at once, then commit; the partitions have failed where Kafka does not take it."""
        if not self._mail:
            return
        try:
            await office.send(self._mail)
        except Unavailable:
            for state, _ in self._commits:
                state.failed = True
        commits, self._commits, self._mail = self._commits, [], []
        for state, commit in commits:
            await state.room()
            if state.live:
                committer.send(state, commit)
