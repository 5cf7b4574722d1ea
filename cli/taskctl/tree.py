"""A followed task or list, drawn for a terminal or told in lines."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final

from rich.text import Text
from rich.tree import Tree

from taskctl.following import FINAL, Group, Task, TaskList, moment_of, seconds_of
from taskctl.hostile import brief, plain
from taskctl.options import rfc3339
from taskctl.screen import COLOURS, state_text

_NAME: Final = 24
"""The widest that names are shown."""
_STATE: Final = 9
_RANKS: Final = {state: rank for rank, state in enumerate(("pending", "failed", "cancelled", "created", "done"))}
"""Which states are shown first where not all tasks fit."""


def elapsed(followed: Task | TaskList, now: datetime | None = None) -> str:
    """How long it runs, or ran; empty if it has not started."""
    seconds = seconds_of(followed, now or datetime.now(UTC))
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def draw(followed: Task | TaskList, *, height: int | None = None, now: datetime | None = None) -> Tree:
    """The tree of a list, or the one line of a task with its attempts.

    With a height, at most so many lines: running and failed tasks first, the others as counts.
    """
    if isinstance(followed, Task):
        return _draw_task(followed, now)
    tree = Tree(_title(followed, now))
    if about := _about(followed):
        tree.add(_line(("  ".join(about), "dim")))
        height = None if height is None else height - 1
    tasks = list(followed.tasks)
    width = min(_NAME, max((len(_name(task)) for task in tasks), default=0))
    numbered = list(enumerate(followed.groups, 1))
    left: int | None = None
    if height is not None and 1 + len(numbered) + len(tasks) > height:
        # Each group has a line of its own, and one for the tasks that do not fit.
        most = max(1, (height - 2) // 2)
        if cut := len(numbered) - most if len(numbered) > most else 0:
            numbered = sorted(sorted(numbered, key=_rank)[:most], key=itemgetter(0))
            tree.add(Text(f"… {cut} more groups", style="dim"))
        left = max(0, height - (2 if cut else 1) - 2 * len(numbered))
    for number, group in numbered:
        branch = tree.add(_line(f"group {number} ", state_text(group.state), error=group.error))
        shown = list(group.tasks) if left is None else _interesting(group.tasks, left)
        left = None if left is None else left - len(shown)
        for task in shown:
            branch.add(_task_line(task, width, now))
        if hidden := len(group.tasks) - len(shown):
            counts = Counter(task.state for task in group.tasks)
            counts.subtract(task.state for task in shown)
            told = ", ".join(f"{count} {plain(state)}" for state, count in sorted(counts.items()) if count)
            branch.add(_line((f"… {hidden} more: {told}", "dim")))
    return tree


def errors(followed: TaskList) -> Iterator[Text]:
    """The whole error of each task and group that has failed, for below the tree."""
    for number, group in enumerate(followed.groups, 1):
        if group.error:
            yield Text.assemble((f"group {number}: ", "bold"), (plain(group.error), "red"))
        for task in group.tasks:
            if task.error and task.state == "failed":
                yield Text.assemble((f"{_name(task)} {_place(task)}: ", "bold"), (plain(task.error), "red"))


def lines(before: Task | TaskList | None, after: Task | TaskList) -> Iterator[str]:
    """A line for each task, group and list that has changed: id, name, state, and what is known beside."""
    for number, changed in _changed(before, after):
        if isinstance(changed, Group):
            parts = [plain(changed.id), f"group {number}", plain(changed.state), plain(changed.error or "")]
        else:
            parts = _fact(changed, about=_about(changed) if number == 0 else [])
        yield "  ".join(part for part in parts if part)


def changes(before: Task | TaskList | None, after: Task | TaskList) -> Iterator[dict[str, Any]]:
    """The same as JSON objects."""
    for _, changed in _changed(before, after):
        yield as_json(changed)


def as_json(followed: Task | TaskList | Group) -> dict[str, Any]:
    """A task, a group or a list as a JSON object."""
    kind = {Task: "task", TaskList: "list", Group: "group"}[type(followed)]
    members: dict[str, Any] = {"kind": kind, "id": followed.id, "status": followed.state}
    if isinstance(followed, Group):
        return members | {"error": followed.error}
    seconds = seconds_of(followed, datetime.now(UTC))
    members |= {"name": followed.name or None, "seconds": None if seconds is None else round(seconds, 3)}
    if isinstance(followed, Task):
        members |= {"attempts": followed.attempts, "responseCode": followed.code, "error": followed.last_error}
    starts, about = followed.not_before, followed.about
    known = {
        "notBefore": rfc3339(starts) if starts else None,
        "traceId": about.trace_id,
        "createdBy": about.created_by,
        "cancelledBy": about.cancelled_by,
        "replayedBy": about.replayed_by,
    }
    return members | {name: value for name, value in known.items() if value is not None}


def _changed(before: Task | TaskList | None, after: Task | TaskList) -> Iterator[tuple[int, Task | Group | TaskList]]:
    """The parts whose state or attempt has changed, with their numbers in the list."""
    known = {} if before is None else {one.id: _key(one) for _, one in _parts(before)}
    for number, one in _parts(after):
        if known.get(one.id) != _key(one):
            yield number, one


def _key(one: Task | Group | TaskList) -> tuple[object, ...]:
    if isinstance(one, Task) and one.state == "pending":
        return one.state, one.attempts, one.last_error
    return (one.state,)


def _parts(followed: Task | TaskList) -> Iterator[tuple[int, Task | Group | TaskList]]:
    if isinstance(followed, TaskList):
        for number, group in enumerate(followed.groups, 1):
            yield from ((number, task) for task in group.tasks)
            yield number, group
    yield 0, followed


def _fact(followed: Task | TaskList, about: Iterable[str]) -> list[str]:
    parts = [plain(followed.id), _name(followed), plain(followed.state)]
    if isinstance(followed, Task) and followed.attempts:
        parts.append(f"attempt {followed.attempts}")
    parts += [elapsed(followed) if followed.is_final else "", _start(followed), *about]
    if isinstance(followed, Task) and followed.last_error:
        parts.append(plain(followed.last_error))
    return parts


def _title(followed: TaskList, now: datetime | None) -> Text:
    counts = Counter(task.state for task in followed.tasks)
    done, whole = sum(counts[state] for state in FINAL), counts.total()
    return _line(
        (plain(followed.name) or "list", "bold"),
        f" {plain(followed.id)} ",
        state_text(followed.state),
        f" {done}/{whole} {_start(followed) or elapsed(followed, now)}",
    )


def _task_line(task: Task, width: int, now: datetime | None) -> Text:
    attempts = f"{task.attempts}x" if task.attempts else ""
    starts = _start(task)
    return _line(
        f"{_fitted(_name(task), width)}  ",
        (f"{plain(task.state):<{_STATE}}", COLOURS.get(task.state, "")),
        f"  {attempts:>4}  {elapsed(task, now):>7}",
        f"  {starts}" if starts else "",
        error=task.last_error,
    )


def _line(*parts: str | Text | tuple[str, str], error: object = None) -> Text:
    """A line that the width of the terminal cuts off."""
    told = [(f"  {plain(error)}", "red")] if error else []
    line = Text.assemble(*parts, *told, no_wrap=True, overflow="ellipsis")
    line.rstrip()
    return line


def _about(followed: Task | TaskList) -> list[str]:
    """Its trace, and who has created, cancelled or replayed it."""
    about = followed.about
    told = {
        "trace": about.trace_id,
        "created by": about.created_by,
        "cancelled by": about.cancelled_by,
        "replayed by": about.replayed_by,
    }
    return [f"{what} {brief(text)}" for what, text in told.items() if text]


def _start(followed: Task | TaskList) -> str:
    """When what waits for its time starts; empty for others."""
    if followed.not_before is None or followed.state != "created":
        return ""
    return f"starts {followed.not_before.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%SZ')}"


def _draw_task(task: Task, now: datetime | None) -> Tree:
    tree = Tree(_task_line(task, len(_name(task)), now))
    for told in _about(task):
        tree.add(_line((told, "dim")))
    for attempt in task.history:
        started, finished = moment_of(attempt.get("startedAt")), moment_of(attempt.get("finishedAt"))
        took = elapsed(Task(id="", state="done", started=started, finished=finished), now)
        parts = [f"attempt {plain(attempt.get('attempt'))}", f"{took:>7}"]
        if attempt.get("responseCode") is not None:
            parts.append(plain(attempt["responseCode"]))
        tree.add(_line("  ".join(parts), error=attempt.get("error")))
    return tree


def _name(followed: Task | TaskList) -> str:
    return plain(followed.name) or (_place(followed) if isinstance(followed, Task) else "list")


def _place(task: Task) -> str:
    """Where in its list a task is: group and position, from 1."""
    parts = task.id.split(".")
    if len(parts) == 3 and parts[1].isdecimal() and parts[2].isdecimal():
        return f"{int(parts[1]) + 1}.{int(parts[2]) + 1}"
    return plain(task.id)


def _fitted(name: str, width: int) -> str:
    text = Text(name)
    text.truncate(width, overflow="ellipsis", pad=True)
    return text.plain


def _interesting(tasks: Iterable[Task], count: int) -> list[Task]:
    """The tasks that run or have failed, at most so many, in their order."""
    found = [one for one in enumerate(tasks) if one[1].state in ("pending", "failed")]
    return [task for _, task in sorted(sorted(found, key=_rank)[:count], key=itemgetter(0))]


def _rank(numbered: tuple[int, Task | Group]) -> int:
    return _RANKS.get(numbered[1].state, len(_RANKS))
