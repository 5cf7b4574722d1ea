"""Reading JSON strictly: documents that two parsers can understand differently are refused.

RFC 8259 lets a parser choose how to read a member that is there twice, NaN, and numbers of any size. The service reads
events, messages, keys, tokens and templates this way. Bodies and results, which it only passes on, stay as they are.
"""

import json
import math
from collections import Counter
from typing import Any, Final

from task_service.domain.json_text import InvalidJson, decode, refuse_constant

MAX_DIGITS: Final = 4_300
"""A whole number may have so many: Python takes no more, because reading them costs the square of their number."""


class AmbiguousJson(InvalidJson):
    """A JSON text that parsers understand in different ways; the message says where they do."""


_SHOWN: Final = 80
"""Characters of a member's name that a refusal repeats."""


def loads(text: str | bytes) -> Any:
    """The value of a JSON text in UTF-8.

    Raises InvalidJson, which says what is wrong and, where the parser tells, at which place.
    """
    if isinstance(text, bytes):
        try:
            # RFC 8259, 8.1: a byte order mark in what another service sends may be ignored.
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InvalidJson(f"not UTF-8 at byte {error.start}") from None
    try:
        return decode(text, _DECODER)
    except RecursionError:
        raise InvalidJson("nested too deeply") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise AmbiguousJson(f"the member {twice[:_SHOWN]!r} is there twice")
    return members


def _integer(text: str) -> int:
    digits = len(text.removeprefix("-"))
    if digits > MAX_DIGITS:
        raise AmbiguousJson(f"a number has {digits} digits, at most {MAX_DIGITS} are allowed")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise AmbiguousJson("a number is larger than any that can be calculated with, 1.8e308")
    return number


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_integer, parse_float=_finite, parse_constant=refuse_constant
)
