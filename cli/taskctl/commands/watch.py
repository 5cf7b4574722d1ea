"""taskctl watch: shows a task or a list until it has ended."""

from typing import Annotated

import typer

from taskctl.command import Session
from taskctl.options import Timeout
from taskctl.waiting import show_until_end


def watch(
    session: Session,
    followed_id: Annotated[str, typer.Argument(metavar="ID", help="The id of a task or a list.")],
    timeout: Timeout = None,
) -> None:
    """Show a task or a list until it has ended: as a tree in a terminal, in lines in a pipe."""
    show_until_end(session.server, session.screen, followed_id, timeout=timeout)
