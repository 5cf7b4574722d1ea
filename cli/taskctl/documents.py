"""Documents that configure the service: task templates, list templates, policies and event tasks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from taskctl.api import segment
from taskctl.hostile import plain

HIDDEN: Final = "***"
"""Stands for a header's value where the service does not show it."""


class Kind(StrEnum):
    """The kinds of documents, named as their folder and their resource, in the order in which they are written."""

    POLICY = "policies"
    TASK = "taskTemplates"
    LIST = "taskListTemplates"
    EVENT_TASK = "eventTasks"


POLICY_PARTS: Final = ("repository", "group", "name", "version")
ENTRY_PARTS: Final = ("key", "namespace", "scope")


@dataclass(frozen=True, kw_only=True)
class Document:
    """A document, from a file or from the service."""

    kind: Kind
    name: str
    """Name of a template; repository/group/name/version of a policy; key,namespace,scope of an event task."""
    members: Mapping[str, Any]
    """As the API takes them."""
    source: str = ""
    """The file it comes from, for messages."""

    @property
    def label(self) -> str:
        """Kind and name, for people."""
        return f"{self.kind}/{plain(self.name)}"

    @property
    def path(self) -> str:
        """Its path of the API, which event tasks share. Raises WrongUse."""
        if self.kind is Kind.EVENT_TASK:
            return f"/v1/{self.kind}"
        parts = self.name.split("/") if self.kind is Kind.POLICY else [self.name]
        return "/".join((f"/v1/{self.kind}", *(segment(part) for part in parts)))

    @property
    def hides_headers(self) -> bool:
        """Whether it has a header whose value the service does not show."""
        headers = self.members.get("headers")
        return isinstance(headers, dict) and HIDDEN in headers.values()

    @property
    def body(self) -> bytes:
        """Its text, as the API takes it."""
        return json.dumps(self.members).encode()


def kind_of(members: Mapping[str, Any]) -> Kind:
    """The kind that a document's members show."""
    if "groups" in members:
        return Kind.LIST
    if "source" in members:
        return Kind.POLICY
    if "key" in members:
        return Kind.EVENT_TASK
    return Kind.TASK


def document(kind: Kind, members: Mapping[str, Any], source: str = "") -> Document:
    """The document with these members. Raises ValueError, which says what is missing or wrong."""
    members = {name: value for name, value in members.items() if name != "_id"}
    if kind is Kind.POLICY:
        name = "/".join(_text(members, part) for part in POLICY_PARTS)
        if any("/" in _text(members, part) for part in POLICY_PARTS):
            raise ValueError(f"{', '.join(POLICY_PARTS)} cannot have slashes in them")
    elif kind is Kind.EVENT_TASK:
        _text(members, "key")
        name = entry_name(members)
    else:
        name = _text(members, "name")
    parts = name.split("/") if kind is Kind.POLICY else [name]
    if kind is not Kind.EVENT_TASK and {".", ".."} & {*parts}:
        raise ValueError("name: . and .. cannot be parts of a URL")
    return Document(kind=kind, name=name, members=members, source=source)


def entry_name(members: Mapping[str, Any]) -> str:
    """The cache entry that an event task waits for, as events write it."""
    return ",".join(str(members.get(part) or "") for part in ENTRY_PARTS).rstrip(",")


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name}: a string that is not empty is expected")
    return value


def canonical(found: Document) -> dict[str, Any]:
    """The members as the service keeps them, so that two documents that mean the same are equal."""
    members = {name: value for name, value in found.members.items() if value is not None}
    if found.kind is Kind.POLICY:
        return members
    if found.kind is Kind.EVENT_TASK:
        return {**members, **{part: members.get(part) or "" for part in ENTRY_PARTS}}
    if isinstance(members.get("method"), str):
        members["method"] = members["method"].strip().upper()
    if isinstance(members.get("groups"), list):
        members["groups"] = [_set(group) if isinstance(group, dict) else group for group in members["groups"]]
    if isinstance(members.get("retry"), dict):
        members["retry"] = {name: value for name, value in members["retry"].items() if value is not None}
    return _set(members)


def _set(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that are set; an empty one counts as not set."""
    return {name: value for name, value in members.items() if value is not None and value not in ("", [], {})}


def is_same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; 20 is 20.0, and true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(is_same(*pair) for pair in zip(one, other, strict=True))
    return bool(one == other)
