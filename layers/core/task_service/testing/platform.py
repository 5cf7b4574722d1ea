"""A platform of fakes, for the composition root."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from task_service.ports import Clock, Secret
from task_service.testing.bodies import InMemoryBodies
from task_service.testing.clock import FakeClock
from task_service.testing.idempotency_keys import InMemoryKeys
from task_service.testing.search import InMemorySearch
from task_service.testing.task_lists import InMemoryLists
from task_service.testing.task_queue import InMemoryQueue, InMemoryUnreadable
from task_service.testing.tasks import InMemoryTasks
from task_service.testing.templates import InMemoryTemplates


@dataclass(kw_only=True)
class InMemoryPlatform:
    """Fakes of everything that a platform has."""

    clock: Clock = field(default_factory=FakeClock)
    tasks: InMemoryTasks = field(default_factory=InMemoryTasks)
    unreadable: InMemoryUnreadable = field(default_factory=InMemoryUnreadable)
    bodies: InMemoryBodies = field(default_factory=InMemoryBodies)
    keys: InMemoryKeys = field(default_factory=InMemoryKeys)
    task_templates: InMemoryTemplates = field(default_factory=InMemoryTemplates)
    list_templates: InMemoryTemplates = field(default_factory=InMemoryTemplates)
    event_tasks: InMemoryTemplates = field(default_factory=InMemoryTemplates)
    policies: InMemoryTemplates = field(default_factory=InMemoryTemplates)
    lists: InMemoryLists = field(init=False)
    queue: InMemoryQueue = field(init=False)
    search: InMemorySearch = field(init=False)

    def __post_init__(self) -> None:
        self.lists = InMemoryLists(self.tasks)
        self.queue = InMemoryQueue(self.clock)
        self.search = InMemorySearch(self.lists)

    def unit_of_work(self) -> AbstractContextManager[None]:
        """Nothing: each write is kept by itself, which is the least that a platform promises."""
        return nullcontext()

    def secret(self, oauth: object) -> Secret:
        """The secret of the OAuth client."""
        return FixedSecret()

    def impatient(self) -> "InMemoryPlatform":
        """The same records."""
        return self


class FixedSecret:
    """A secret that does not change."""

    def __call__(self) -> str:
        return "secret"

    def forget(self) -> None:
        """Read it again next time: it is the same."""
