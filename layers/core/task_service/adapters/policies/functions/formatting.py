"""sprintf, as Go's fmt package does it with OPA's values."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from task_service.adapters.policies.faults import Refused
from task_service.adapters.policies.functions.encoding import in_order
from task_service.adapters.policies.functions.text import string
from task_service.adapters.policies.numbers import Number, Numbers

_VERB: Final = re.compile(r"%([-+# 0]*)([0-9]{1,3})?(?:\.([0-9]{1,2}))?(.)?", re.DOTALL)
_OF_INTEGERS: Final = "dxXob"
_OF_FRACTIONS: Final = "feEF"
_DESCRIBED: Final = {"int64": "an integer", "float64": "a fraction", "string": "such a value"}


class Formatting:
    """The function, for the numbers of an evaluation."""

    def __init__(self, numbers: Callable[[], Numbers]) -> None:
        self._numbers = numbers

    def sprintf(self, template: Any, values: Any) -> str:
        """A text with values in it."""
        if not isinstance(values, list):
            raise Refused("sprintf needs an array of values")
        left = list(values)
        text = _VERB.sub(lambda match: self._formatted(match, left), string(template))
        if left:
            if any(map(_is_long, left)):
                raise Refused("a value that is not used has more than 63 bits")
            text += f"%!(EXTRA {', '.join(f'{_kind(value)}={self._plain(value)}' for value in left)})"
        return text

    def _formatted(self, match: re.Match[str], left: list[Any]) -> str:
        flags, width, precision, verb = match.groups()
        if verb is None:
            return "%!(NOVERB)"
        if verb == "%" and not (flags or width or precision):
            return "%"
        if verb in "[*.%" or not (left or (verb.isascii() and verb.isalpha())):
            raise Refused(f"{match.group()!r} is not known here")
        return self._value(match, left.pop(0)) if left else f"%!{verb}(MISSING)"

    def _value(self, match: re.Match[str], value: Any) -> str:
        flags, width, precision, verb = match.groups()
        kind = _kind(value)
        if kind == "int64" and verb in _OF_INTEGERS + "v" and precision is None:
            return self._integer(value, flags, width, verb)
        if kind == "float64" and verb in _OF_FRACTIONS and set(flags) <= set("-+0"):
            self._plain(value)
            return format(value, f"{_layout(flags, width)}.{precision or 6}{'f' if verb == 'F' else verb}")
        if set(flags) <= {"-"} and verb in ("v", "s") and (kind == "string" or not (verb == "s" or precision)):
            text = self._plain(value)
            shown = text if precision is None else text[: int(precision)]
            return format(shown, f"{'<' if flags else '>'}{width or ''}")
        is_known = not (_is_long(value) or (kind == "float64" and verb in "gGxXb"))
        if is_known and not (flags or width or precision) and verb in "dxXobfeEFgGstv":
            return self._mismatched(value, kind, verb)
        raise Refused(f"{match.group()!r} with {_DESCRIBED[kind]} is not known here")

    def _mismatched(self, value: Any, kind: str, verb: str) -> str:
        if kind == "string" and verb in "xX":
            raw = self._plain(value).encode().hex()
            return raw if verb == "x" else raw.upper()
        return f"%!{verb}({kind}={self._plain(value)})"

    def _integer(self, value: int, flags: str, width: str | None, verb: str) -> str:
        if not set(flags) <= set("-0" if verb == "v" else "-+0") or value in self._numbers().unusual:
            raise Refused(f"the flags {flags!r} with the number {value} are not known here")
        return format(value, f"{_layout(flags, width)}{'d' if verb == 'v' else verb}")

    def _plain(self, value: Any, *, inside: bool = False) -> str:
        """A value as OPA writes it."""
        match value:
            case str():
                return _quoted(value) if inside else value
            case bool() | None:
                return json.dumps(value)
            case int() | float():
                return self._number(value, inside=inside)
            case list():
                return f"[{', '.join(self._plain(item, inside=True) for item in value)}]"
            case set():
                members = ", ".join(self._plain(item, inside=True) for item in in_order(value))
                return f"{{{members}}}" if value else "set()"
            case dict():
                pairs = (f"{self._plain(k, inside=True)}: {self._plain(v, inside=True)}" for k, v in value.items())
                return f"{{{', '.join(pairs)}}}"
        raise Refused("a value is not known here")

    def _number(self, number: Number, *, inside: bool) -> str:
        if number in self._numbers().unusual:
            raise Refused(f"the number {number} was written in another way")
        if isinstance(number, int):
            return str(number)
        exact = self._numbers().exact(number)
        if not 1e-4 <= abs(number) < 1e15 or (inside and exact != type(exact)(repr(number))):
            raise Refused(f"the number {number} may be written in several ways")
        if inside or abs(number) < 1e6:
            return repr(number)
        exponent = format(number, ".16e").partition("e")[2]
        digits = repr(number).replace(".", "").lstrip("-0")
        sign = "-" if number < 0 else ""
        return f"{sign}{digits[0]}.{digits[1:]}e{exponent}"


def _layout(flags: str, width: str | None) -> str:
    """Flags and width of a number, as Python's `format` has them."""
    zero = "0" if "0" in flags and "-" not in flags else ""
    return f"{'<' if '-' in flags else ''}{'+' if '+' in flags else ''}{zero}{width or ''}"


def _quoted(text: str) -> str:
    if not text.isprintable():
        raise Refused("a text inside another value has signs that cannot be shown")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _kind(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return "int64"
    return "float64" if isinstance(value, float) else "string"


def _is_long(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) >= 2**63
