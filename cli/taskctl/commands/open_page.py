"""taskctl open: shows the status page."""

import webbrowser
from typing import Annotated

import typer
from rich.text import Text

from taskctl.api import segment
from taskctl.command import Session
from taskctl.following import Follower, Task


def open_page(
    session: Session,
    shown_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="A task or a list to show there.")] = None,
    only_print: Annotated[bool, typer.Option("--print", help="Write the address, and open no browser.")] = False,
) -> None:
    """Open the status page in a browser; the token is not given to it."""
    address = f"{session.server.connection.url}/status/"
    if shown_id is not None:
        found = Follower(session.server, shown_id, details=False).now()
        address += f"#/{'task' if isinstance(found, Task) else 'list'}/{segment(shown_id)}"
    session.screen.show({"url": address}, Text(address))
    if not only_print and not webbrowser.open(address):
        session.screen.note("No browser can be opened here: open the address yourself.")
