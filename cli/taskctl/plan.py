"""What has to change on the service so that it has the documents of the files."""

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from taskctl import yaml_text
from taskctl.api import Server
from taskctl.documents import HIDDEN, Document, Kind, canonical, document, is_same
from taskctl.errors import NoAnswer, Refused
from taskctl.hostile import plain_lines, without_credentials

_URL: Final = re.compile(r"\Ahttps?://", re.IGNORECASE)


class Action(StrEnum):
    """What happens to a document on the service."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"
    KEEP = "keep"


@dataclass(frozen=True, kw_only=True)
class Change:
    """A document, and what happens to it."""

    action: Action
    document: Document
    """The document to write or to delete."""
    before: Document | None = None
    """The document on the service; None: there is none."""
    etag: str | None = None
    """The tag of the only version to replace; None: there is no document, or it has no tag."""

    def diff(self) -> list[str]:
        """The lines that go and those that come, without the values of headers and passwords of URLs."""
        after = None if self.action is Action.DELETE else self.document
        old, new = _shown(self.before), _shown(after)
        lines = [*difflib.unified_diff(old, new, n=2, lineterm="")][2:]
        if not lines and self.action is Action.CHANGE:
            lines = ["  (what changes is hidden: a header's value, or a password)"]
        return [plain_lines(line) for line in lines if not line.startswith("@@")]


def plan(server: Server, wanted: Iterable[Document], *, step: Callable[[], object] = lambda: None) -> list[Change]:
    """The changes that make the service have these documents. Raises Refused, Denied, NoAnswer."""
    found = list(wanted)
    event_tasks = {}
    if any(one.kind is Kind.EVENT_TASK for one in found):
        event_tasks = {one.name: one for one in documents(server, Kind.EVENT_TASK)}
    changes = []
    for one in found:
        before, etag = (event_tasks.get(one.name), None) if one.kind is Kind.EVENT_TASK else _stored(server, one)
        if before is None:
            action = Action.CREATE
        else:
            action = Action.KEEP if is_same(canonical(before), canonical(one)) else Action.CHANGE
        changes.append(Change(action=action, document=one, before=before, etag=etag))
        step()
    return changes


def deletions(
    server: Server, kept: Iterable[Document], kinds: Iterable[Kind], *, step: Callable[[], object] = lambda: None
) -> list[Change]:
    """The deletions of all documents of these kinds but those that are kept. Raises Refused, Denied, NoAnswer."""
    names = {(one.kind, one.name) for one in kept}
    changes = []
    for kind in reversed([kind for kind in Kind if kind in set(kinds)]):
        for one in [*documents(server, kind, step=step)]:
            if (kind, one.name) not in names:
                before, etag = (one, None) if kind is Kind.EVENT_TASK else _stored(server, one)
                if before is not None:
                    changes.append(Change(action=Action.DELETE, document=before, before=before, etag=etag))
    return changes


def documents(server: Server, kind: Kind, *, step: Callable[[], object] = lambda: None) -> Iterable[Document]:
    """All documents of a kind. Raises Refused, Denied, NoAnswer."""
    for page in server.pages(f"/v1/{kind}"):
        for members in page.items:
            yield _from_service(kind, members)
            step()


def carry_out(server: Server, change: Change) -> None:
    """Make one change, unless the document has been changed since it was read. Raises Refused, Denied, NoAnswer."""
    headers = {"If-Match": change.etag} if change.etag else {}
    if change.action is Action.CREATE:
        headers = {"If-None-Match": "*"}
    method = "DELETE" if change.action is Action.DELETE else "PUT"
    try:
        server.call(method, change.document.path, body=_body(change), headers=headers)
    except Refused as refusal:
        if refusal.status == 404 and change.action is Action.DELETE:
            return  # another client has deleted it
        if refusal.status == 412:
            raise Refused(
                f"{change.document.label} has been changed by another client since it was read",
                "run the command again",
                status=412,
            ) from None
        raise


def _body(change: Change) -> bytes | None:
    if change.action is Action.DELETE and change.document.kind is not Kind.EVENT_TASK:
        return None
    return change.document.body


def _stored(server: Server, wanted: Document) -> tuple[Document | None, str | None]:
    """The document as it is on the service, with the tag of its version."""
    answer = server.find(wanted.path)
    if answer is None:
        return None, None
    return _from_service(wanted.kind, answer.object()), answer.headers.get("ETag")


def _from_service(kind: Kind, members: dict[str, Any]) -> Document:
    try:
        return document(kind, members, "the service")
    except ValueError as fault:
        raise NoAnswer(
            f"the service's {kind} are not as expected ({fault})", "check the URL", is_passing=False
        ) from None


def _shown(found: Document | None) -> list[str]:
    return [] if found is None else yaml_text.dump(_masked(canonical(found))).splitlines()


def _masked(members: dict[str, Any]) -> dict[str, Any]:
    """The members without secrets."""
    masked = {name: without_credentials(value) if _is_url(value) else value for name, value in members.items()}
    if isinstance(masked.get("headers"), dict):
        masked["headers"] = dict.fromkeys(masked["headers"], HIDDEN)
    return masked


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and _URL.match(value) is not None
