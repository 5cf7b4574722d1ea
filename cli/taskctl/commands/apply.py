"""taskctl apply: writes templates, policies and event tasks from files."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.text import Text

from taskctl.command import Session
from taskctl.documents import HIDDEN, Document
from taskctl.errors import Partly, Refused, TaskctlError, WrongUse
from taskctl.files import Reader, assignments
from taskctl.hostile import plain
from taskctl.plan import Action, Change, carry_out, deletions, plan
from taskctl.screen import Screen

_MARKS = {Action.CREATE: ("+", "green"), Action.CHANGE: ("~", "yellow"), Action.DELETE: ("-", "red")}


def apply(
    session: Session,
    files: Annotated[list[str], typer.Option("--file", "-f", help="A file or a folder; - is stdin. Can be repeated.")],
    values: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=value: what ${NAME} stands for in the files.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Delete what the folder does not have, of the kinds that it has folders for."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before deleting.")] = False,
) -> None:
    """Write templates, lists, event tasks and policies from files or folders (JSON or YAML)."""
    server, screen = session.server, session.screen
    reader = Reader(assignments(values or ()))
    wanted = reader.read(files)
    _check_headers(wanted)
    if prune and not reader.kinds:
        raise WrongUse("--prune needs a folder", "name one that has a folder such as taskTemplates in it")
    with screen.progress("Reading the service", len(wanted)) as step:
        changes = plan(server, wanted, step=step)
    if prune:
        with screen.progress("Reading what else there is") as step:
            changes += deletions(server, wanted, reader.kinds, step=step)
    if not screen.is_json:
        _show(screen, changes)
    gone = [change for change in changes if change.action is Action.DELETE]
    if dry_run:
        _report(screen, changes, {}, dry_run=True)
        return
    count = "1 document" if len(gone) == 1 else f"{len(gone)} documents"
    if gone and not screen.ask(f"Delete {count} that the folder does not have?", yes=yes):
        changes = [change for change in changes if change.action is not Action.DELETE]
        screen.note("Nothing is deleted.")
    _write(session, changes)


def write_all(session: Session, work: Sequence[Change]) -> dict[str, TaskctlError | None]:
    """Make the changes; returns the fault, or None, of each one by its label. What is refused does not stop others.

    Deletions come last, and not after a refusal. Raises Partly, which says how far it came.
    """
    outcome: dict[str, TaskctlError | None] = {}
    with session.screen.progress("Writing", len(work)) as step:
        for change in work:
            if change.action is Action.DELETE and any(outcome.values()):
                break
            try:
                carry_out(session.server, change)
                outcome[change.document.label] = None
            except Refused as refusal:
                outcome[change.document.label] = refusal
            except TaskctlError as fault:
                if not outcome:
                    raise
                done = sum(fault is None for fault in outcome.values())
                raise Partly(f"{done} of {len(work)} changes are made, then {fault.problem}", _AGAIN) from None
            step()
    return outcome


_AGAIN = "run the command again, which makes the other changes"


def _write(session: Session, changes: Sequence[Change]) -> None:
    work = [change for change in changes if change.action is not Action.KEEP]
    outcome = write_all(session, work)
    _report(session.screen, changes, outcome)
    refused = {label: fault for label, fault in outcome.items() if fault is not None}
    if refused:
        reasons = "; ".join(f"{label}: {fault.problem}" for label, fault in refused.items())
        kind = Refused if len(refused) == len(work) else Partly
        raise kind(f"the service refuses {len(refused)} of {len(work)} changes: {reasons}", "correct these documents")


def _check_headers(wanted: Sequence[Document]) -> None:
    for one in wanted:
        if one.hides_headers:
            raise Refused(
                f"{plain(one.source)}: a header of {one.label} has the value {HIDDEN}, which stands for a secret",
                "write its value",
            )


def _show(screen: Screen, changes: Sequence[Change]) -> None:
    for change in changes:
        if change.action is Action.KEEP:
            continue
        mark, colour = _MARKS[change.action]
        screen.say(Text(f"{mark} {change.document.label}", style=f"bold {colour}"))
        for line in change.diff():
            screen.say(Text(f"    {line}", style={"+": "green", "-": "red"}.get(line[:1], "")))


def _report(
    screen: Screen, changes: Sequence[Change], outcome: dict[str, TaskctlError | None], *, dry_run: bool = False
) -> None:
    if screen.is_json:
        screen.emit({"dryRun": dry_run, "changes": [_as_json(change, outcome, dry_run=dry_run) for change in changes]})
        return
    words = {Action.CREATE: "created", Action.CHANGE: "changed", Action.DELETE: "deleted"}
    done = [change for change in changes if dry_run or outcome.get(change.document.label, change) is None]
    counts = [f"{sum(change.action is action for change in done)} {word}" for action, word in words.items()]
    kept = sum(change.action is Action.KEEP for change in changes)
    screen.say(f"{', '.join(counts)}{' (dry run)' if dry_run else ''}, {kept} unchanged")


def _as_json(change: Change, outcome: dict[str, TaskctlError | None], *, dry_run: bool) -> dict[str, Any]:
    fault = outcome.get(change.document.label)
    return {
        "kind": str(change.document.kind),
        "name": change.document.name,
        "action": str(change.action),
        "diff": [] if change.action is Action.KEEP else change.diff(),
        "done": not dry_run and change.document.label in outcome and fault is None,
        "error": fault.problem if fault else None,
    }
