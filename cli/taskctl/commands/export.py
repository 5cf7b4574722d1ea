"""taskctl export: writes the service's documents to a folder."""

from pathlib import Path
from typing import Annotated

import typer

from taskctl.command import Session
from taskctl.documents import Document, Kind
from taskctl.errors import Partly, WrongUse
from taskctl.folder import Folder
from taskctl.hostile import plain
from taskctl.plan import documents


def export(
    session: Session,
    folder: Annotated[Path, typer.Argument(help="A new or empty folder; - writes one JSON document to stdout.")],
    kinds: Annotated[list[Kind] | None, typer.Option("--kind", help="This kind only. Can be repeated.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write into a folder that is not empty.")] = False,
) -> None:
    """Write templates, lists, event tasks and policies to a folder that taskctl apply reads."""
    is_stdout = str(folder) == "-"
    if not is_stdout and folder.exists() and not overwrite and (not folder.is_dir() or any(folder.iterdir())):
        raise WrongUse(f"{plain(folder)} is not an empty folder", "name a new one, or add --overwrite")
    chosen = [kind for kind in Kind if not kinds or kind in kinds]
    found: list[Document] = []
    with session.screen.progress("Reading the service") as step:
        for kind in chosen:
            found += documents(session.server, kind, step=step)
    hidden = [one for one in found if one.hides_headers]
    whole = [one for one in found if not one.hides_headers]
    if is_stdout:
        session.screen.emit({str(kind): [dict(one.members) for one in whole if one.kind is kind] for kind in chosen})
    else:
        _write(session, folder, chosen, whole)
    if hidden:
        names = ", ".join(one.label for one in hidden)
        raise Partly(
            f"{names}: left out, because this token does not see the values of headers", "use an administrator's"
        )


def _write(session: Session, folder: Path, chosen: list[Kind], found: list[Document]) -> None:
    with session.screen.progress("Writing", len(found)) as step:
        Folder(folder).write(found, step=step)
    counts = {str(kind): sum(one.kind is kind for one in found) for kind in chosen}
    session.screen.show(
        {"folder": str(folder), "written": counts},
        f"{plain(folder)}: {', '.join(f'{count} {kind}' for kind, count in counts.items())}",
    )
