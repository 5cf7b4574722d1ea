"""taskctl result: shows the result of a task."""

from typing import Annotated

import typer

from taskctl.api import Server, segment
from taskctl.command import Session
from taskctl.errors import Failed, NoAnswer, Refused, Unfinished
from taskctl.following import Follower, TaskList
from taskctl.hostile import plain, plain_json
from taskctl.options import Timeout
from taskctl.waiting import failure_of, wait_until_end


def result(
    session: Session,
    task_id: Annotated[str, typer.Argument(metavar="ID", help="The id of a task.")],
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait until the task has ended.")] = False,
    timeout: Timeout = None,
) -> None:
    """Show the result of a task, the JSON as the service has it."""
    if wait:
        wait_until_end(session.server, session.screen, task_id, timeout=timeout)
    show_result(session, task_id)


def show_result(session: Session, task_id: str) -> None:
    """Write the result of a task. Raises Failed, Unfinished, Refused, Denied, NoAnswer."""
    try:
        answer = session.server.get(f"/v1/taskResult/{segment(task_id)}")
    except Refused as refusal:
        raise _reason(session.server, task_id, refusal) from None
    answer.json()
    # The text itself: numbers of any size and the order of members stay as they are.
    session.screen.write(plain_json(answer.text.strip()))


def _reason(server: Server, task_id: str, refusal: Refused) -> Exception:
    """The error for a missing result."""
    if refusal.status == 424:
        return Failed(refusal.problem, f"taskctl watch {plain(task_id)} shows its attempts")
    if refusal.status != 404:
        return refusal
    found = Follower(server, task_id, details=False).now()
    if isinstance(found, TaskList):
        return Refused(
            f"{plain(task_id)} is a list, which has no result of its own",
            f"taskctl result {plain(task_id)}.0.0 shows that of its first task",
        )
    if not found.is_final:
        return Unfinished(
            f"the task {plain(task_id)} has not ended, it is {plain(found.state)}", "wait for it with --wait"
        )
    return failure_of(found) or NoAnswer(refusal.problem, "ask again")
