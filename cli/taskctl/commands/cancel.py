"""taskctl cancel: cancels tasks and lists."""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.text import Text

from taskctl.api import segment
from taskctl.command import Session
from taskctl.errors import Partly, Refused, TaskctlError
from taskctl.hostile import plain


def cancel(
    session: Session,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of tasks or lists.")],
) -> None:
    """Cancel tasks and lists that have not ended."""

    def ask(one: str) -> dict[str, Any]:
        return session.server.call("POST", f"/v1/tasks/{segment(one)}/cancel").object()

    each(session, ids, ask)


def each(session: Session, ids: list[str], ask: Callable[[str], dict[str, Any]]) -> None:
    """Do something with each task or list, and show its state afterwards. Raises Refused, Partly, Denied, NoAnswer."""
    done: list[dict[str, Any]] = []
    faults: list[str] = []
    for one in ids:
        try:
            answer = ask(one)
        except Refused as refusal:
            faults.append(f"{plain(one)}: {refusal.problem}")
        except TaskctlError as fault:
            if not done:
                raise
            raise Partly(f"{len(done)} of {len(ids)} are done, then {fault.problem}", "repeat the command") from None
        else:
            done.append(answer)
            if not session.screen.is_json:
                session.screen.say(Text(f"{plain(answer.get('id', one))}  {plain(answer.get('status', ''))}"))
    if session.screen.is_json:
        session.screen.emit({"items": done, "refused": faults})
    if faults:
        raise (Partly if done else Refused)("; ".join(faults), "taskctl watch ID shows its state")
