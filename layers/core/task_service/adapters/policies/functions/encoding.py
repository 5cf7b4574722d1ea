"""JSON as Go writes and reads it, and numbers in texts."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from task_service.adapters.policies.faults import Refused
from task_service.adapters.policies.functions.text import integer, string
from task_service.adapters.policies.numbers import BEYOND, SMALLEST, Number, Numbers, is_number

_ESCAPED: Final = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_AMOUNT: Final = re.compile(r'"?([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?)([A-Za-z]*)"?')
_SCALES: Final = {
    **{"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15, "e": 10**18},
    **{"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40, "pi": 2**50, "ei": 2**60},
}
_HALF: Final = re.compile("[\ud800-\udfff]")


class Encoding:
    """The functions, for the numbers of an evaluation."""

    def __init__(self, numbers: Callable[[], Numbers]) -> None:
        self._numbers = numbers

    def marshal(self, value: Any) -> str:
        """The value as JSON."""
        self._check(value)
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=in_order).translate(_ESCAPED)

    def unmarshal(self, text: Any) -> Any:
        """The value of a JSON text."""
        try:
            value = load(string(text), self._numbers())
        except ValueError as error:
            raise Refused(f"the text is not JSON: {error}") from None
        self._check(value, usual=False)
        return value

    def is_valid(self, text: Any) -> bool:
        """Tell if a value is a JSON text."""
        if not isinstance(text, str):
            return False
        try:
            json.loads(text, parse_float=str, parse_constant=_no_constant)
        except ValueError:
            return False
        return True

    def to_number(self, value: Any) -> Number:
        """The number of a value."""
        if value is None or isinstance(value, bool):
            return int(bool(value))
        if isinstance(value, int | float):
            return value
        text = string(value)
        if not _NUMBER.fullmatch(text):
            raise Refused(f"{text[:40]!r}: invalid syntax")
        if re.fullmatch(r"-?0[0-9].*", text):
            raise Refused(f"{text[:40]!r} starts with a zero")
        return self._numbers().read(text)

    def units(self, text: Any) -> Number:
        """The number of a text like 1.5K or 200m."""
        number, unit = self._amount(text)
        if unit == "m":
            return self._numbers().result(number / 1000)
        scale = _SCALES.get(unit.lower())
        if scale is None:
            raise Refused(f"unit {unit} not recognized")
        return self._numbers().result(number * scale)

    def bytes(self, text: Any) -> Number:
        """The number of bytes of a text like 10MB."""
        number, unit = self._amount(text)
        scale = _SCALES.get(unit.lower().removesuffix("b"))
        if scale is None or unit.lower() == "b":
            raise Refused(f"byte unit {unit} not recognized")
        return self._numbers().result(Fraction(int(number * scale)))

    def _amount(self, text: Any) -> tuple[Fraction, str]:
        match = _AMOUNT.fullmatch(string(text))
        if match is None or len(re.split("[eE]", match[1])[0].replace(".", "")) > 15:
            raise Refused(f"{text[:40]!r} is not an amount that can be read here")
        return Fraction(match[1].rstrip(".")), match[2]

    def _check(self, value: Any, *, usual: bool = True) -> None:
        """Refuse a number that the engine does not keep, or would write in another way than OPA."""
        for number in numbers_in(value):
            if usual and number in self._numbers().unusual:
                raise Refused(f"the number {number} was written in another way")
            if self._numbers().exact(number) != Fraction(repr(number)):
                raise Refused(f"the number {number} has more digits than are kept")
            if isinstance(number, float) and not 1e-4 <= abs(number) < 1e15:
                raise Refused(f"the number {number} may be written in several ways")
            refuse_long(number)


def bits(name: str) -> Callable[..., int]:
    """One of the functions on the bits of integers."""

    def of(*values: Any) -> int:
        numbers = [integer(value) for value in values]
        if name in ("lsh", "rsh") and not 0 <= numbers[1] <= 1_000:
            raise Refused("a number of bits is from 0 to 1000 here")
        result = _BITS[name](*numbers)
        if not SMALLEST <= result < BEYOND:
            raise Refused("an integer of more than 64 bits comes out")
        return result

    return of


_BITS: Final[Mapping[str, Callable[..., int]]] = {
    "and": lambda left, right: left & right,
    "or": lambda left, right: left | right,
    "xor": lambda left, right: left ^ right,
    "negate": lambda value: ~value,
    "lsh": lambda value, places: value << places,
    "rsh": lambda value, places: value >> places,
}


def load(text: str, numbers: Numbers) -> Any:
    """The value of a JSON text. Raises ValueError where it is none, and Refused where the engine cannot have it."""
    value = json.loads(text, parse_float=numbers.read, parse_int=numbers.read_integer, parse_constant=_no_constant)
    if "\\u" in text and _HALF.search(json.dumps(value, ensure_ascii=False)):
        raise Refused("the text has half of a surrogate pair")
    return value


def refuse_long(number: Number) -> None:
    """Refuse an integer that the engine does not keep. Raises Refused."""
    if isinstance(number, int) and not SMALLEST <= number < BEYOND:
        raise Refused("an integer of more than 64 bits cannot be used here")


def numbers_in(value: Any) -> Iterator[Number]:
    """The numbers anywhere in a value. Raises Refused where an object has a name that is no string."""
    if isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(key, str):
                raise Refused("an object's names have to be strings here")
            yield from numbers_in(member)
    elif isinstance(value, list | set):
        for item in value:
            yield from numbers_in(item)
    elif is_number(value):
        yield value


def in_order(values: Any) -> list[Any]:
    """The members of a set in order. Raises Refused."""
    kinds = {type(value) for value in values}
    if kinds <= {str} or kinds <= {int, float}:
        return sorted(values)
    raise Refused("a set of several kinds cannot be put in order here")


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no value")
