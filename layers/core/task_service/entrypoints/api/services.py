"""What the API needs from the rest of the service."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from task_service.ports import Clock
    from task_service.usecases.authorize import Authorizer
    from task_service.usecases.cancel import Canceller
    from task_service.usecases.check_readiness import ReadinessCheck
    from task_service.usecases.create_batch import BatchCreator
    from task_service.usecases.create_list import ListCreator
    from task_service.usecases.create_once import KeyedCreator
    from task_service.usecases.create_task import TaskCreator
    from task_service.usecases.edit_event_tasks import EventTaskEditor
    from task_service.usecases.edit_templates import TemplateEditor
    from task_service.usecases.read_list import ListReader
    from task_service.usecases.read_task import TaskReader
    from task_service.usecases.replay import Replayer
    from task_service.usecases.replay_many import BulkReplayer
    from task_service.usecases.search import Searcher
    from task_service.usecases.wait import Waiter


class Services(Protocol):
    """The use cases that the API calls, each built when a handler first asks for it."""

    @property
    def authorizer(self) -> "Authorizer | None":
        """Admits callers; None if authentication is off."""

    @property
    def clock(self) -> "Clock":
        """The current time."""

    @property
    def task_creator(self) -> "TaskCreator":
        """Creates tasks."""

    @property
    def batch_creator(self) -> "BatchCreator":
        """Creates many tasks."""

    @property
    def list_creator(self) -> "ListCreator":
        """Creates task lists."""

    @property
    def keyed_creator(self) -> "KeyedCreator":
        """Creates tasks and task lists with an idempotency key."""

    @property
    def task_reader(self) -> "TaskReader":
        """Reads tasks."""

    @property
    def list_reader(self) -> "ListReader":
        """Reads task lists."""

    @property
    def waiter(self) -> "Waiter":
        """Waits for tasks and task lists to end."""

    @property
    def canceller(self) -> "Canceller":
        """Cancels tasks and task lists."""

    @property
    def replayer(self) -> "Replayer":
        """Starts failed tasks and task lists again."""

    @property
    def bulk_replayer(self) -> "BulkReplayer":
        """Replays the failed tasks or lists that match a filter."""

    @property
    def searcher(self) -> "Searcher":
        """Finds tasks and task lists."""

    @property
    def task_templates(self) -> "TemplateEditor":
        """Writes and reads task templates."""

    @property
    def list_templates(self) -> "TemplateEditor":
        """Writes and reads task list templates."""

    @property
    def policies(self) -> "TemplateEditor":
        """Writes and reads policies."""

    @property
    def event_tasks(self) -> "EventTaskEditor":
        """Writes and reads event tasks."""

    @property
    def readiness(self) -> "ReadinessCheck":
        """Checks that the service can work."""
