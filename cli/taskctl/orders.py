"""Tasks to create, read from a file: a JSON array, JSON Lines, or YAML.

The JSON of a task is sent as it is written, so numbers of any size and the order of members stay. YAML has no such
text: its values are sent.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from taskctl import yaml_text
from taskctl.errors import Refused
from taskctl.files import read_bytes, refuse_constant, unique_members
from taskctl.hostile import plain

MOST: Final = 100
"""Tasks of one request; the service takes no more."""
LARGEST: Final = 5_000_000
"""Bytes of one request as a JSON string, which is how Lambda carries it; a single task may be larger."""

_KEY: Final = "idempotencyKey"
_SPACE: Final = re.compile(r"[ \t\r\n]*")
# Numbers are passed on as text; as floats they can have any number of digits.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=unique_members, parse_constant=refuse_constant, parse_int=float, parse_float=float
)


@dataclass(frozen=True, kw_only=True)
class Order:
    """A task to create."""

    number: int
    """Its place in the file, from 1."""
    text: str
    """Its JSON object, as the API takes it."""
    has_key: bool
    """Whether it has an idempotency key."""


def read_orders(path: str, key: str | None = None) -> list[Order]:
    """The tasks of a file (-: stdin); with a key, each one without a key of its own gets KEY-<its number>.

    Raises Refused, WrongUse.
    """
    shown = "stdin" if path == "-" else plain(path)
    try:
        orders = [_order(number, *found, key) for number, found in enumerate(_parts(path, _text(path)), 1)]
    except json.JSONDecodeError as error:
        fault = f"line {error.lineno} column {error.colno}: {error.msg}"
    except RecursionError:
        fault = "it is nested too deep"
    except ValueError as error:
        fault = plain(error)
    else:
        if orders:
            return orders
        fault = "there is no task in it"
    raise Refused(f"nothing is created: {shown}: {fault}", "correct the file")


def requests_of(orders: Iterable[Order]) -> Iterator[list[Order]]:
    """The orders as one request each can carry them."""
    request: list[Order] = []
    size = 0
    for order in orders:
        # The two quotes stand for what is around a task in the array.
        bytes_ = len(json.dumps(order.text, ensure_ascii=False).encode())
        if request and (len(request) == MOST or size + bytes_ > LARGEST):
            yield request
            request, size = [], 0
        request.append(order)
        size += bytes_
    if request:
        yield request


def body_of(request: Sequence[Order]) -> bytes:
    """The body of a request."""
    return f"[{','.join(order.text for order in request)}]".encode()


def _text(path: str) -> str:
    try:
        return read_bytes(path, "name a file, or - for stdin").decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 at byte {error.start}") from None


def _parts(path: str, text: str) -> Iterator[tuple[Any, str]]:
    """The value and the JSON text of each task. Raises ValueError, RecursionError."""
    is_json = text.lstrip().startswith(("[", "{")) if path == "-" else Path(path).suffix not in (".yaml", ".yml")
    if is_json:
        yield from _json_parts(text)
        return
    for document in yaml_text.load_all(text):
        for value in document if isinstance(document, list) else [document]:
            try:
                yield value, json.dumps(value, allow_nan=False)
            except (TypeError, ValueError):
                raise ValueError("it has a value that JSON does not have") from None


def _json_parts(text: str) -> Iterator[tuple[Any, str]]:
    """The elements of an array, or values one after the other. Raises ValueError, RecursionError."""
    at = _next(text, 0)
    is_array = text.startswith("[", at)
    if is_array:
        at = _next(text, at + 1)
    is_closed = is_array and text.startswith("]", at)
    while not is_closed and (is_array or at < len(text)):
        value, end = _DECODER.raw_decode(text, at)
        yield value, text[at:end]
        at = _next(text, end)
        if is_array:
            is_closed = text.startswith("]", at)
            if not is_closed and not text.startswith(",", at):
                raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
            at = at if is_closed else _next(text, at + 1)
    if is_closed and _next(text, at + 1) < len(text):
        raise json.JSONDecodeError("Extra data", text, _next(text, at + 1))


def _next(text: str, at: int) -> int:
    """Where the next character is that is no space."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _order(number: int, value: Any, text: str, key: str | None) -> Order:
    """The order of a task. Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError(f"task {number}: an object is expected")
    if not isinstance(value.get("name"), str) or not value["name"]:
        raise ValueError(f"task {number}: name: a string that is not empty is expected")
    if "body" not in value:
        raise ValueError(f"task {number}: body: a JSON value is expected")
    if _KEY in value and not isinstance(value[_KEY], str):
        raise ValueError(f"task {number}: {_KEY}: a string is expected")
    # The service refuses the character itself, because gateways put it in the place of wrong bytes.
    text = text.replace("\ufffd", r"\ufffd")
    if _KEY not in value and key is not None:
        text = f'{{"{_KEY}": {json.dumps(f"{key}-{number}")}, {text[1:]}'
    return Order(number=number, text=text, has_key=_KEY in value or key is not None)
