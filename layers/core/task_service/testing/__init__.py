"""In-memory fakes of every port, for tests.

Each is a class of its port, which says what its methods promise. The contract tests run on these and on the adapters
alike, so a use case meets here what it meets on a real platform.
"""

from task_service.testing.bodies import InMemoryBodies
from task_service.testing.clock import FakeClock, draws
from task_service.testing.faults import Faults
from task_service.testing.http_target import ScriptedTarget
from task_service.testing.idempotency_keys import InMemoryKeys
from task_service.testing.outside import ScriptedOutside
from task_service.testing.platform import InMemoryPlatform
from task_service.testing.policies import ScriptedPolicies
from task_service.testing.result_cache import InMemoryCache
from task_service.testing.search import InMemorySearch
from task_service.testing.task_lists import InMemoryLists
from task_service.testing.task_queue import InMemoryQueue, InMemoryUnreadable, Sent
from task_service.testing.tasks import InMemoryTasks
from task_service.testing.templates import InMemoryTemplates

__all__ = [
    "FakeClock",
    "Faults",
    "InMemoryBodies",
    "InMemoryCache",
    "InMemoryKeys",
    "InMemoryLists",
    "InMemoryPlatform",
    "InMemoryQueue",
    "InMemorySearch",
    "InMemoryTasks",
    "InMemoryTemplates",
    "InMemoryUnreadable",
    "ScriptedOutside",
    "ScriptedPolicies",
    "ScriptedTarget",
    "Sent",
    "draws",
]
