"""The idempotency keys in memory."""

from dataclasses import dataclass, field
from datetime import datetime

from task_service.domain.idempotency import KeyUse
from task_service.ports import IdempotencyKeys
from task_service.testing.faults import Faults, faulty


@dataclass
class InMemoryKeys(IdempotencyKeys):
    """The idempotency keys of a table."""

    records: dict[str, KeyUse] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)

    @faulty
    def put(self, use: KeyUse, *, now: datetime) -> KeyUse:
        if (used := self._used(use.key_hash, now)) is not None:
            return used
        self.records[use.key_hash] = use
        return use

    @faulty
    def get(self, key_hash: str, *, now: datetime) -> KeyUse | None:
        return self._used(key_hash, now)

    def _used(self, key_hash: str, now: datetime) -> KeyUse | None:
        use = self.records.get(key_hash)
        return use if use is not None and use.expires_at > now else None
