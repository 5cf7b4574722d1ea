"""Options that become headers, checked before anything is sent."""

import re
from typing import Annotated, Final

import typer

from taskctl.errors import WrongUse
from taskctl.hostile import plain

LONGEST_GROUP: Final = 128
LONGEST_KEY: Final = 255

_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

TraceParent = Annotated[
    str | None,
    typer.Option("--traceparent", help="The trace it belongs to (W3C Trace Context): 00-<trace id>-<span id>-01."),
]


def visible(option: str, text: str | None, longest: int) -> str | None:
    """A text of visible ASCII characters. Raises WrongUse."""
    if text is None or re.fullmatch(f"[!-~]{{1,{longest}}}", text):
        return text
    raise WrongUse(f"--{option} {plain(text)!r} cannot be used", f"write 1 to {longest} visible ASCII characters")


def traceparent(text: str | None) -> str | None:
    """A traceparent; the service ignores one that is not valid. Raises WrongUse."""
    if text is None or _TRACEPARENT.fullmatch(text):
        return text
    raise WrongUse(
        f"--traceparent {plain(text)} is none",
        "write one such as 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
