"""A walk: the way of one invocation through a list, and what it found on it."""

from dataclasses import dataclass, field
from datetime import datetime

from task_service.domain.messages import TaskMessage
from task_service.domain.notice import Notice
from task_service.domain.outcome import Attempt, Handled, Outcome, Step
from task_service.domain.task import Body, Place
from task_service.domain.task_list import Plan, TaskList


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """The parts of a list that do not change before its next replay."""

    task_list: TaskList
    plan: Plan
    request: str


@dataclass(kw_only=True, slots=True)
class Walk:
    """The way of one invocation through a list."""

    known: Known
    receipt: str
    deadline: datetime
    only_moves_on: bool = False
    """The message has crashed its executors too often: this invocation runs nothing, sends the messages of what is due,
    and takes a final policy that is due as failed."""
    group: int = 0
    previous: Body | None = None
    """Result of the task before, if it is known."""
    attempts: list[Attempt] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    handled: Handled = Handled.DELETE
    outcome: Outcome = Outcome.MOVED_ON

    @property
    def plan(self) -> Plan:
        """The list's plan."""
        return self.known.plan

    @property
    def list_id(self) -> str:
        """The list's id."""
        return self.known.task_list.id

    @property
    def replay(self) -> int:
        """Number of the list's replay that this walk belongs to."""
        return self.known.task_list.replay

    def place(self, position: int) -> Place:
        """That position in the group."""
        return Place(list_id=self.list_id, group=self.group, position=position)

    def first_message(self, position: int) -> TaskMessage:
        """The message that starts the task in that position."""
        return TaskMessage(
            task_id=self.place(position).task_id,
            attempt=1,
            replay=self.replay,
            by=self.known.task_list.replayed_by,
            queue_group=self.known.task_list.turn,
        )

    @property
    def step(self) -> Step:
        """The result of the walk."""
        attempts, notices = tuple(self.attempts), tuple(self.notices)
        return Step(handled=self.handled, outcome=self.outcome, attempts=attempts, notices=notices)
