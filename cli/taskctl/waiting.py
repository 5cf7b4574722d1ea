"""Waiting for the end of a task or a list, and showing what happens meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from taskctl.api import Server
from taskctl.errors import Failed, Unfinished
from taskctl.following import Follower, Task, TaskList
from taskctl.hostile import brief, plain
from taskctl.options import rfc3339
from taskctl.screen import Screen
from taskctl.tree import changes, draw, errors, lines


def show_until_end(server: Server, screen: Screen, followed_id: str, *, timeout: float | None) -> None:
    """Show a task or a list until it has ended: a tree that changes in a terminal, lines in a pipe.

    Raises Refused, Denied, NoAnswer, Unfinished, Failed.
    """
    follower = Follower(server, followed_id, timeout=timeout)
    with _goes_on(screen, followed_id):
        shown = _show_live(follower, screen) if screen.is_live else _show_lines(follower, screen)
    _check_end(shown)


def wait_until_end(server: Server, screen: Screen, followed_id: str, *, timeout: float | None) -> None:
    """Wait until a task or a list has ended. Raises Refused, Denied, NoAnswer, Unfinished, Failed."""
    follower = Follower(server, followed_id, details=False, timeout=timeout)
    with _goes_on(screen, followed_id), screen.err.status(f"Waiting for {plain(followed_id)}"):
        *_, shown = follower.rounds(lambda: _tell_trouble(follower, screen))
    _check_end(shown)


def failure_of(followed: Task | TaskList) -> Failed | None:
    """The error for a task or a list that has failed or was cancelled; None: it is done."""
    if followed.state == "done":
        return None
    noun = "task" if isinstance(followed, Task) else "list"
    reason = f": {plain(followed.error)}" if isinstance(followed, Task) and followed.error else ""
    has = "was" if followed.state == "cancelled" else "has"
    by = f" by {brief(followed.about.cancelled_by)}" if has == "was" and followed.about.cancelled_by else ""
    can_replay = followed.state == "failed" and (noun == "list" or followed.id.count(".") != 2)
    return Failed(
        f"the {noun} {plain(followed.name or followed.id)} {has} {plain(followed.state)}{by}{reason}",
        f"taskctl replay {plain(followed.id)} starts it again" if can_replay else "",
    )


@contextmanager
def _goes_on(screen: Screen, followed_id: str) -> Iterator[None]:
    """Say what Ctrl-C does not end."""
    try:
        yield
    except KeyboardInterrupt:
        screen.note(Text(f"{plain(followed_id)} goes on: taskctl watch or cancel {plain(followed_id)}"))
        raise


def _check_end(shown: Task | TaskList) -> None:
    """Refuse a task or a list that is not done. Raises Unfinished, Failed."""
    if not shown.is_final:
        raise Unfinished(
            f"{plain(shown.id)} has not ended in time, it is {plain(shown.state)}",
            f"taskctl watch {plain(shown.id)} goes on waiting",
        )
    if failure := failure_of(shown):
        raise failure


def _tell_trouble(follower: Follower, screen: Screen) -> None:
    screen.note(Text(f"no answer: {follower.trouble}; it is tried again"))


def _show_lines(follower: Follower, screen: Screen) -> Task | TaskList:
    before: Task | TaskList | None = None
    for shown in follower.rounds(lambda: _tell_trouble(follower, screen)):
        _tell_changes(screen, before, shown)
        before = shown
    return shown


def _tell_changes(screen: Screen, before: Task | TaskList | None, shown: Task | TaskList) -> None:
    if screen.is_json:
        for change in changes(before, shown):
            screen.emit_line(change)
    else:
        now = rfc3339(datetime.now(UTC))
        screen.say(*(Text(f"{now}  {line}") for line in lines(before, shown)))


def _show_live(follower: Follower, screen: Screen) -> Task | TaskList:
    rounds = follower.rounds()
    shown = next(rounds)

    def frame() -> RenderableType:
        height = screen.out.height - 2
        parts: list[RenderableType] = [draw(shown, height=height)]
        if follower.trouble:
            parts.append(Text(f"no answer: {follower.trouble}; it is tried again", style="yellow"))
        return Lines(*parts)

    with Live(console=screen.out, get_renderable=frame, refresh_per_second=4, transient=True):
        for latest in rounds:
            shown = latest
    screen.out.print(draw(shown))
    if isinstance(shown, TaskList):
        screen.say(*errors(shown))
    return shown
