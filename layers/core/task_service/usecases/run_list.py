"""Running task lists: the executor that ends a task also advances its list, before it deletes the message.

    a task ends ──► remove it from its group ──► the last one: close the group ──► start the next ──► …

Each of these writes happens once, however often it is tried. After a crash the queue delivers the message again, and
the same walk leads to the place where it stopped. `domain.advance` decides what comes next; here are the effects.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from task_service.domain import json_text
from task_service.domain.advance import (
    CloseGroup,
    EndList,
    Move,
    RunTask,
    SendTasks,
    Started,
    StartGroup,
    TaskEnded,
    advance,
)
from task_service.domain.call import CallRefused
from task_service.domain.errors import Unavailable
from task_service.domain.messages import GroupStart, TaskMessage, message_of
from task_service.domain.outcome import Handled, Interrupted, Outcome, Step
from task_service.domain.task import Body, Place, State
from task_service.domain.task_list import Execution, GroupState, Plan
from task_service.domain.trace import work_in
from task_service.ports import Bodies, Clock, PolicyEngine, TaskLists, TaskQueue, Tasks
from task_service.usecases.list_walk import Known, Walk
from task_service.usecases.notify_failure import FailureNotifier
from task_service.usecases.run_task import MARGIN, ListTask, TaskRunner
from task_service.usecases.write_cache import CacheWriter

REMEMBERED: Final = 8
"""Number of lists that a warm function keeps in memory; each with a request of up to 5 MB."""


@dataclass(kw_only=True, eq=False, repr=False)
class ListRunner:
    """Runs task lists."""

    lists: TaskLists
    tasks: Tasks
    queue: TaskQueue
    bodies: Bodies
    policies: PolicyEngine
    runner: TaskRunner
    clock: Clock
    cache: CacheWriter
    notifier: FailureNotifier
    _remembered: dict[str, Known] = field(default_factory=dict, init=False)

    def start(self, message: GroupStart, *, receipt: str, deadline: datetime) -> Step:
        """Start a group, and go on as far as this invocation can. Raises Unavailable."""
        try:
            known = self._load(message.list_id, message)
        except Unavailable as reason:
            return Step(handled=Handled.DELETE, outcome=self.runner.put_off(message, reason))
        if known is None or message.group >= len(known.plan.groups):
            return _UNKNOWN
        walk = Walk(known=known, receipt=receipt, deadline=deadline)
        start = StartGroup(message.group, failed_before=message.failed_before)
        return self._go_on(walk, lambda: self._start_group(walk, start))

    def run(self, message: TaskMessage, place: Place, *, receipt: str, deadline: datetime) -> Step:
        """Make an attempt of a list's task, and go on as far as this invocation can. Raises Unavailable."""
        try:
            known = self._load(place.list_id, message)
        except Unavailable as reason:
            return Step(handled=Handled.DELETE, outcome=self.runner.put_off(message, reason))
        if known is None or not known.plan.has(place):
            return _UNKNOWN
        walk = Walk(known=known, receipt=receipt, deadline=deadline, group=place.group)
        return self._go_on(walk, lambda: self._take(walk, message, place.position))

    def advance(self, message: GroupStart, *, deadline: datetime) -> Step:
        """Send the messages of what is due, for a dead letter that was to start a group. Raises Unavailable."""
        known = self._load(message.list_id, message)
        if known is None or message.group >= len(known.plan.groups):
            return _UNKNOWN
        walk = Walk(known=known, receipt="", deadline=deadline, only_moves_on=True)
        start = StartGroup(message.group, failed_before=message.failed_before)
        return self._go_on(walk, lambda: self._start_group(walk, start))

    def abandon(self, message: TaskMessage, place: Place, *, error: str, deadline: datetime) -> Step:
        """Fail a list's task that no executor works on, and advance its list. Raises Unavailable."""
        known = self._load(place.list_id, message)
        if known is None or not known.plan.has(place):
            return _UNKNOWN
        self.runner.open_replay(message)
        claim = self.tasks.abandon(message, error=error, now=self.clock())
        task = claim.task
        if task is not None and task.state is State.PENDING:
            # Another executor works on a duplicate of the message; the failures function looks again later.
            return Step(handled=Handled.KEEP, outcome=Outcome.LEASED)
        if task is None or task.state is State.CREATED:
            # No executor has started it.
            self.queue.send(message_of(task) if task is not None else message)
            return Step(handled=Handled.DELETE, outcome=Outcome.RESENT)
        walk = Walk(known=known, receipt="", deadline=deadline, only_moves_on=True, group=place.group)
        walk.outcome, state = Outcome.FAILED if claim.won else Outcome.FINISHED, task.state
        return self._go_on(walk, lambda: self._after_task(walk, place.position, state))

    def _go_on(self, walk: Walk, first: Callable[[], Move | None]) -> Step:
        """Make move after move, until nothing is left to do here. Raises Unavailable."""
        try:
            move = first()
            while move is not None:
                move = self._make(walk, move)
        except Unavailable as reason:
            raise Interrupted(reason, walk.step) from reason
        return walk.step

    def _make(self, walk: Walk, move: Move) -> Move | None:
        """Make one move; returns the one that follows from it."""
        match move:
            case StartGroup():
                if walk.only_moves_on or not self._has_time(walk):
                    self._hand_over(
                        walk,
                        GroupStart(
                            list_id=walk.list_id,
                            group=move.index,
                            failed_before=move.failed_before,
                            replay=walk.replay,
                            queue_group=walk.known.task_list.turn,
                        ),
                    )
                    return None
                return self._start_group(walk, move)
            case SendTasks():
                self.queue.send_all([walk.first_message(position) for position in move.positions])
                return None
            case RunTask():
                return self._run_task(walk, move.position)
            case CloseGroup():
                return self._close_group(walk, move)
            case EndList():
                self.lists.end(walk.known.task_list, well=move.well, now=self.clock())
                if walk.only_moves_on:
                    self.cache.list_ended_unwatched(walk.known.task_list)
                else:
                    self.cache.list_ended(walk.known.task_list, deadline=walk.deadline)
                return None

    def _start_group(self, walk: Walk, move: StartGroup) -> Move | None:
        walk.group, walk.previous = move.index, None
        group = walk.plan.groups[move.index]
        parallel = len(group.tasks) if group.execution is Execution.PARALLEL else 0
        state = self.lists.start_group(
            walk.known.task_list, move.index, parallel=parallel, failed_before=move.failed_before
        )
        return _advance(walk, state, Started())

    def _run_task(self, walk: Walk, position: int) -> Move | None:
        place = walk.place(position)
        message = walk.first_message(position)
        if walk.only_moves_on:
            self.runner.open_replay(message)
            task = self.tasks.get(place.task_id)
            if task is not None and task.state.is_final:
                return self._after_task(walk, position, task.state)
            self._hand_over(walk, message_of(task) if task is not None else message)
            return None
        if not self._has_time(walk, walk.plan.task_template(place).timeout):
            self._hand_over(walk, message)
            return None
        return self._take(walk, message, position)

    def _take(self, walk: Walk, message: TaskMessage, position: int) -> Move | None:
        """Make an attempt of the task in that position."""
        place, previous = walk.place(position), walk.previous
        in_list = ListTask(
            template=walk.plan.task_template(place),
            request=lambda: self._request(walk.known, place, previous),
            birth=walk.known.task_list.first_record(walk.plan, place),
        )
        taken = self.runner.run(message, receipt=walk.receipt, deadline=walk.deadline, in_list=in_list)
        walk.handled, walk.outcome, walk.previous = taken.handled, taken.outcome, taken.result
        if taken.attempt is not None:
            walk.attempts.append(taken.attempt)
        state = taken.ended
        if state is None:
            return None
        if state is State.DONE:
            self._cache_task(walk, place, taken.result)
        return self._after_task(walk, position, state)

    def _cache_task(self, walk: Walk, place: Place, result: Body | None) -> None:
        task_list, template = walk.known.task_list, walk.plan.task_template(place)
        self.cache.task_done(
            place.task_id,
            result,
            namespace=task_list.cache_namespace or template.cache_namespace,
            scope=task_list.cache_scope or template.cache_scope,
            deadline=walk.deadline,
        )

    def _after_task(self, walk: Walk, position: int, ended: State) -> Move | None:
        """The next move after a task that has ended, now or before."""
        if ended is State.CANCELLED:
            # Its list is cancelled too, and no executor advances it any more.
            return None
        group, well = walk.plan.groups[walk.group], ended is State.DONE
        if not well:
            place = walk.place(position)
            notice = self.notifier.tell(place.task_id, walk.plan.task_template(place))
            if notice is not None:
                walk.notices.append(notice)
        if group.execution is Execution.SEQUENTIAL:
            # The tasks' own records say how far the group is; the group's record is only needed at its end.
            state: GroupState | None = GroupState(index=walk.group, state=State.PENDING, replay=walk.replay)
        else:
            state = self.lists.end_task(
                walk.known.task_list, walk.group, position, well=well, parallel=len(group.tasks)
            )
        return _advance(walk, state, TaskEnded(position, well)) if state is not None else None

    def _close_group(self, walk: Walk, move: CloseGroup) -> Move | None:
        policy = walk.plan.groups[walk.group].final_policy
        result, error = self._evaluate(walk, policy) if move.well and policy else (None, None)
        well = move.well and error is None
        state = self.lists.close_group(
            walk.known.task_list, walk.group, well=well, stopped_at=move.stopped_at, result=result, error=error
        )
        return _advance(walk, state, Started())

    def _evaluate(self, walk: Walk, policy: str) -> tuple[Body | None, str | None]:
        """The result of a group's final policy, or the reason why there is none."""
        if walk.only_moves_on:
            return None, f"policy {policy!r} could not be evaluated in any of its tries"
        results = self._results(walk)
        if results is None:
            most = json_text.MAX_BYTES
            return None, f"the results are too large an input for policy {policy!r}: at most {most} bytes are allowed"
        try:
            text = self.policies.evaluate(policy, results, deadline=walk.deadline - MARGIN)
        except CallRefused as refusal:
            if refusal.can_retry:
                raise Unavailable(refusal.reason) from refusal
            return None, refusal.reason
        fault = walk.plan.result_fault(text)
        if fault:
            return None, f"the result of policy {policy!r} is too large: {fault}"
        return self.bodies.store(f"results/{walk.list_id}.{walk.group}", text), None

    def _results(self, walk: Walk) -> str | None:
        """The array of the results of a group's tasks; None: it is too large, so the rest was not loaded."""
        texts: list[str] = []
        size = len("[")
        for body in self.lists.results(walk.list_id, walk.group):
            text = self.bodies.load(body)
            size += json_text.size(text) + len(",")
            if size > json_text.MAX_BYTES:
                return None
            texts.append(text)
        return f"[{','.join(texts)}]"

    def _hand_over(self, walk: Walk, rest: TaskMessage | GroupStart) -> None:
        """Let another invocation go on."""
        self.queue.send(rest)
        walk.outcome = Outcome.HANDED_OVER

    def _has_time(self, walk: Walk, needed: timedelta = timedelta()) -> bool:
        return self.clock() + needed + 2 * MARGIN <= walk.deadline

    def _request(self, known: Known, place: Place, previous: Body | None) -> str:
        """The request of a list's task: the list's request, or the result of the task before it."""
        if place.position == 0 or known.plan.groups[place.group].execution is Execution.PARALLEL:
            return known.request
        if previous is None:
            before = self.tasks.get(replace(place, position=place.position - 1).task_id)
            previous = before.result if before is not None else None
        if previous is None:
            raise Unavailable(f"the result before {place.task_id} is not there")
        return self.bodies.load(previous)

    def _load(self, list_id: str, message: GroupStart | TaskMessage) -> Known | None:
        """The list of a message of its replay; None: there is no such list, or a later replay has begun."""
        replay = message.replay
        known = self._remembered.get(list_id)
        if known is None or known.task_list.replay < replay:
            task_list = self.lists.get(list_id)
            if task_list is not None and task_list.replay < replay:
                # The api function may have stopped before it wrote the replay.
                task_list = self.lists.replay(list_id, number=replay, by=message.by)
            if task_list is None:
                return None
            plan = Plan.from_text(self.bodies.load(task_list.plan))
            known = Known(task_list=task_list, plan=plan, request=self.bodies.load(task_list.request))
            if len(self._remembered) >= REMEMBERED:
                # The threads of a batch share this: another thread may have removed the same entry meanwhile.
                self._remembered.pop(next(iter(list(self._remembered)), ""), None)
            self._remembered[list_id] = known
        work_in(known.task_list.context.trace)
        return known if known.task_list.replay == replay else None


_UNKNOWN: Final = Step(handled=Handled.DELETE, outcome=Outcome.UNKNOWN)


def _advance(walk: Walk, state: GroupState, event: Started | TaskEnded) -> Move | None:
    """The next move; None: nothing follows, or the group belongs to a later replay."""
    return advance(walk.plan, state, event) if state.replay == walk.replay else None
