"""Executing what comes out of the task queue: one message in hand, one step to take."""

from datetime import datetime

from task_service.domain.task import GroupStart, Message, place_of
from task_service.usecases.attempt import Attempts, Step
from task_service.usecases.run_list import ListRun
from task_service.wired import wired


@wired
class Execution:
    """Takes the messages of the task queue."""

    attempts: Attempts
    lists: ListRun

    def handle(self, message: Message | GroupStart, *, receipt: str, deadline: datetime) -> Step:
        """Take the step that `message` asks for; everything ends before `deadline`.

        Raises Unavailable where the step has to be repeated; nothing is lost then.
        """
        if isinstance(message, GroupStart):
            return self.lists.start(message, receipt=receipt, deadline=deadline)
        place = place_of(message.task_id)
        if place is not None:
            return self.lists.run(message, place, receipt=receipt, deadline=deadline)
        return self.attempts.take(message, receipt=receipt, deadline=deadline).step
