"""Functions of the engine that give OPA's values only for some arguments, and small ones of our own."""

from collections.abc import Mapping, Sequence
from typing import Any

from task_service.adapters.policies.faults import Refused
from task_service.adapters.policies.functions.patterns import Native
from task_service.adapters.policies.functions.text import string


class Checked:
    """The functions, over those of the engine."""

    def __init__(self, native: Native) -> None:
        self._native = native

    def uuid(self, text: Any) -> Any:
        """The parts of a UUID."""
        parsed = self._native("uuid.parse", string(text))
        if not isinstance(parsed, dict):
            raise Refused(f"{text[:40]!r} is not a UUID")
        if parsed.get("variant") == "NCS":
            return {**parsed, "variant": "Reserved"}
        return parsed

    def subset(self, outer: Any, inner: Any) -> Any:
        """Tell if an object, a set or an array has all of another one."""
        if type(outer) is not type(inner) and not (isinstance(outer, list) and isinstance(inner, set)):
            raise Refused("both arguments must be of the same type or array and set")
        return self._native("object.subset", outer, inner)

    def match_schema(self, document: Any, schema: Any) -> Any:
        """Check a document; one that does not match its schema is refused, because OPA says why in its own words."""
        if isinstance(document, str):
            document = self._native("json.unmarshal", document)
        fits, _ = self._native("json.match_schema", document, schema)
        if fits is not True:
            raise Refused("the document does not match, and OPA's words for that are not known here")
        return [True, []]

    def verify_schema(self, schema: Any) -> Any:
        """Check a schema; what is none is refused, because OPA says why in its own words."""
        if not isinstance(schema, str | dict):
            raise Refused("json.verify_schema needs a string or an object")
        fits, _ = self._native("json.verify_schema", schema)
        if fits is not True:
            raise Refused("it is no schema, and OPA's words for that are not known here")
        return [True, None]

    def flatten(self, values: Any) -> list[Any]:
        """An array with the members of its arrays in their places."""
        if not isinstance(values, list):
            raise Refused("array.flatten needs an array")
        return [member for value in values for member in (value if isinstance(value, list) else [value])]

    def filter(self, value: Any, paths: Any) -> Any:
        """The parts of an object that are at the paths."""
        tree = _tree(paths)
        return _filtered(_object(value), tree)

    def remove(self, value: Any, paths: Any) -> Any:
        """An object without what is at the paths."""
        return _removed(_object(value), _tree(paths))


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Refused("an object is needed here")
    return value


def _tree(paths: Any) -> dict[str, Any]:
    """Paths like a/b, put together; None is the end of one."""
    if not isinstance(paths, list | set):
        raise Refused("an array or a set is needed here")
    tree: dict[str, Any] = {}
    for path in paths:
        names = _names(path if isinstance(path, list | tuple) else string(path).lstrip("/").split("/"))
        branch: dict[str, Any] | None = tree
        for name in names[:-1]:
            branch = branch.setdefault(name, {}) if branch is not None else None
        if branch is not None:
            # A shorter path has all of a longer one.
            branch[names[-1]] = None
    return tree


def _names(names: Sequence[Any]) -> list[str]:
    found = [string(name).replace("~1", "/").replace("~0", "~") for name in names]
    if not found or "" in found:
        raise Refused("an empty path is not known here")
    return found


def _filtered(value: Any, tree: Mapping[str, Any] | None) -> Any:
    if tree is None or not isinstance(value, dict | list):
        return value
    if isinstance(value, list):
        raise Refused("a path into an array is not known here")
    return {name: _filtered(value[name], branch) for name, branch in tree.items() if name in value}


def _removed(value: Any, tree: Mapping[str, Any]) -> Any:
    if not isinstance(value, dict | list):
        return value
    if isinstance(value, list):
        raise Refused("a path into an array is not known here")
    kept = {name: member for name, member in value.items() if tree.get(name, {}) is not None}
    return {name: _removed(member, tree[name]) if name in tree else member for name, member in kept.items()}
