"""Bodies and results in memory."""

from dataclasses import dataclass, field

from task_service.domain.task import Body
from task_service.ports import Bodies
from task_service.testing.faults import Faults


@dataclass
class InMemoryBodies(Bodies):
    """Bodies; those longer than `inline_bytes` under a key."""

    inline_bytes: int = 100
    blobs: dict[str, str] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)

    def store(self, key: str, text: str) -> Body:
        if len(text.encode()) <= self.inline_bytes:
            return Body(text=text)
        self.faults.around(lambda: self.blobs.__setitem__(key, text))
        return Body(blob=key)

    def load(self, body: Body) -> str:
        if body.text is not None:
            return body.text
        return self.faults.around(lambda: self.blobs[body.blob or ""])
