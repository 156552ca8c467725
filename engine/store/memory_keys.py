"""The in-memory twin of `access_keys.py` and `quotas.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from engine.access import KeyRecord
from engine.ports.access_store import Settlement


class MemoryKeys:
    """`engine.ports.access_store.KeyStore` and `QuotaStore` in one process."""

    def __init__(self) -> None:
        super().__init__()
        self._access_keys: dict[str, KeyRecord] = {}
        self._quotas: dict[int, Counter[str]] = {}
        self._settled: Counter[tuple[int, str]] = Counter()  # the last settlement, by day and process

    async def spend_quotas(self, day: int, settlement: Settlement) -> Mapping[str, int]:
        total = self._quotas.setdefault(day, Counter())
        if self._settled[day, settlement.process] < settlement.number:
            self._settled[day, settlement.process] = settlement.number
            total.update(settlement.spent)
        return {name: total[name] for name in settlement.spent}

    async def access_keys(self) -> list[KeyRecord]:
        return sorted(self._access_keys.values(), key=lambda record: record.id)

    async def add_key(self, record: KeyRecord) -> bool:
        return self._access_keys.setdefault(record.id, record) is record

    async def revoke_key(self, key_id: str) -> bool:
        return self._access_keys.pop(key_id, None) is not None
