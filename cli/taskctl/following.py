"""A task or a list as it is now, and following it until it has ended.

A list's status says which state each task has. Attempts, times and errors come from the tasks' own statuses: at most
DETAILS of them are read a round, those of running tasks first, and among these the ones that were read least.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Any, Final

from taskctl.api import Server, checked, member, segment, text_or_none
from taskctl.errors import NoAnswer, Refused
from taskctl.hostile import plain

FINAL: Final = frozenset({"done", "failed", "cancelled"})
DETAILS: Final = 20
"""Statuses of single tasks that are read in one round."""
LAST_DETAILS: Final = 200
"""The same in the last round, when the list has ended."""
SHORTEST_PAUSE: Final = 1
LONGEST_PAUSE: Final = 2
"""Seconds between two rounds; the pause grows while nothing changes."""
QUIET: Final = 20
"""The same where only the end is of interest: the service answers when it comes."""
OUTAGE_SECONDS: Final = 60.0
"""How long a service that does not answer is asked again."""


@dataclass(frozen=True, kw_only=True)
class About:
    """Where a task or a list comes from, and who has changed it; None: not known."""

    trace_id: str | None = None
    created_by: str | None = None
    cancelled_by: str | None = None
    replayed_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Followed:
    """The members that a task and a list have in common."""

    id: str
    state: str
    name: str = ""
    """Name of its template; empty: not known yet."""
    created: datetime | None = None
    finished: datetime | None = None
    not_before: datetime | None = None
    """When it starts, while it waits for that."""
    about: About = About()

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in FINAL


@dataclass(frozen=True, kw_only=True)
class Task(_Followed):
    """A task, alone or of a list."""

    attempts: int | None = None
    """Attempts so far; None: not known."""
    code: int | None = None
    """The status of the target's answer."""
    started: datetime | None = None
    error: str | None = None
    """Why it has failed, or was cancelled."""
    history: tuple[Mapping[str, Any], ...] = ()
    """The last attempts, as the service shows them; a service of an older version does not."""

    @property
    def last_error(self) -> str | None:
        """The reason why it has failed, or why its last attempt has; None for one that is done."""
        if self.state == "done":
            return None
        return self.error or next((str(one["error"]) for one in reversed(self.history) if one.get("error")), None)


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group of a list."""

    id: str
    state: str
    tasks: tuple[Task, ...] = ()
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class TaskList(_Followed):
    """A list of groups."""

    groups: tuple[Group, ...] = ()

    @property
    def tasks(self) -> Iterator[Task]:
        """All its tasks."""
        return (task for group in self.groups for task in group.tasks)


def seconds_of(followed: Task | TaskList, now: datetime) -> float | None:
    """How long it runs, or ran; None: it has not started, or that is not known."""
    start = followed.started if isinstance(followed, Task) else followed.created
    end = followed.finished or (None if followed.is_final else now)
    if start is None or end is None or (isinstance(followed, Task) and followed.state == "created"):
        return None
    return max(0.0, (end - start).total_seconds())


def task_of(document: Mapping[str, Any]) -> Task:
    """The task in a `taskStatus`, or in a page of tasks. Raises NoAnswer."""
    history = document.get("history")
    attempts, code = document.get("attempts"), document.get("responseCode")
    return Task(
        **_common(document),
        attempts=attempts if isinstance(attempts, int) else None,
        code=code if isinstance(code, int) else None,
        started=_moment(document, "startedAt"),
        error=text_or_none(document, "error"),
        history=tuple(one for one in history if isinstance(one, dict)) if isinstance(history, list) else (),
    )


def list_of(document: Mapping[str, Any]) -> TaskList:
    """The list in a `taskListStatus`, or in a page of lists. Raises NoAnswer."""
    groups = checked(document.get("groups") or [], list)
    return TaskList(**_common(document), groups=tuple(_group_of(checked(group, dict)) for group in groups))


def _common(document: Mapping[str, Any]) -> dict[str, Any]:
    """The members that a task and a list have in common."""
    return {
        "id": member(document, "id", str),
        "state": member(document, "status", str),
        "name": text_or_none(document, "name") or "",
        "created": _moment(document, "createdAt"),
        "finished": _moment(document, "finishedAt"),
        "not_before": _moment(document, "notBefore"),
        "about": About(
            trace_id=text_or_none(document, "traceId"),
            created_by=text_or_none(document, "createdBy"),
            cancelled_by=text_or_none(document, "cancelledBy"),
            replayed_by=text_or_none(document, "replayedBy"),
        ),
    }


def _group_of(document: Mapping[str, Any]) -> Group:
    tasks = checked(document.get("tasks") or [], list)
    return Group(
        id=member(document, "id", str),
        state=member(document, "status", str),
        tasks=tuple(task_of(checked(task, dict)) for task in tasks),
        error=text_or_none(document, "error"),
    )


def _moment(document: Mapping[str, Any], name: str) -> datetime | None:
    return moment_of(text_or_none(document, name))


def moment_of(value: object) -> datetime | None:
    """A time, if the value is one."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    # At the ends of the calendar a time has no equal one in other zones.
    if not MINYEAR < moment.year < MAXYEAR:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Follower:
    """Reads a task or a list again and again. Remembers what it has learned of the tasks of a list."""

    def __init__(self, server: Server, followed_id: str, *, details: bool = True, timeout: float | None = None) -> None:
        self._server = server
        self._id = followed_id
        self._details = details
        self._shortest_pause, self._longest_pause = (SHORTEST_PAUSE, LONGEST_PAUSE) if details else (QUIET, QUIET)
        self._deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        self._path: str | None = None
        self._known: dict[str, Task] = {}
        self._reads: Counter[str] = Counter()
        self.trouble: str | None = None
        """Why the latest round has had no answer; None: it has had one."""

    def now(self) -> Task | TaskList:
        """The task or the list as it is now. Raises Refused if there is neither, Denied, NoAnswer."""
        return self._read(0)

    def rounds(self, told: Callable[[], None] = lambda: None) -> Iterator[Task | TaskList]:
        """The task or list at the beginning, after each round, and when it has ended or the time is over.

        A service that does not answer is asked again for OUTAGE_SECONDS; `told` is called when that begins. Raises
        Refused, Denied, NoAnswer.
        """
        shown = self.now()
        yield shown
        pause, answered = self._shortest_pause, time.monotonic()
        while not shown.is_final and (left := self._deadline - time.monotonic()) > 0:
            started = time.monotonic()
            wait = max(1, int(min(pause, left)))
            try:
                following = self._read(wait)
            except NoAnswer as fault:
                if not fault.is_passing or time.monotonic() - answered > OUTAGE_SECONDS:
                    raise
                self.trouble = fault.problem
                told()
            else:
                self.trouble, answered = None, time.monotonic()
                # What waits for its time changes when that has come.
                longest = QUIET if following.not_before else self._longest_pause
                pause = self._shortest_pause if following != shown else min(pause * 2, longest)
                shown = following
                yield shown
                if shown.is_final:
                    return
            # A service, or what stands before it, need not wait as it is asked to.
            time.sleep(max(0.0, min(wait, left) - (time.monotonic() - started)))

    def _read(self, wait: int) -> Task | TaskList:
        if self._path is None:
            return self._find()
        return self._complete(self._server.get(self._path, wait=wait).object())

    def _find(self) -> Task | TaskList:
        """Find out whether the id is a task's or a list's."""
        name = segment(self._id)
        for path in (f"/v1/taskStatus/{name}", f"/v1/taskListStatus/{name}"):
            if answer := self._server.find(path):
                self._path = path
                return self._complete(answer.object())
        raise Refused(
            f"there is neither a task nor a list {plain(self._id)}", "see taskctl ls, or taskctl ls lists", status=404
        )

    def _complete(self, document: dict[str, Any]) -> Task | TaskList:
        if "groups" not in document:
            return task_of(document)
        shown = list_of(document)
        if self._details:
            for task in self._worth_reading(shown):
                self._reads[task.id] += 1
                # Of one that is not found, the list's status says all that is shown.
                if answer := self._server.find(f"/v1/taskStatus/{segment(task.id)}"):
                    self._known[task.id] = task_of(answer.object())
        groups = tuple(replace(group, tasks=tuple(map(self._with_details, group.tasks))) for group in shown.groups)
        return replace(shown, groups=groups)

    def _worth_reading(self, shown: TaskList) -> list[Task]:
        """The tasks whose status has something new, the most interesting ones first."""
        order = {"pending": 0, "failed": 1, "cancelled": 2, "done": 3}
        open_ = [
            task
            for task in shown.tasks
            if task.state in order
            and (task.state == "pending" or task.id not in self._known or self._known[task.id].state != task.state)
        ]
        open_.sort(key=lambda task: (order[task.state], self._reads[task.id]))
        return open_[: LAST_DETAILS if shown.is_final else DETAILS]

    def _with_details(self, task: Task) -> Task:
        known = self._known.get(task.id)
        if known is None:
            return task
        if known.state == task.state or (known.is_final and not task.is_final):
            # The task's own status was read later than the list's.
            return replace(known, id=task.id, name=known.name or task.name)
        return replace(task, name=task.name or known.name)
