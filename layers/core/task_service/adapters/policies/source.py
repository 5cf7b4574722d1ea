"""A Rego source as the engine reads it: its package, what it calls, and its text with OPA's arithmetic.

The engine gives the syntax tree of a source, so nothing here parses Rego. A policy that does what it may not is
refused when it is written, with the line and the column. The operators + - * / % become calls of functions that
calculate as OPA does; see `numbers`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from task_service.adapters.policies.faults import Fault, Refused
from task_service.adapters.policies.negation import CALLED, edited, extent
from task_service.adapters.policies.numbers import Numbers

ARITHMETIC: Final = "arithmetic__"
"""The package of the functions that stand for the operators."""

_OPERATORS: Final = {"Add": ("+", "plus"), "Sub": ("-", "minus"), "Mul": ("*", "mul"), "Div": ("/", "div")}
_REMAINDER: Final = ("%", "rem")
_SETS: Final = frozenset({"Set", "SetCompr"})
_GIVE_SETS: Final = frozenset({"graph.reachable", "intersection", "object.keys", "union"})
_GIVE_OBJECTS: Final = frozenset({"object.filter", "object.remove", "object.union", "object.union_n"})
_OTHERS: Final = frozenset({"Array", "ArrayCompr", "Bool", "False", "Null", "Number", "RawString", "String", "True"})
_TAB: Final = 4
_COMMENT: Final = re.compile(rb"#[^\n]*")
_PLACE: Final = re.compile(r"--> policy:(\d+):(\d+)")
_RAISED: Final = re.compile(r"^(?:Refused|TypeError): ")
_AT: Final = re.compile(r"at policy:(\d+):\d+")

Node = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Module:
    """A source that the engine may have."""

    package: str
    text: str
    """The source, with calls for its operators; its lines are the same."""
    numbers: Numbers
    """The numbers that are written in it."""


def read(source: str, tree: Node, arguments: Mapping[str, int | None], *, is_made: bool = False) -> Module:
    """Read a source with its syntax tree. Raises Fault, which names what is refused and its place.

    `arguments` has the available functions, with the numbers of arguments of those that are done here. A source that
    `is_made` from a policy's source may use names that only such sources have.
    """
    reader = _Reader(source, tree, arguments, is_made)
    reader.read(tree)
    reader.refuse_recursion()
    return Module(
        package=_dotted(tree["package"]["refr"]) or "none",
        text=edited(source.encode(), reader.edits).decode(),
        numbers=reader.numbers,
    )


def explain(error: str, source: str, text: str) -> str:
    """The message of an error of the engine, with its place in the source."""
    message = " ".join(error.partition("Stack backtrace")[0].rpartition("error: ")[2].split())
    message = _AT.sub(r"at line \1", _RAISED.sub("", message))
    if message.startswith("recursion detected"):
        message = "Recursion detected: its rules depend on each other in a circle"
    if "not an i64" in message:
        message = "an integer of more than 64 bits cannot be used here"
    if "recursion limit" in message:
        message = "its input or its data is nested too deeply"
    if "unhashable" in message:
        message = "a set of arrays, objects or sets cannot be used here"
    places = _PLACE.findall(error)
    if not places:
        return message[:500]
    line, column = places[0]
    lines, edited, number = source.split("\n"), text.split("\n"), int(line) - 1
    where = f"line {line}"
    if number < len(lines) and number < len(edited) and lines[number] == edited[number]:
        where += f" column {_character(lines[number], int(column)) + 1}"
    return f"{where}: {message}"[:500]


class _Reader:
    def __init__(self, source: str, tree: Node, arguments: Mapping[str, int | None], is_made: bool) -> None:
        self.edits: list[tuple[int, int, bytes]] = []
        self.numbers = Numbers()
        self._source = source.encode()
        self._arguments = arguments
        self._is_made = is_made
        imports = [(_dotted(imported["refr"]) or "").split(".") for imported in tree["imports"]]
        given = (names[-1] for names in imports if names[0] in ("data", "input"))
        self._own = {"data", "input", *map(_head_name, tree["rules"]), *given}
        self._package = _dotted(tree["package"]["refr"]) or ""
        self._calls: dict[str, set[str]] = {}
        self._rule = ""

    def read(self, value: Any) -> None:
        """Look at every node of a tree."""
        if isinstance(value, list):
            for item in value:
                self.read(item)
        elif isinstance(value, dict):
            for kind, node in value.items():
                look = getattr(self, f"_read_{kind}", None)
                if look is not None and isinstance(node, dict | list):
                    look(node)
                else:
                    self.read(node)

    def refuse_recursion(self) -> None:
        """Refuse functions that call themselves: the engine would use up its stack. Raises Fault."""
        for name in self._calls:
            reached, found = set[str](), list(self._calls[name])
            while found:
                called = found.pop()
                if called == name:
                    raise Fault(f"Recursion detected: the function {name} calls itself")
                if called not in reached:
                    reached.add(called)
                    found += self._calls.get(called, ())

    def _read_rules(self, rules: Sequence[Node]) -> None:
        for rule in rules:
            self._rule = _head_name(rule)
            self.read(rule)

    def _read_Call(self, node: Node) -> None:
        name = self._function(node["fcn"])
        if name == "walk" and len(node["params"]) != 2:
            # The engine gives nothing for it.
            span = _first(node["fcn"])["span"]
            raise self._fault(span, "walk is called with a value and what it gives: walk(x, [path, value])")
        self._calls.setdefault(self._rule, set()).add(name.removeprefix(f"data.{self._package}."))
        expected = self._arguments.get(name)
        is_own = name.partition(".")[0] in self._own
        if expected is not None and len(node["params"]) == expected + 1 and not is_own:
            self._put_result_first(node)
        self.read(node["params"])

    def _put_result_first(self, node: Node) -> None:
        """Make f(x, y) y = f(x), the only form that the engine has for functions that are done here."""
        start, end = node["span"]["start"], node["span"]["end"]
        spans = [_whole(param) for param in node["params"]]
        before = spans[-2]["end"] if len(spans) > 1 else self._source.index(b"(", _span(node["fcn"])["end"]) + 1
        result = self._source[spans[-1]["start"] : spans[-1]["end"]]
        between = self._source[before : spans[-1]["start"]]
        if (
            between.strip() not in (b",", b"")
            or b"\n" in result
            or self._source[spans[-1]["end"] : end].strip(b" \t\n,") != b")"
        ):
            raise self._fault(node["span"], "write the result first: y := f(x)")
        self.edits.append((start, start, result + b" = "))
        # The lines stay the same.
        self.edits.append((before, spans[-1]["end"], b"\n" * between.count(b"\n")))

    def _read_with_mods(self, replaced: Sequence[Node]) -> None:
        for node in replaced:
            for path in (node["refr"], node["as"]):
                if next(iter(path)) in ("Var", "RefDot", "RefBrack") and not self._is_variable(path):
                    self._function(path)
            self.read(node["as"])

    def _is_variable(self, path: Node) -> bool:
        """Tell if a path names a value: the names of functions have dots, or are known."""
        name = _dotted(path)
        return name is None or ("." not in name and name not in self._arguments) or name.startswith(("data.", "input."))

    def _function(self, path: Node) -> str:
        """The name of a function that is called. Raises Fault where it is not available."""
        name, span = _dotted(path), _first(path)["span"]
        if name is None:
            raise self._fault(span, "a function is named by a path without variables")
        if name.partition(".")[0] not in self._own and name not in self._arguments:
            raise self._fault(span, f"the function {name} is not known or not available to policies")
        return name

    def _read_ArithExpr(self, node: Node) -> None:
        sign, name = _OPERATORS.get(node["op"], _REMAINDER)
        operands = (node["lhs"], node["rhs"])
        if not any(next(iter(operand)) in _SETS for operand in operands):
            start, end = extent({"ArithExpr": node})
            place = self._operator(node, sign)
            self.edits.append((start, start, f"{ARITHMETIC}.{name}(".encode()))
            self.edits.append((place, place + 1, b","))
            self.edits.append((end, end, b")"))
        self.read(list(operands))

    def _operator(self, node: Node, sign: str) -> int:
        """The position of the operator between two operands."""
        start, end = _whole(node["lhs"])["end"], _whole(node["rhs"])["start"]
        between = _COMMENT.sub(lambda match: b" " * len(match.group()), self._source[start:end])
        place: int = between.find(sign.encode())
        if place < 0:
            raise self._fault(node["span"], f"the operator {sign} cannot be understood here")
        return int(start) + place

    def _read_BoolExpr(self, node: Node) -> None:
        kinds = {_kind(node["lhs"]), _kind(node["rhs"])}
        if node["op"] not in ("Eq", "Ne") and kinds in ({"object", "set"}, {"object", ""}, {"set", ""}):
            # The engine has sets before objects, OPA has them after.
            raise self._fault(node["span"], "what may be an object and a set is not put in order")
        self.read([node["lhs"], node["rhs"]])

    def _read_Var(self, node: Node) -> None:
        name = node["value"]
        if name == ARITHMETIC or (name.startswith(CALLED) and not self._is_made):
            raise self._fault(node["span"], f"the name {name} is not available to policies")

    def _read_Number(self, node: Node) -> None:
        span = node["span"]
        text = self._source[span["start"] : span["end"]].decode()
        try:
            number = self.numbers.read(text)
            if isinstance(number, float) and number.is_integer():
                raise Refused(f"the number {text[:40]} has more than 64 bits")
        except Refused as refused:
            raise self._fault(span, str(refused)) from refused

    def _fault(self, span: Node, message: str) -> Fault:
        before = self._source[: span["start"]].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return Fault(f"line {line} column {column}: {message}")


def _dotted(path: Node) -> str | None:
    """a.b.c for a path that is written so, or as a["b"].c; None where a part of it is not a fixed text."""
    (kind, node) = next(iter(path.items()))
    if kind == "Var":
        return str(node["value"])
    if kind == "RefDot":
        before = _dotted(node["refr"])
        return before and f"{before}.{node['field'][1]}"
    if kind == "RefBrack":
        before, (index, part) = _dotted(node["refr"]), next(iter(node["index"].items()))
        return before and f"{before}.{part['value']}" if index in ("String", "RawString") else None
    return None


def _character(line: str, column: int) -> int:
    """The place of a character in a line; the engine counts bytes from 1, and 4 for a tab."""
    place, reached = 0, 1
    while reached < column and place < len(line):
        reached += _TAB if line[place] == "\t" else len(line[place].encode())
        place += 1
    return place


def _first(path: Node) -> Node:
    """The node of a path's first name."""
    (kind, node) = next(iter(path.items()))
    return _first(node["refr"]) if kind in ("RefDot", "RefBrack") else node


def _span(expression: Node) -> Node:
    span: Node = next(iter(expression.values()))["span"]
    return span


def _kind(expression: Node) -> str:
    """What an expression gives: an object, a set or something other; empty where that is not sure."""
    (kind, node) = next(iter(expression.items()))
    if kind == "Call":
        name = _dotted(node["fcn"]) or ""
        return "set" if name in _GIVE_SETS else "object" if name in _GIVE_OBJECTS else ""
    if kind in (*_SETS, "BinExpr"):
        return "set"
    if kind == "ArithExpr":
        return _kind(node["lhs"]) if node["op"] == "Sub" else "other"
    return "object" if kind in ("Object", "ObjectCompr") else "other" if kind in _OTHERS else ""


def _whole(expression: Node) -> Node:
    """The place of an expression, with the quotes of a string."""
    span = _span(expression)
    if next(iter(expression)) in ("String", "RawString"):
        return {**span, "start": span["start"] - 1, "end": span["end"] + 1}
    return span


def _head_name(rule: Node) -> str:
    """The first name of a rule's head."""
    (kind, node) = next(iter(rule.items()))
    path = node["refr"] if kind == "Default" else next(iter(node["head"].values()))["refr"]
    return str(_first(path)["value"])
