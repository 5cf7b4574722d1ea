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
            if any(abs(_as_number(value)) >= 2**63 for value in left):
                raise Refused("a value that is not used has more than 63 bits")
            text += f"%!(EXTRA {', '.join(f'{_kind(value)}={self._plain(value)}' for value in left)})"
        return text

    def _formatted(self, match: re.Match[str], left: list[Any]) -> str:
        flags, width, precision, verb = match.groups()
        if verb is None:
            return "%!(NOVERB)"
        if verb == "%" and not (flags or width or precision):
            return "%"
        if verb in "[*.%":
            raise Refused(f"{match.group()!r} is not known here")
        if not left:
            return f"%!{verb}(MISSING)" if verb.isascii() and verb.isalpha() else _unknown(match)
        return self._value(match, left.pop(0), flags, width, precision, verb)

    def _value(
        self, match: re.Match[str], value: Any, flags: str, width: str | None, precision: str | None, verb: str
    ) -> str:
        spec = (">" if "-" not in flags else "<") + (width or "")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and isinstance(value, int) and verb in _OF_INTEGERS + "v" and precision is None:
            return self._integer(value, flags, width, verb)
        if is_number and isinstance(value, float) and verb in _OF_FRACTIONS and set(flags) <= set("-+0"):
            self._plain(value)
            signs = ("<" if "-" in flags else "") + ("+" if "+" in flags else "")
            zero = "0" if "0" in flags and "-" not in flags else ""
            return format(value, f"{signs}{zero}{width or ''}.{precision or 6}{'f' if verb == 'F' else verb}")
        if set(flags) <= {"-"} and verb in ("v", "s") and not (is_number and (verb == "s" or precision)):
            text = self._plain(value)
            return format(text if precision is None else text[: int(precision)], spec)
        if not (flags or width or precision) and verb in "dxXobfeEFgGstv":
            return self._mismatched(match, value, verb)
        raise Refused(f"{match.group()!r} with {_described(value)} is not known here")

    def _mismatched(self, match: re.Match[str], value: Any, verb: str) -> str:
        if _kind(value) == "string" and verb in "xX":
            raw = self._plain(value).encode().hex()
            return raw if verb == "x" else raw.upper()
        if (_kind(value) == "float64" and verb in "gGxXb") or abs(_as_number(value)) >= 2**63:
            raise Refused(f"{match.group()!r} with {_described(value)} is not known here")
        return f"%!{verb}({_kind(value)}={self._plain(value)})"

    def _integer(self, value: int, flags: str, width: str | None, verb: str) -> str:
        if not set(flags) <= set("-0" if verb == "v" else "-+0") or value in self._numbers().unusual:
            raise Refused(f"the flags {flags!r} with the number {value} are not known here")
        if "-" in flags:
            return format(
                format(value, f"{'+' if '+' in flags else ''}{'d' if verb == 'v' else verb}"), f"<{width or 0}"
            )
        signs = ("+" if "+" in flags else "") + ("0" if "0" in flags else "")
        return format(value, f"{signs}{width or ''}{'d' if verb == 'v' else verb}")

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


def _quoted(text: str) -> str:
    if not text.isprintable():
        raise Refused("a text inside another value has signs that cannot be shown")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _kind(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return "int64"
    return "float64" if isinstance(value, float) else "string"


def _as_number(value: Any) -> Number:
    return value if isinstance(value, int | float) else 0


def _described(value: Any) -> str:
    return {"int64": "an integer", "float64": "a fraction", "string": "such a value"}[_kind(value)]


def _unknown(match: re.Match[str]) -> str:
    raise Refused(f"{match.group()!r} is not known here")
