"""The commands' common part: the options that all of them have, and how their errors end the program."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from taskctl.api import Server
from taskctl.errors import ExitCode, TaskctlError
from taskctl.profiles import connection
from taskctl.screen import Output, Screen

_PANEL: Final = "Connection and output"


@dataclass(frozen=True, kw_only=True)
class Session:
    """The service and the screen of one command."""

    server: Server
    screen: Screen


_SHARED: Final[dict[str, Any]] = {
    "url": Annotated[
        str | None,
        typer.Option(
            help="The service's address; else TASKCTL_URL, the profile, or that of make run.", rich_help_panel=_PANEL
        ),
    ],
    "token": Annotated[
        str | None,
        typer.Option(
            help="Bearer token; else TASKCTL_TOKEN or the profile, which other users of the machine do not see.",
            rich_help_panel=_PANEL,
        ),
    ],
    "profile": Annotated[
        str | None,
        typer.Option(
            help="A profile of ~/.config/taskctl/profiles.toml; else TASKCTL_PROFILE.", rich_help_panel=_PANEL
        ),
    ],
    "ca_file": Annotated[
        str | None,
        typer.Option(
            help="Certificates (PEM) to trust instead of the public ones; else TASKCTL_CA_FILE.", rich_help_panel=_PANEL
        ),
    ],
    "output": Annotated[Output, typer.Option("--output", "-o", help="The form of the output.", rich_help_panel=_PANEL)],
}


def command(app: typer.Typer, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function, whose first parameter is the session, as a command with the shared options."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        _, *own = inspect.signature(function).parameters.values()
        shared = [
            inspect.Parameter(
                option,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=annotation,
                default=Output.TEXT if option == "output" else None,
            )
            for option, annotation in _SHARED.items()
        ]

        def run(**arguments: Any) -> None:
            output = arguments.pop("output")
            where = {option: arguments.pop(option) for option in _SHARED if option != "output"}
            screen = Screen(output)
            try:
                function(_session(screen, where), **arguments)
            except TaskctlError as error:
                screen.complain(error)
                raise typer.Exit(error.exit_code) from None
            except KeyboardInterrupt:
                screen.note("Interrupted.")
                raise typer.Exit(ExitCode.INTERRUPTED) from None

        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own] + shared
        run.__doc__ = function.__doc__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        app.command(name)(run)
        return function

    return register


def _session(screen: Screen, where: dict[str, Any]) -> Session:
    found = connection(**where)
    if found.shows_token:
        screen.note("warning: the token goes to this URL without TLS, readable by the networks between.")
    return Session(server=Server(found), screen=screen)
