"""The program: its commands, and what they have in common."""

from typing import Annotated

import typer

from taskctl import __version__
from taskctl.command import with_session
from taskctl.commands.apply import apply
from taskctl.commands.cancel import cancel
from taskctl.commands.export import export
from taskctl.commands.import_ import import_
from taskctl.commands.ls import ls
from taskctl.commands.open_page import open_page
from taskctl.commands.publish_event import publish_event
from taskctl.commands.replay import replay
from taskctl.commands.result import result
from taskctl.commands.run import run
from taskctl.commands.run_many import run_many
from taskctl.commands.watch import watch

app = typer.Typer(
    name="taskctl",
    help="The command line of the task service.",
    no_args_is_help=True,
    # A trace would show local variables, and with them the token.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for _name, _function in (
    ("apply", apply),
    ("run", run),
    ("run-many", run_many),
    ("watch", watch),
    ("result", result),
    ("ls", ls),
    ("cancel", cancel),
    ("replay", replay),
    ("export", export),
    ("import", import_),
    ("publish-event", publish_event),
    ("open", open_page),
):
    app.command(_name)(with_session(_function))


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"taskctl {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """The command line of the task service."""


def main() -> None:
    """Run the program."""
    app()
