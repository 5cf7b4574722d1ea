"""taskctl run-many: creates the tasks of a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from taskctl.api import Server, checked, unusable
from taskctl.command import Session
from taskctl.errors import Denied, NoAnswer, Partly, Refused, TaskctlError
from taskctl.hostile import plain
from taskctl.options import LONGEST_KEY, TraceParent, traceparent, visible
from taskctl.orders import Order, body_of, read_orders, requests_of
from taskctl.screen import Screen

_NAMED: Final = 3
"""Refusals that the error repeats."""
_LONGEST_NUMBER: Final = len("-1000000000")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The answer of the service for one task."""

    number: int
    """Its place in the file, from 1."""
    id: str | None = None
    """None: it was not created."""
    error: str | None = None
    status: int | None = None
    """HTTP status of the error; None: it is not known."""

    @property
    def may_pass(self) -> bool:
        """Whether the same task may be created later."""
        return self.id is None and (self.status is None or self.status >= 500 or self.status == 429)


def run_many(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A JSON array, JSON Lines or YAML; - is stdin.")],
    key: Annotated[
        str | None,
        typer.Option(
            "--idempotency-key", help="Gives tasks without a key KEY-1, KEY-2 …; then the command can be repeated."
        ),
    ] = None,
    parent: TraceParent = None,
) -> None:
    """Create the tasks of a file, any number; a line for each, in order: its id, or its error."""
    server, screen = session.server, session.screen
    headers = {"traceparent": trace} if (trace := traceparent(parent)) else {}
    orders = read_orders(file, visible("idempotency-key", key, LONGEST_KEY - _LONGEST_NUMBER))
    done: list[Outcome] = []
    for request in requests_of(orders):
        try:
            answered = _create(server, request, headers)
            for one in answered:
                _show(screen, one)
        except (NoAnswer, Denied) as fault:
            raise _stopped(fault, done, request, orders) from None
        except KeyboardInterrupt:
            screen.note(f"{_how_far(done, request, orders)}; {_again(orders)}")
            raise
        done += answered
    if faults := [one for one in done if one.id is None]:
        raise _incomplete(faults, orders)


def _create(server: Server, request: Sequence[Order], headers: dict[str, str]) -> list[Outcome]:
    """The answer for each task of a request. Raises Denied, NoAnswer."""
    try:
        answer = server.call("POST", "/v1/tasks", body=body_of(request), headers=headers)
    except Refused as refusal:
        return [Outcome(number=order.number, error=refusal.problem, status=refusal.status) for order in request]
    items = checked(answer.json(), list)
    if len(items) != len(request):
        raise unusable(f"it has {len(items)} entries for {len(request)} tasks")
    return [_created(order.number, item) for order, item in zip(request, items, strict=True)]


def _created(number: int, item: Any) -> Outcome:
    members = item if isinstance(item, dict) else {}
    task_id, message, status = (members.get(name) for name in ("taskID", "message", "status"))
    if isinstance(task_id, str) and task_id:
        return Outcome(number=number, id=task_id)
    if isinstance(message, str) and message and isinstance(status, int):
        return Outcome(number=number, error=message, status=status)
    return Outcome(number=number, error=unusable("it has another form").problem)


def _show(screen: Screen, one: Outcome) -> None:
    if screen.is_json:
        screen.emit_line({"number": one.number, "id": one.id, "error": one.error, "status": one.status})
    elif one.id is not None:
        screen.say(Text(plain(one.id)))
    else:
        screen.say(Text(f"error: {plain(one.error)}", style="red"))


def _stopped(
    fault: NoAnswer | Denied, done: Sequence[Outcome], request: Sequence[Order], orders: Sequence[Order]
) -> TaskctlError:
    """The error for a request without an answer, after which no other is sent."""
    kind = Partly if any(one.id for one in done) else type(fault)
    if isinstance(fault, Denied):
        return kind(f"{fault.problem}; {_how_far(done, [], orders)}", fault.next_step)
    return kind(f"{fault.problem}; {_how_far(done, request, orders)}", _again(orders))


def _incomplete(faults: Sequence[Outcome], orders: Sequence[Order]) -> TaskctlError:
    """The error for tasks that were not created."""
    count = len(orders) - len(faults)
    named = [f"task {one.number}: {plain(one.error)}" for one in faults[:_NAMED]]
    more = [f"and {len(faults) - _NAMED} more"] if len(faults) > _NAMED else []
    problem = f"{count} of {len(orders)} tasks are created; {', '.join([*named, *more])}"
    may_pass = any(one.may_pass for one in faults)
    kind = Partly if count else NoAnswer if may_pass else Refused
    if may_pass:
        return kind(problem, _again(orders))
    return kind(
        problem, f"correct the file and {_again(orders)}" if _has_keys(orders) else "correct and send these only"
    )


def _how_far(done: Sequence[Outcome], request: Sequence[Order], orders: Sequence[Order]) -> str:
    """Which tasks are created, which may be (those of `request`), and which were not sent."""
    created = sum(one.id is not None for one in done)
    parts = [f"{created} of {len(orders)} tasks are created"]
    if request:
        parts.append(f"{_places(request)} may be")
    if unsent := orders[len(done) + len(request) :]:
        parts.append(f"{_places(unsent)} {'is' if len(unsent) == 1 else 'are'} not")
    return ", ".join(parts)


def _places(orders: Sequence[Order]) -> str:
    first, last = orders[0].number, orders[-1].number
    return f"task {first}" if first == last else f"tasks {first} to {last}"


def _again(orders: Sequence[Order]) -> str:
    """How to go on."""
    if _has_keys(orders):
        return "repeat the command, the keys of the tasks create none twice"
    return "find out with taskctl ls which are there, and send the others; --idempotency-key makes a repetition safe"


def _has_keys(orders: Sequence[Order]) -> bool:
    return all(order.has_key for order in orders)
