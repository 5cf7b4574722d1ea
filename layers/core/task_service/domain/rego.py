"""Rego sources, read as far as it takes to name their package and to let an interpreter of Rego v1 run those of v0.

The interpreter takes both kinds of syntax, but gives three things of v0 another meaning or none:

    x[v] { … }      a partial set, not an object with true for every member: becomes `x contains v { … }`
    _ := …          the policy's whole result (a custom of the XFSC policy service): becomes a variable of its own
    re_match(…)     the former name of regex.match
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(
    r"""
      (?P<space>[ \t\r]+ | \#[^\n]*)
    | (?P<line>\n)
    | (?P<string>"(?:[^"\\\n]|\\.)*")
    | (?P<raw>`[^`]*`)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>[0-9][A-Za-z0-9_.]*)
    | (?P<sign>:=|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_STEPS: Final = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
_KEYWORDS: Final = frozenset({"as", "contains", "default", "else", "every", "if", "import", "in", "not", "package"})
_CALLABLE_ROOTS: Final = frozenset({"data", "input"})


@dataclass(frozen=True, slots=True)
class Token:
    """A token that means something."""

    kind: str
    text: str
    start: int
    depth: int
    """How many brackets are open around it."""
    is_first: bool
    """Whether it is the first of its line, or follows the end of a body."""

    @property
    def end(self) -> int:
        """Where the next one can start."""
        return self.start + len(self.text)


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A function that is called without being defined in the module."""

    name: str
    position: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Module:
    """A Rego module."""

    package: tuple[str, ...]
    """The parts of its package's name; none where it names no package."""
    text: str
    """Its source, for an interpreter of v1; on the same lines as the original."""
    alias: str | None
    """The variable in which `text` has the value of `_`."""
    calls: tuple[Call, ...]


def read(source: str) -> Module:
    """The module in a source. A source that is not valid is not refused here."""
    tokens = list(_tokens(source))
    heads = {token.text for token, _ in _heads(tokens)}
    digest = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()
    alias = f"result_{digest[:16]}" if "_" in heads else None
    edits = [*_sets(tokens), *_plain_strings(tokens)]
    edits += [(token.start, token.end, alias) for token, _ in _heads(tokens) if alias and token.text == "_"]
    if "re_match" not in heads:
        edits += [(call.start, call.end, "regex.match") for call in _callees(tokens) if call.text == "re_match"]
    known = heads | set(_imported(tokens)) | _CALLABLE_ROOTS | {"re_match"}
    return Module(
        package=_package(tokens),
        text=_edited(source, edits),
        alias=alias,
        calls=tuple(
            Call(name=name, position=token.start)
            for token, name in ((token, _dotted(tokens, token)) for token in _callees(tokens))
            if name.partition(".")[0] not in known
        ),
    )


def place(source: str, position: int) -> str:
    """Where a position is, as people count."""
    return f"line {source.count(chr(10), 0, position) + 1} column {position - source.rfind(chr(10), 0, position)}"


def _tokens(source: str) -> Iterator[Token]:
    depth, is_first = 0, True
    for match in _TOKEN.finditer(source):
        kind, text = match.lastgroup or "", match.group()
        if kind == "line":
            is_first = True
        if kind in ("line", "space"):
            continue
        step = _STEPS.get(text, 0)
        depth += min(step, 0)
        yield Token(kind, text, match.start(), depth, is_first)
        depth += max(step, 0)
        is_first = text == "}" and depth == 0


def _heads(tokens: Sequence[Token]) -> Iterator[tuple[Token, int]]:
    """The first names of the rules, each with its place among the tokens."""
    for place, token in enumerate(tokens):
        if token.kind != "name" or token.depth or token.text in _KEYWORDS:
            continue
        if token.is_first or (place and tokens[place - 1].text == "default"):
            yield token, place


def _sets(tokens: Sequence[Token]) -> Iterator[tuple[int, int, str]]:
    """The edits that make partial sets of v0 those of v1. What has no `if` before its body is of v0."""
    for token, place in _heads(tokens):
        if token.text == "_" or place + 1 >= len(tokens) or tokens[place + 1].text != "[":
            continue
        after = tokens[place + 2 :]
        closing = next((n for n, other in enumerate(after) if other.depth == 0), len(after))
        if closing + 1 < len(after) and after[closing].text == "]" and after[closing + 1].text == "{":
            yield tokens[place + 1].start, tokens[place + 1].end, " contains "
            yield after[closing].start, after[closing].end, " "


def _plain_strings(tokens: Sequence[Token]) -> Iterator[tuple[int, int, str]]:
    """The edits that spell strings in one way only: the interpreter compares them as they are spelled."""
    for token in tokens:
        if token.kind == "string" and ("\\u" in token.text or "\\/" in token.text):
            try:
                yield token.start, token.end, json.dumps(json.loads(token.text), ensure_ascii=False)
            except ValueError:
                # Whatever is wrong with it, the interpreter says it better.
                continue


def _callees(tokens: Sequence[Token]) -> Iterator[Token]:
    """The names that an opening parenthesis follows without space, or whose members it follows."""
    for place, token in enumerate(tokens):
        if token.kind != "name" or token.text in _KEYWORDS or (place and tokens[place - 1].text == "."):
            continue
        last = _last_of_chain(tokens, place)
        if last + 1 < len(tokens) and tokens[last + 1].text == "(" and tokens[last + 1].start == tokens[last].end:
            yield token


def _dotted(tokens: Sequence[Token], first: Token) -> str:
    place = tokens.index(first)
    return "".join(token.text for token in tokens[place : _last_of_chain(tokens, place) + 1])


def _last_of_chain(tokens: Sequence[Token], place: int) -> int:
    """The place of `c` in a chain a.b.c that starts at a place."""
    while place + 2 < len(tokens) and tokens[place + 1].text == "." and tokens[place + 2].kind == "name":
        place += 2
    return place


def _package(tokens: Sequence[Token]) -> tuple[str, ...]:
    if len(tokens) < 2 or tokens[0].text != "package" or tokens[1].kind != "name":
        return ()
    parts, place = [tokens[1].text], 2
    while place + 1 < len(tokens):
        sign, name = tokens[place], tokens[place + 1]
        if sign.text == "." and name.kind == "name":
            parts.append(name.text)
            place += 2
        elif sign.text == "[" and name.kind == "string":
            parts.append(name.text[1:-1])
            place += 3
        else:
            break
    return tuple(parts)


def _imported(tokens: Sequence[Token]) -> Iterator[str]:
    """The names that imports give."""
    for place, token in enumerate(tokens):
        if token.text == "import" and token.is_first and place + 1 < len(tokens):
            last = _last_of_chain(tokens, place + 1)
            renamed = last + 2 < len(tokens) and tokens[last + 1].text == "as"
            yield tokens[last + 2 if renamed else last].text


def _edited(source: str, edits: Sequence[tuple[int, int, str]]) -> str:
    parts, position = [], 0
    for start, end, text in sorted(edits):
        parts += [source[position:start], text]
        position = end
    return "".join([*parts, source[position:]])
