"""The output of a command: results on stdout, notes and questions on stderr, as text or as JSON."""

import io
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from taskctl.errors import TaskctlError, WrongUse
from taskctl.hostile import dump, plain

COLOURS: Final[Mapping[str, str]] = {
    "created": "blue",
    "pending": "yellow",
    "done": "green",
    "failed": "red",
    "cancelled": "magenta",
}
"""Colours of states."""

QUIET_SECONDS: Final = 1.0
"""Time after which progress is shown."""


class Output(StrEnum):
    """Forms of the output."""

    TEXT = "text"
    JSON = "json"


class Screen:
    """The terminal, or the pipes in its place."""

    def __init__(self, output: Output = Output.TEXT) -> None:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                # What the terminal's encoding does not have is shown as an escape.
                stream.reconfigure(errors="backslashreplace")
        self.is_json = output is Output.JSON
        self.out = Console(highlight=False, markup=False, emoji=False)
        self.err = Console(highlight=False, markup=False, emoji=False, stderr=True)

    @property
    def is_terminal(self) -> bool:
        """Whether a terminal shows the output; rich takes a pipe for one if FORCE_COLOR is set."""
        return self.out.is_terminal and self.out.file.isatty()

    @property
    def is_live(self) -> bool:
        """Whether lines on the terminal can be replaced."""
        return self.is_terminal and not self.out.is_dumb_terminal and not self.is_json

    def say(self, *lines: str | Text) -> None:
        """Write lines of the result, which are harmless already."""
        for line in lines:
            self.out.print(line, soft_wrap=True)

    def write(self, text: str) -> None:
        """Write a text, which is harmless already, as it is."""
        self.out.file.write(f"{text}\n")
        self.out.file.flush()

    def show(self, value: Any, *lines: str | Text) -> None:
        """Write the result: a JSON value, or the lines, which are harmless already."""
        if self.is_json:
            self.emit(value)
        else:
            self.say(*lines)

    def emit(self, value: Any) -> None:
        """Write the result as JSON."""
        self.write(dump(value))

    def emit_line(self, value: Any) -> None:
        """Write one result of many as a line of JSON."""
        self.write(dump(value, indent=None))

    def note(self, line: str | Text) -> None:
        """Tell the person, not the script."""
        self.err.print(line, soft_wrap=True)

    def complain(self, error: TaskctlError) -> None:
        """Write an error."""
        if self.is_json:
            members = {"error": error.problem, "nextStep": error.next_step or None, "exitCode": int(error.exit_code)}
            self.err.print(Text(dump(members, indent=None)), soft_wrap=True)
        else:
            self.err.print(Text.assemble(("error: ", "bold red"), plain(f"{error}.")), soft_wrap=True)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
        """Write a table; a terminal shows what fits into its width, a pipe gets all."""
        lines = [[Text(heading, style="bold") for heading in headings]]
        lines += [[cell if isinstance(cell, Text) else Text(plain(cell)) for cell in row] for row in rows]
        widths = [max(line[column].cell_len for line in lines) for column in range(len(headings))]
        for line in lines:
            for cell, width in zip(line, widths, strict=True):
                cell.pad_right(width - cell.cell_len)
            shown = Text("  ").join(line)
            shown.rstrip()
            if self.is_terminal:
                self.out.print(shown, no_wrap=True, overflow="ellipsis")
            else:
                self.say(shown)

    def ask(self, question: str, *, yes: bool) -> bool:
        """Whether the person, or the option --yes, agrees. Raises WrongUse without a terminal."""
        if yes:
            return True
        if not sys.stdin.isatty():
            raise WrongUse(f"nothing is done: {question.rstrip('?')} needs a yes", "add --yes")
        self.err.print(Text(f"{question} [y/N] "), end="", soft_wrap=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    @contextmanager
    def progress(self, title: str, total: int | None = None) -> Iterator[Callable[..., None]]:
        """Show the progress of what takes longer than a second; the action calls what it gets after each step."""
        shown = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.err,
            transient=True,
            disable=not self.err.is_terminal,
        )
        bar = shown.add_task(title, total=total)
        beginning = threading.Timer(QUIET_SECONDS, shown.start)
        beginning.start()
        try:
            yield lambda steps=1: shown.advance(bar, steps)
        finally:
            beginning.cancel()
            beginning.join()
            shown.stop()


def state_text(state: str) -> Text:
    """A state in its colour."""
    return Text(plain(state), style=COLOURS.get(state, ""))
