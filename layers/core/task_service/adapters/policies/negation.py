"""Calls inside a negation, made before it, as OPA does.

`not startswith(lower(input.name), "a")` is undefined in OPA where input.name is: lower is called first, outside of the
negation. To the engine it is true. So the calls inside become statements of their own, on the same line:

    called__0 := lower(input.name); not startswith(called__0, "a")
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from task_service.adapters.policies.faults import Refused

CALLED: Final = "called__"
"""The beginning of the names of the results."""

Node = Mapping[str, Any]

_CALLS: Final = frozenset({"ArithExpr", "BinExpr", "BoolExpr", "Call", "Membership", "MembershipExpr", "UnaryExpr"})
_OWN_SCOPE: Final = frozenset({"ArrayCompr", "SetCompr", "ObjectCompr"})
_TEXTS: Final = frozenset({"String", "RawString"})


def with_calls_first(source: str, tree: Node, first_number: int) -> str:
    """The source with the calls of its outermost negations before them. Raises Refused."""
    text, edits = source.encode(), list[tuple[int, int, bytes]]()
    for statement, is_whole_body in _negations(tree["rules"]):
        if edits and statement["span"]["start"] < edits[-1][1]:
            continue
        calls = list(_inner(statement["literal"]["NotExpr"]["expr"]))
        if not calls:
            continue
        condition = _conditions(text, statement.get("with_mods", []))
        before, inside = b"", list[tuple[int, int, bytes]]()
        for call in calls:
            start, end = extent(call)
            name = f"{CALLED}{first_number}".encode()
            first_number += 1
            before += name + b" := " + _on_one_line(text[start:end]) + condition + b"; "
            inside.append((start, end, name + b"\n" * text.count(b"\n", start, end)))
        start, end = statement["span"]["start"], extent(statement)[1]
        opening, closing = (b"{ ", b" }") if is_whole_body and text[start : start + 1] != b"{" else (b"", b"")
        edits += [(start, start, opening + before), *inside, (end, end, closing)]
    return edited(text, edits).decode()


def extent(node: Any) -> tuple[int, int]:
    """Start and end of an expression, with the quotes of its strings."""
    starts, ends = list[int](), list[int]()
    for span, quotes in _spans(node, 0):
        starts.append(span["start"] - quotes)
        ends.append(span["end"] + quotes)
    return min(starts), max(ends)


def edited(source: bytes, edits: Sequence[tuple[int, int, bytes]]) -> bytes:
    """The source with its parts exchanged; of insertions at one place, the end of an expression comes first."""
    parts, position = list[bytes](), 0
    for start, end, text in sorted(edits, key=lambda edit: (edit[0], edit[1] != edit[0] or edit[2] != b")")):
        parts += [source[position:start], text]
        position = end
    return b"".join([*parts, source[position:]])


def _negations(value: Any, is_whole_body: bool = False) -> Iterator[tuple[Node, bool]]:
    """The statements with a negation, and whether each is all of a rule's body, so that it may have no braces."""
    if isinstance(value, list):
        for item in value:
            yield from _negations(item)
    elif isinstance(value, dict):
        if "literal" in value and "NotExpr" in value["literal"]:
            yield value, is_whole_body
        for name, member in value.items():
            if name == "query" and "is_else" in value:
                statements = member["stmts"]
                bare = len(statements) == 1 and member["span"]["start"] == statements[0]["span"]["start"]
                for statement in statements:
                    yield from _negations(statement, bare)
            elif isinstance(member, dict | list):
                yield from _negations(member)


def _inner(expression: Node) -> Iterator[Node]:
    """The outermost calls inside an expression."""
    (kind, node) = next(iter(expression.items()))
    if kind not in _OWN_SCOPE:
        yield from _calls_in(list(node.values()))


def _calls_in(value: Any) -> Iterator[Node]:
    if isinstance(value, list):
        for item in value:
            yield from _calls_in(item)
    elif isinstance(value, dict):
        kind = next(iter(value), "")
        if kind in _CALLS:
            yield value
        elif kind not in _OWN_SCOPE:
            for member in value.values():
                yield from _calls_in(member)


def _spans(value: Any, quotes: int) -> Iterator[tuple[Node, int]]:
    if isinstance(value, list):
        for item in value:
            yield from _spans(item, 0)
    elif isinstance(value, dict):
        for name, member in value.items():
            if name == "span":
                yield member, quotes
            else:
                yield from _spans(member, 1 if name in _TEXTS else 0)


def _conditions(text: bytes, replaced: Sequence[Node]) -> bytes:
    """The `with` of a statement, on one line."""
    if not replaced:
        return b""
    return b" " + _on_one_line(text[replaced[0]["span"]["start"] : extent(list(replaced))[1]])


def _on_one_line(text: bytes) -> bytes:
    if b"\n" in text and (b"#" in text or b"`" in text):
        raise Refused("a call inside `not` that has comments or raw strings takes one line")
    return text.replace(b"\n", b" ")
