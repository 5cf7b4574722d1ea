"""Numbers as OPA calculates with them, in an engine that has 64-bit integers and doubles.

OPA calculates with integers of any length and, as soon as a fraction is among them, with mantissas of 64 bits; it keeps
the shortest decimal that says the same. The engine's doubles have 53 bits: 0.1 + 0.2 is not 0.3 to them. So each
double stands for exactly one number of an evaluation, and its exact value is kept beside it. Where two numbers would
need the same double, or an integer is too long, the evaluation fails instead of going on with a wrong number.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import partial
from math import ceil, floor, prod
from typing import Any, Final, TypeGuard

from task_service.adapters.policies.faults import Refused

Number = int | float

SMALLEST: Final = -(2**63)
BEYOND: Final = 2**64
OPERATORS: Final = frozenset({"plus", "minus", "mul", "div", "rem"})
"""The names of the functions for + - * / %."""

_MANTISSA: Final = 64
_DOUBLE: Final = 53
_SHORT_DIGITS: Final = 15
_WRITTEN: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?")


class Numbers:
    """The numbers of one evaluation, by the double that stands for each."""

    def __init__(self, known: "Numbers | None" = None) -> None:
        self._exact: dict[float, Fraction] = dict(known._exact) if known else {}
        self.unusual: set[Number] = set(known.unusual) if known else set()
        """Numbers that are written with an exponent or a needless fraction, which OPA writes again as they were."""

    def read(self, text: str) -> Number:
        """A number of a source or a JSON text, if the engine can keep it. Raises Refused."""
        if not _WRITTEN.fullmatch(text):
            raise Refused(f"the number {_short(text)} is not one that JSON knows")
        value = _fraction(text)
        number = self._stand_in(value, text)
        if not text.lstrip("-").isdigit() and ("e" in text.lower() or value.denominator == 1):
            self.unusual.add(number)
        return number

    def read_integer(self, text: str) -> int:
        """An integer of a JSON text; the engine has a double for one that is too long. Raises Refused."""
        if len(text) > 18:
            self._stand_in(_fraction(text), text)
        return int(text)

    def written(self, text: str) -> Number:
        """A number with a fraction or an exponent in the engine's result, as OPA has it. Raises Refused."""
        double = float(text)
        if SMALLEST <= double < BEYOND:
            return double
        exact = self._exact.get(abs(double))
        if exact is None:
            raise Refused(f"a number of its result, about {double:.3g}, has more than 64 bits")
        return int(exact) if double > 0 else -int(exact)

    def exact(self, number: Number) -> Fraction:
        """The number that a number of the engine stands for."""
        if isinstance(number, int):
            return Fraction(number)
        known = self._exact.get(abs(number))
        if known is None:
            return Fraction(repr(number))
        return known if number > 0 else -known

    def result(self, value: Fraction) -> Number:
        """A number for the engine to go on with. Raises Refused."""
        if value.denominator == 1:
            if not SMALLEST <= value < BEYOND:
                raise Refused("an integer of more than 64 bits comes out")
            return int(value)
        return self._stand_in(value, "that comes out")

    def _stand_in(self, value: Fraction, text: str) -> Number:
        if value.denominator == 1 and SMALLEST <= value < BEYOND:
            return int(value)
        try:
            double = float(value)
        except OverflowError:
            raise Refused(f"the number {_short(text)} is too large") from None
        if value.denominator != 1 and double.is_integer():
            raise Refused(f"the number {_short(text)} has more digits than are kept")
        if double == SMALLEST:
            raise Refused(f"the number {_short(text)} has more than 64 bits")
        if self._exact.setdefault(abs(double), abs(value)) != abs(value):
            raise Refused(f"the number {_short(text)} cannot be told from another one")
        return double


def arithmetic(numbers: Callable[[], Numbers]) -> Mapping[str, Callable[..., Any]]:
    """The functions for + - * / %, and sum and product, by their names in OPA."""

    def of(name: str, left: Any, right: Any) -> Any:
        if name == "minus" and isinstance(left, set) and isinstance(right, set):
            return left - right
        _expect_numbers(name, (left, right))
        if isinstance(left, int) and isinstance(right, int) and name in _WITH_INTEGERS:
            value: int = _WITH_INTEGERS[name](left, right)
            return value if SMALLEST <= value < BEYOND else numbers().result(Fraction(value))
        known = numbers()
        return known.result(_WITH_FRACTIONS[name](known.exact(left), known.exact(right)))

    def total(values: Any) -> Number:
        _expect_numbers("sum", values)
        known, result = numbers(), Fraction(0)
        integers = all(isinstance(value, int) for value in values)
        for value in _in_order(values):
            exact = known.exact(value)
            result = result + exact if integers else _rounded(_binary(result) + _binary(exact))
        return known.result(result)

    def product(values: Any) -> Number:
        _expect_numbers("product", values)
        known, result = numbers(), Fraction(1)
        if all(isinstance(value, int) for value in values):
            return known.result(Fraction(prod(values)))
        for value in _in_order(values):
            # OPA keeps a product, and nothing else, in a double.
            result = _binary(result * _binary(known.exact(value)), _DOUBLE)
        return known.result(Fraction(repr(float(result))))

    return {**{name: partial(of, name) for name in OPERATORS}, "sum": total, "product": product}


def rounding(numbers: Callable[[], Numbers]) -> Mapping[str, Callable[[Any], Number]]:
    """abs, ceil, floor and round."""

    def of(name: str, number: Any) -> Number:
        _expect_numbers(name, (number,))
        exact = numbers().exact(number)
        if abs(exact) >= 2**63:
            raise Refused("an integer of more than 63 bits cannot be used here")
        return numbers().result(_ROUNDING[name](exact))

    return {name: partial(of, name) for name in _ROUNDING}


def is_number(value: object) -> TypeGuard[Number]:
    """Tell a number from true and false, which Python takes for integers."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _expect_numbers(name: str, values: Iterable[Any]) -> None:
    if isinstance(values, str | dict) or not isinstance(values, Iterable):
        raise Refused(f"{name} needs an array or a set of numbers")
    if not all(map(is_number, values)):
        raise Refused(f"{name} needs numbers")


def _in_order(values: Iterable[Number]) -> Iterable[Number]:
    return sorted(values) if isinstance(values, set) else values


def _remainder(left: int, right: int) -> int:
    if right == 0:
        raise Refused("modulo by zero")
    return abs(left) % abs(right) * (-1 if left < 0 else 1)


def _quotient(left: Fraction, right: Fraction) -> Fraction:
    if right == 0:
        raise Refused("divide by zero")
    return _rounded(_binary(left) / _binary(right))


def _no_remainder(_: Fraction, __: Fraction) -> Fraction:
    raise Refused("modulo on floating-point number")


def _rounded(value: Fraction) -> Fraction:
    """The shortest decimal with the same 64 bits."""
    bits = _binary(value)
    if bits.denominator == 1:
        return bits
    short = Fraction(repr(float(bits)))
    if _binary(short) == bits:
        return short
    magnitude = len(str(int(abs(bits)))) if abs(bits) >= 1 else 1 - len(str(int(1 / abs(bits))))
    for digits in range(_SHORT_DIGITS, 2 * _SHORT_DIGITS):
        scale = Fraction(10) ** (digits - magnitude)
        short = round(bits * scale) / scale
        if _binary(short) == bits:
            return short
    return bits


def _binary(value: Fraction, mantissa: int = _MANTISSA) -> Fraction:
    """The nearest number with a mantissa of so many bits, an even one where two are as near."""
    if value == 0:
        return value
    size = abs(value.numerator).bit_length() - value.denominator.bit_length()
    scale = Fraction(2) ** (mantissa - size)
    if abs(value) * scale >= 2**mantissa:
        scale /= 2
    return round(value * scale) / scale


_WITH_INTEGERS: Final[Mapping[str, Callable[[int, int], int]]] = {
    "plus": lambda left, right: left + right,
    "minus": lambda left, right: left - right,
    "mul": lambda left, right: left * right,
    "rem": _remainder,
}
_WITH_FRACTIONS: Final[Mapping[str, Callable[[Fraction, Fraction], Fraction]]] = {
    "plus": lambda left, right: _rounded(_binary(left) + _binary(right)),
    "minus": lambda left, right: _rounded(_binary(left) - _binary(right)),
    "mul": lambda left, right: _rounded(_binary(left) * _binary(right)),
    "div": _quotient,
    "rem": _no_remainder,
}
_ROUNDING: Final[Mapping[str, Callable[[Fraction], Fraction]]] = {
    "abs": abs,
    "ceil": lambda value: Fraction(ceil(value)),
    "floor": lambda value: Fraction(floor(value)),
    # Halves go away from zero.
    "round": lambda value: Fraction(floor(value + Fraction(1, 2)) if value > 0 else ceil(value - Fraction(1, 2))),
}


def _fraction(text: str) -> Fraction:
    try:
        return Fraction(text)
    except ValueError:
        # Python reads no more than 4,300 digits.
        raise Refused(f"the number {_short(text)} has more digits than are kept") from None


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"
