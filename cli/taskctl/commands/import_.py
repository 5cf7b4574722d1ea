"""taskctl import: takes over the collections of v1.1.0."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from taskctl.command import Session
from taskctl.commands.apply import write_all
from taskctl.documents import Document, Kind
from taskctl.errors import Partly, Refused, WrongUse
from taskctl.files import read_text
from taskctl.folder import Folder
from taskctl.hostile import plain
from taskctl.mongoexport import POLICIES, Entry, Outcome, read, refuse_repeated
from taskctl.plan import Action, plan

_COLLECTIONS: Final = {kind.lower(): kind for kind in (Kind.TASK, Kind.LIST, Kind.EVENT_TASK)}
_MISSING: Final = {
    Kind.TASK: "the task template {name} is neither in the export nor on the service",
    Kind.POLICY: "the policy {name} is not kept here; write it, unless the deployment has a policy service",
}
_STYLES: Final = {Outcome.TAKEN: "green", Outcome.CHANGED: "yellow", Outcome.REFUSED: "red"}


def import_(
    session: Session,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files of mongoexport, or a folder of them; - is stdin.")
    ],
    repository: Annotated[
        str | None, typer.Option(help="The repository of policies that are named without one.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report, and write nothing.")] = False,
    to: Annotated[Path | None, typer.Option("--to", help="Write a folder for taskctl apply, not the service.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what the service has under the same name.")
    ] = False,
) -> None:
    """Take over the collections of v1.1.0, and report what is taken, changed and refused."""
    entries = [entry for path in _files(paths) for entry in _read(path, repository)]
    refuse_repeated(entries)
    if to is not None and not dry_run:
        if to.exists() and (not to.is_dir() or any(to.iterdir())):
            raise WrongUse(f"{plain(to)} is not an empty folder", "name a new one")
        Folder(to).write(entry.document for entry in entries if entry.document)
    elif to is None:
        _check_tasks(session, entries)
        _write(session, entries, overwrite=overwrite, dry_run=dry_run)
    _report(session, entries, dry_run=dry_run)
    if refused := sum(entry.outcome is Outcome.REFUSED for entry in entries):
        kind = Refused if refused == len(entries) else Partly
        raise kind(f"{refused} of {len(entries)} documents are refused", "the report above says why")


def _files(paths: list[Path]) -> list[Path]:
    found = []
    for path in paths:
        if str(path) == "-":
            found.append(path)
        elif path.is_dir():
            found += [
                file for file in sorted(path.iterdir()) if file.suffix == ".json" and file.stem.lower() in _COLLECTIONS
            ]
        elif path.is_file():
            found.append(path)
        else:
            raise WrongUse(f"there is no file or folder {plain(path)}", "name what mongoexport has written")
    if not found:
        raise WrongUse(
            f"{', '.join(map(plain, paths))}: there is no file of a collection",
            f"call the files {', '.join(f'{kind}.json' for kind in _COLLECTIONS.values())}",
        )
    # Tasks before the lists and event tasks that name them.
    order = list(_COLLECTIONS)
    return sorted(found, key=lambda file: order.index(file.stem.lower()) if file.stem.lower() in order else len(order))


def _read(path: Path, repository: str | None) -> list[Entry]:
    try:
        return read(read_text(path), str(path), _COLLECTIONS.get(path.stem.lower()), repository=repository)
    except (OSError, ValueError) as fault:
        raise Refused(
            f"{plain(path)} is no file of mongoexport: {plain(fault)}", "export the collection again"
        ) from None


def _check_tasks(session: Session, entries: list[Entry]) -> None:
    """Tell which tasks and policies are named and not there, neither in the export nor on the service."""
    is_there = {
        (Kind.TASK, entry.name): True for entry in entries if entry.kind is Kind.TASK and entry.document is not None
    }
    for entry in entries:
        for kind, name in [] if entry.document is None else _named_in(entry.document):
            if (kind, name) not in is_there:
                is_there[kind, name] = session.server.find(Document(kind=kind, name=name, members={}).path) is not None
            if not is_there[kind, name]:
                entry.hints.append(_MISSING[kind].format(name=name))


def _named_in(one: Document) -> list[tuple[Kind, str]]:
    """The task templates and the policies that a document names."""
    groups: list[dict[str, Any]] = one.members.get("groups") or []
    tasks = [name for group in groups for name in group.get("tasks") or []] + [one.members.get("taskName")]
    policies = [part.get(member) for part in (one.members, *groups) for member in POLICIES]
    named = [(Kind.TASK, name) for name in tasks] + [(Kind.POLICY, name) for name in policies]
    return [
        (kind, name)
        for kind, name in dict.fromkeys(named)
        if isinstance(name, str) and (name if kind is Kind.TASK else name.count("/") == 3 and all(name.split("/")))
    ]


def _write(session: Session, entries: list[Entry], *, overwrite: bool, dry_run: bool) -> None:
    by_label = {entry.document.label: entry for entry in entries if entry.document}
    documents = [entry.document for entry in entries if entry.document]
    with session.screen.progress("Reading the service", len(documents)) as step:
        changes = plan(session.server, documents, step=step)
    work = []
    for change in changes:
        if change.action is Action.CHANGE and not overwrite:
            by_label[change.document.label].refuse("the service has another one of this name, --overwrite replaces it")
        elif change.action is not Action.KEEP:
            work.append(change)
    if dry_run:
        return
    for label, fault in write_all(session, work).items():
        if fault is not None:
            by_label[label].refuse(fault.problem)


def _report(session: Session, entries: list[Entry], *, dry_run: bool) -> None:
    shown = ("kind", "name", "outcome", "reasons", "hints")
    documents = [{member: getattr(entry, member) for member in shown} for entry in entries]
    lines: list[Text] = []
    for entry in entries:
        outcome = (f"{entry.outcome:<8}", _STYLES[entry.outcome])
        lines.append(Text.assemble(outcome, f" {entry.kind or ''}/{plain(entry.name)}"))
        lines += [Text(f"         {plain(reason)}") for reason in entry.reasons]
        lines += [Text(f"         note: {plain(hint)}") for hint in entry.hints]
    counts = Counter(entry.outcome for entry in entries)
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome)
    session.screen.show({"dryRun": dry_run, "documents": documents}, *lines, f"{told}{' (dry run)' if dry_run else ''}")
