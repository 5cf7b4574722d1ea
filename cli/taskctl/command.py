"""The commands' common part: the options that all of them have, and how their errors end the program."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

import typer

from taskctl.api import Server
from taskctl.errors import ExitCode, TaskctlError
from taskctl.profiles import connection
from taskctl.screen import Output, Screen

_option: Final = partial(typer.Option, rich_help_panel="Connection and output")


@dataclass(frozen=True, kw_only=True)
class Session:
    """The service and the screen of one command."""

    server: Server
    screen: Screen


def _session(
    screen: Screen,
    *,
    url: Annotated[
        str | None, _option(help="The service's address; else TASKCTL_URL, the profile, or that of make run.")
    ] = None,
    token: Annotated[
        str | None,
        _option(help="Bearer token; else TASKCTL_TOKEN or the profile, which other users of the machine do not see."),
    ] = None,
    profile: Annotated[
        str | None, _option(help="A profile of ~/.config/taskctl/profiles.toml; else TASKCTL_PROFILE.")
    ] = None,
    ca_file: Annotated[
        str | None, _option(help="Certificates (PEM) to trust instead of the public ones; else TASKCTL_CA_FILE.")
    ] = None,
) -> Session:
    """The session of a command; its parameters are options of every command. Raises WrongUse."""
    found = connection(url=url, token=token, ca_file=ca_file, profile=profile)
    if found.shows_token:
        screen.note("warning: the token goes to this URL without TLS, readable by the networks between.")
    return Session(server=Server(found), screen=screen)


_CONNECTION: Final = [*inspect.signature(_session).parameters.values()][1:]
_OUTPUT: Final = inspect.Parameter(
    "output",
    inspect.Parameter.KEYWORD_ONLY,
    annotation=Annotated[Output, _option("--output", "-o", help="The form of the output.")],
    default=Output.TEXT,
)


def with_session(function: Callable[..., None]) -> Callable[..., None]:
    """The command that calls a function, whose first parameter is the session; it has the shared options as well."""
    _, *own = inspect.signature(function).parameters.values()

    def run(*, output: Output, **arguments: Any) -> None:
        where = {option.name: arguments.pop(option.name) for option in _CONNECTION}
        screen = Screen(output)
        try:
            function(_session(screen, **where), **arguments)
        except TaskctlError as error:
            screen.complain(error)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            screen.note("Interrupted.")
            raise typer.Exit(ExitCode.INTERRUPTED) from None

    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    parameters += [*_CONNECTION, _OUTPUT]
    run.__doc__ = function.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
