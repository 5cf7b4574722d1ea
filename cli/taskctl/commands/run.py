"""taskctl run: creates a task or a list."""

from typing import Annotated

import typer
from rich.text import Text

from taskctl import options
from taskctl.api import Server, member, segment
from taskctl.command import Session
from taskctl.commands.result import show_result
from taskctl.errors import NoAnswer, Refused, WrongUse
from taskctl.files import read_bytes
from taskctl.hostile import plain
from taskctl.waiting import show_until_end, wait_until_end


def run(
    session: Session,
    name: Annotated[str, typer.Argument(help="The name of a task template or a list template.")],
    data: Annotated[str, typer.Option("--data", "-d", help="The body, JSON; @file or @- (stdin) reads it.")] = "{}",
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait for the end, and show the result.")] = False,
    timeout: options.Timeout = None,
    as_task: Annotated[bool, typer.Option("--task", help="NAME is a task template.")] = False,
    as_list: Annotated[bool, typer.Option("--list", help="NAME is a list template.")] = False,
    key: Annotated[
        str | None, typer.Option("--idempotency-key", help="With the same key, a repeated request creates nothing new.")
    ] = None,
    delay: Annotated[str | None, typer.Option(help="Start so long after now: 90s, 30m, 2h, 7d.")] = None,
    not_before: Annotated[str | None, typer.Option(help="Start at this time: 2026-01-31T12:00:00Z.")] = None,
    group: Annotated[str | None, typer.Option(help="The group in which it takes turns; else its template's.")] = None,
    parent: options.TraceParent = None,
    namespace: Annotated[str | None, typer.Option("--cache-namespace", help="For the cache service.")] = None,
    scope: Annotated[str | None, typer.Option("--cache-scope", help="For the cache service.")] = None,
) -> None:
    """Create a task or a list, and with --wait show its result."""
    server, screen = session.server, session.screen
    if as_task and as_list:
        raise WrongUse("--task and --list exclude each other", "give one of them")
    body = _read(data)
    is_list = as_list or (not as_task and _is_list(server, name))
    headers = {
        header: value
        for header, value in (
            ("Idempotency-Key", options.visible("idempotency-key", key, options.LONGEST_KEY)),
            ("x-cache-namespace", namespace),
            ("x-cache-scope", scope),
            ("x-task-delay", options.seconds("delay", delay)),
            ("x-task-not-before", options.moment("not-before", not_before)),
            ("x-task-group", options.visible("group", group, options.LONGEST_GROUP)),
            ("traceparent", options.traceparent(parent)),
        )
        if value is not None
    }
    kind, resource = ("list", "taskList") if is_list else ("task", "task")
    created = _create(server, f"/v1/{resource}/{segment(name)}", body, headers)
    created_id = member(created, f"{resource}ID", str)
    if not wait:
        screen.show({"id": created_id, "kind": kind}, Text(plain(created_id)))
        return
    screen.note(Text(f"{kind} {plain(created_id)}"))
    if is_list:
        show_until_end(server, screen, created_id, timeout=timeout)
    else:
        wait_until_end(server, screen, created_id, timeout=timeout)
        show_result(session, created_id)


def _read(data: str) -> bytes:
    """The body: the text itself, or what a file has. Raises WrongUse."""
    if data.startswith("@"):
        return read_bytes(data[1:], "name a file after --data @")
    return data.encode("utf-8", "surrogateescape")


def _is_list(server: Server, name: str) -> bool:
    """Whether a list template has this name. Raises Refused if a task template has it too."""
    if server.find(f"/v1/taskListTemplates/{segment(name)}") is None:
        return False
    if server.find(f"/v1/taskTemplates/{segment(name)}") is not None:
        raise Refused(
            f"there are a task template and a list template with the name {plain(name)}", "add --task or --list"
        )
    return True


def _create(server: Server, path: str, body: bytes, headers: dict[str, str]) -> dict[str, object]:
    try:
        return server.call("POST", path, body=body, headers=headers).object()
    except NoAnswer as fault:
        step = (
            "repeat the command with the same key"
            if "Idempotency-Key" in headers
            else "look with taskctl ls; --idempotency-key makes a repetition safe"
        )
        raise NoAnswer(f"whether it was created is not known: {fault.problem}", step) from None
    except Refused as refusal:
        if refusal.status == 404:
            raise Refused(
                refusal.problem, "see taskctl ls taskTemplates, or taskctl ls taskListTemplates", status=404
            ) from None
        raise
