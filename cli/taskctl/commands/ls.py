"""taskctl ls: finds tasks and lists, and names templates."""

from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Literal

import typer
from rich.text import Text

from taskctl.api import PAGE_SIZE, Server
from taskctl.command import Session
from taskctl.documents import Kind
from taskctl.errors import WrongUse
from taskctl.following import list_of, task_of
from taskctl.options import Name, Since, Until, moment
from taskctl.plan import documents
from taskctl.screen import Screen, state_text
from taskctl.tree import elapsed

Subject = Literal["tasks", "lists", "taskTemplates", "taskListTemplates", "policies", "eventTasks"]
State = Literal["created", "pending", "done", "failed", "cancelled"]


def ls(
    session: Session,
    subject: Annotated[Subject, typer.Argument(help="What is listed.")] = "tasks",
    name: Name = None,
    state: Annotated[State | None, typer.Option(help="The state.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="The most that are shown.")] = 50,
) -> None:
    """Find tasks and lists, the newest first; or list templates, policies and event tasks."""
    filters = search_filter(name=name, state=state, since=since, until=until)
    if subject not in ("tasks", "lists"):
        if filters:
            raise WrongUse(f"{', '.join(filters)}: only tasks and lists are searched", "leave these options out")
        _show_documents(session, Kind(subject), limit)
        return
    path = "/v1/tasks" if subject == "tasks" else "/v1/taskLists"
    with session.screen.progress("Searching") as step:
        found, is_all = search(session.server, path, filters, limit=limit, step=step)
    if session.screen.is_json:
        session.screen.emit({"items": found, "complete": is_all})
        return
    if subject == "tasks":
        _show_tasks(session.screen, found)
    else:
        _show_lists(session.screen, found)
    if not is_all:
        session.screen.note("There may be more: narrow the search, or raise --limit.")


def search(
    server: Server, path: str, filters: dict[str, str], *, limit: int, step: Any = lambda: None
) -> tuple[list[dict[str, Any]], bool]:
    """The first tasks or lists that match, and whether there are no others. Raises Refused, Denied, NoAnswer."""
    found: list[dict[str, Any]] = []
    for page in server.pages(path, {**filters, "limit": str(min(limit, PAGE_SIZE))}):
        found += page.items
        step()
        if len(found) >= limit:
            return found[:limit], page.is_last and len(found) == limit
    return found, True


def search_filter(
    *, name: str | None, since: str | None, until: str | None, state: State | None = None
) -> dict[str, str]:
    """The filter as parameters of the API. Raises WrongUse."""
    created = {"since": moment("since", since, or_ago=True), "until": moment("until", until, or_ago=True)}
    given = {"name": name, "state": state, **created}
    return {parameter: str(value) for parameter, value in given.items() if value is not None}


def _show_tasks(screen: Screen, found: list[dict[str, Any]]) -> None:
    rows: list[list[str | Text]] = []
    for task in map(task_of, found):
        attempts = "" if task.attempts is None else str(task.attempts)
        took, error = elapsed(task), task.error or ""
        rows.append([task.id, task.name, state_text(task.state), _time(task.created), took, attempts, error])
    screen.table(["ID", "NAME", "STATE", "CREATED", "TOOK", "ATTEMPTS", "ERROR"], rows)


def _show_lists(screen: Screen, found: list[dict[str, Any]]) -> None:
    rows: list[list[str | Text]] = [
        [shown.id, shown.name, state_text(shown.state), _time(shown.created), elapsed(shown)]
        for shown in map(list_of, found)
    ]
    screen.table(["ID", "NAME", "STATE", "CREATED", "TOOK"], rows)


def _show_documents(session: Session, kind: Kind, limit: int) -> None:
    with session.screen.progress("Reading") as step:
        found = [*islice(documents(session.server, kind, step=step), limit + 1)]
    if len(found) > limit:
        session.screen.note("There are more: raise --limit.")
        del found[limit:]
    if session.screen.is_json:
        session.screen.emit({"items": [dict(one.members) for one in found]})
        return
    session.screen.table(["NAME", "WHAT"], [[one.name, _what(kind, dict(one.members))] for one in found])


def _what(kind: Kind, members: dict[str, Any]) -> str:
    if kind is Kind.TASK:
        policy = members.get("requestPolicy")
        return f"policy {policy}" if policy else f"{members.get('method', '')} {members.get('url', '')}"
    if kind is Kind.LIST:
        groups = members.get("groups")
        return f"{len(groups)} groups" if isinstance(groups, list) else ""
    return str(members.get("taskName", ""))


def _time(found: datetime | None) -> str:
    return "" if found is None else found.astimezone().strftime("%m-%d %H:%M:%S")
