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
    def clock(self) -> "Clock":
        """The current time."""

    @property
    def authorizer(self) -> "Authorizer | None":
        """Admits callers; None if authentication is off."""

    @property
    def task_creator(self) -> "TaskCreator": ...
    @property
    def batch_creator(self) -> "BatchCreator": ...
    @property
    def list_creator(self) -> "ListCreator": ...
    @property
    def keyed_creator(self) -> "KeyedCreator": ...
    @property
    def task_reader(self) -> "TaskReader": ...
    @property
    def list_reader(self) -> "ListReader": ...
    @property
    def waiter(self) -> "Waiter": ...
    @property
    def canceller(self) -> "Canceller": ...
    @property
    def replayer(self) -> "Replayer": ...
    @property
    def bulk_replayer(self) -> "BulkReplayer": ...
    @property
    def searcher(self) -> "Searcher": ...
    @property
    def task_templates(self) -> "TemplateEditor": ...
    @property
    def list_templates(self) -> "TemplateEditor": ...
    @property
    def policies(self) -> "TemplateEditor": ...
    @property
    def event_tasks(self) -> "EventTaskEditor": ...
    @property
    def readiness(self) -> "ReadinessCheck": ...
