"""taskctl replay: starts failed tasks and lists again."""

import json
from typing import Annotated, Any

import typer
from rich.text import Text

from taskctl.api import PAGE_SIZE, member, segment
from taskctl.command import Session
from taskctl.commands.cancel import each
from taskctl.commands.ls import search_filter
from taskctl.errors import NoAnswer, Partly, Refused, TaskctlError, WrongUse
from taskctl.hostile import plain
from taskctl.options import Name, Since, Until


def replay(
    session: Session,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID...]", help="Ids of failed tasks or lists.")] = None,
    name: Name = None,
    since: Since = None,
    until: Until = None,
    lists: Annotated[bool, typer.Option("--lists", help="With a filter: replay lists, not tasks.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Start failed tasks or lists again: those with these ids, or all that match a filter."""
    filters = search_filter(name=name, since=since, until=until)
    if bool(ids) == bool(filters):
        raise WrongUse("either ids or a filter (--name, --since, --until) is needed", "give one of them")
    if ids:
        each(session, ids, lambda one: _replay_one(session, one))
    else:
        _replay_all(session, filters, "taskLists" if lists else "tasks", yes=yes)


def _replay_one(session: Session, one: str) -> dict[str, Any]:
    """Replay a task, or the list with this id."""
    try:
        return session.server.call("POST", f"/v1/tasks/{segment(one)}/replay").object()
    except Refused as refusal:
        if refusal.status != 404:
            raise
        return session.server.call("POST", f"/v1/taskLists/{segment(one)}/replay").object()


def _replay_all(session: Session, filters: dict[str, str], resource: str, *, yes: bool) -> None:
    server, screen = session.server, session.screen
    noun = "lists" if resource == "taskLists" else "tasks"
    count = 0
    with screen.progress("Counting") as step:
        for page in server.pages(f"/v1/{resource}", {**filters, "state": "failed"}):
            count += len(page.items)
            step(len(page.items))
    if count and not screen.ask(f"Replay {count} failed {noun if count != 1 else noun[:-1]}?", yes=yes):
        screen.note("Nothing is replayed.")
        return
    replayed, skipped, seen = 0, [], set()
    asked: dict[str, Any] = {"resource": resource, "limit": PAGE_SIZE, **filters}
    with screen.progress("Replaying", count) as step:
        while count:
            try:
                page_answer = server.call("POST", "/v1/replays", body=json.dumps(asked).encode()).object()
            except TaskctlError as fault:
                if not replayed:
                    raise
                raise Partly(
                    f"{replayed} of {count} are replayed, then {fault.problem}", "repeat the command for the others"
                ) from None
            replayed += len(member(page_answer, "items", list))
            skipped += member(page_answer, "skipped", list)
            step(len(page_answer["items"]))
            after = page_answer.get("next")
            if after is None:
                break
            if not isinstance(after, str) or after in seen:
                raise NoAnswer("the service's pages do not end", "check the URL", is_passing=False)
            seen.add(after)
            asked["next"] = after
    screen.show(
        {"replayed": replayed, "skipped": skipped},
        f"{replayed} {noun if replayed != 1 else noun[:-1]} replayed",
        *(
            Text(f"  skipped {plain(one.get('id'))}: {plain(one.get('reason'))}" if isinstance(one, dict) else "")
            for one in skipped
        ),
    )
