"""Collections of v1.1.0, as mongoexport writes them: what is taken of them, what is changed, what is refused.

mongoexport writes one document in each line, or with --jsonArray an array. Values that JSON does not have are objects,
as `{"$oid": "…"}`; with --jsonFormat=canonical numbers are, too.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from taskctl.documents import Document, Kind, document, kind_of
from taskctl.files import parse_json

_TEMPLATE: Final = ("name", "cacheNamespace", "cacheScope")
POLICIES: Final = ("requestPolicy", "responsePolicy", "finalPolicy")
_KNOWN: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.TASK: (*_TEMPLATE, "url", "method", *POLICIES),
    Kind.LIST: (*_TEMPLATE, "groups"),
    Kind.EVENT_TASK: ("key", "namespace", "scope", "taskName"),
}
"""The members that v1.1.0 has read; it has ignored others."""
_GROUP: Final = ("execution", "tasks", "finalPolicy")
_NUMBERS: Final = {"$numberInt": int, "$numberLong": int, "$numberDouble": float}


class Outcome(StrEnum):
    """The outcome for a document of v1.1.0."""

    TAKEN = "taken"
    """As it is, without its `_id` and its empty members."""
    CHANGED = "changed"
    """With changes, which are told."""
    REFUSED = "refused"


@dataclass(kw_only=True)
class Entry:
    """A document of v1.1.0, and what happens to it."""

    kind: Kind | None
    name: str
    document: Document | None = None
    """The document to write; None: it is refused."""
    reasons: list[str] = field(default_factory=list)
    """Changes to it, or reasons why it is refused."""
    hints: list[str] = field(default_factory=list)
    """Notes about what its tasks will do."""

    @property
    def outcome(self) -> Outcome:
        """The outcome, which follows from the document and the reasons."""
        if self.document is None:
            return Outcome.REFUSED
        return Outcome.CHANGED if self.reasons else Outcome.TAKEN

    def refuse(self, reason: str) -> None:
        """Refuse it."""
        self.document = None
        self.reasons.append(reason)


def read(text: str, source: str, kind: Kind | None = None, *, repository: str | None = None) -> list[Entry]:
    """The entries of a file; of this kind, or of the one that their members show. Raises ValueError.

    A `repository` is put before the names of policies that have none.
    """
    return [_entry(value, place, kind, source, repository) for place, value in _values(text)]


def refuse_repeated(entries: Iterable[Entry]) -> None:
    """Refuse what is there twice."""
    seen: set[tuple[Kind | None, str]] = set()
    for entry in entries:
        if entry.document is None:
            continue
        if (entry.kind, entry.name) in seen:
            entry.refuse("this name is in the export twice, the first one is taken")
        seen.add((entry.kind, entry.name))


def _values(text: str) -> Iterable[tuple[str, Any]]:
    """The values of an array or of lines, with their places; a ValueError is the value of a line that is wrong."""
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("["):
        yield from ((f"document {number}", value) for number, value in enumerate(parse_json(text), 1))
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield f"line {number}", parse_json(line)
            except ValueError as fault:
                yield f"line {number}", fault


def _entry(value: Any, place: str, kind: Kind | None, source: str, repository: str | None) -> Entry:
    if isinstance(value, ValueError):
        return Entry(kind=kind, name=place, reasons=[f"it is not JSON: {value}"])
    if not isinstance(value, dict):
        return Entry(kind=kind, name=place, reasons=["it is no object"])
    members = {name: _plain_value(member) for name, member in value.items() if name != "_id"}
    kind = kind or kind_of(members)
    name = members.get("key" if kind is Kind.EVENT_TASK else "name")
    entry = Entry(kind=kind, name=name if isinstance(name, str) and name else place)
    try:
        entry.document = document(kind, _converted(entry, kind, members, repository), source)
        entry.name = entry.document.name
    except ValueError as fault:
        entry.refuse(str(fault))
    return entry


def _plain_value(value: Any) -> Any:
    """A value without the notation of MongoDB's extended JSON. Raises ValueError."""
    if isinstance(value, list):
        return [_plain_value(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((name, inner),) = value.items()
        if name in _NUMBERS and isinstance(inner, str):
            return _NUMBERS[name](inner)
        if name == "$oid":
            return inner
    return {name: _plain_value(member) for name, member in value.items()}


def _converted(entry: Entry, kind: Kind, members: dict[str, Any], repository: str | None) -> dict[str, Any]:
    """The members that the service takes. Raises ValueError with the reason why there are none."""
    if kind is Kind.POLICY:
        raise ValueError("v1.1.0 has kept no policies")
    kept = _known_members(entry, members, _KNOWN[kind], "")
    if kind is Kind.TASK:
        _convert_task(entry, kept, repository)
    elif kind is Kind.LIST:
        groups = members.get("groups")
        kept["groups"] = _groups(entry, groups if isinstance(groups, list) else [], repository)
    else:
        if any("," in str(kept.get(part, "")) for part in ("key", "namespace", "scope")):
            raise ValueError("key, namespace and scope cannot have commas, which separate them in events")
        if not kept.get("taskName"):
            raise ValueError("taskName: the name of a task template is needed")
    return kept


def _known_members(entry: Entry, members: Mapping[str, Any], known: Iterable[str], where: str) -> dict[str, Any]:
    """The members that v1.1.0 has read and that are set."""
    kept = {name: value for name, value in members.items() if name in known and value not in (None, "", [], {})}
    if ignored := [name for name, value in members.items() if name not in known and value not in (None, "")]:
        entry.reasons.append(f"{where}{', '.join(ignored)}: left out, v1.1.0 has ignored it")
    return kept


def _convert_task(entry: Entry, kept: dict[str, Any], repository: str | None) -> None:
    if kept.get("requestPolicy"):
        if useless := [name for name in ("url", "method") if name in kept]:
            for name in useless:
                del kept[name]
            entry.reasons.append(f"{' and '.join(useless)}: left out, requestPolicy is evaluated instead of a call")
    elif not (kept.get("url") and kept.get("method")):
        raise ValueError("it has neither a requestPolicy, nor both url and method: such a task can do nothing")
    for member in POLICIES:
        if member in kept:
            kept[member] = _policy(entry, member, kept[member], repository)


def _groups(entry: Entry, groups: list[Any], repository: str | None) -> list[dict[str, Any]]:
    converted = []
    for number, group in enumerate(groups, 1):
        if not isinstance(group, dict):
            raise ValueError(f"group {number}: it is no object")
        kept = _known_members(entry, group, _GROUP, f"group {number}: ")
        if kept.get("execution") not in ("sequential", "parallel"):
            raise ValueError(
                f"group {number}: execution is {json.dumps(group.get('execution'))}, sequential or parallel is needed; "
                "v1.1.0 has ended when it came to such a group"
            )
        if "finalPolicy" in kept:
            kept["finalPolicy"] = _policy(entry, f"group {number}: finalPolicy", kept["finalPolicy"], repository)
            entry.hints.append(f"group {number}: its finalPolicy is evaluated here, v1.1.0 has ignored it")
        converted.append(kept)
    if not any(group.get("tasks") for group in converted):
        raise ValueError("it has no tasks, and a list needs one at least")
    return converted


def _policy(entry: Entry, member: str, name: Any, repository: str | None) -> Any:
    parts = name.split("/") if isinstance(name, str) else []
    if len(parts) == 3 and repository:
        entry.reasons.append(f"{member}: {name} becomes {repository}/{name}")
        return f"{repository}/{name}"
    if len(parts) != 4:
        step = ", --repository puts one before it" if len(parts) == 3 else ""
        entry.hints.append(f"{member}: {name} is not repository/group/name/version, so its tasks may fail{step}")
    return name
