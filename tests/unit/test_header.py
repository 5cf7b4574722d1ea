"""Headers that can be sent, and why others cannot."""

import pytest

from task_service.domain.header import coding_fault, faults


@pytest.mark.parametrize("value", ["", "a", "a b\tc", "Zoë", "\x80\xff", '"a", b;c=d', "~!\x20!"])
def test_a_value_that_can_be_sent(value: str) -> None:
    assert faults({"X-A": value}) == []


@pytest.mark.parametrize("value", [" a", "a ", "\ta", "a\t", " ", "\t"])
def test_white_space_at_the_ends_of_a_value_is_not_sent(value: str) -> None:
    assert faults({"X-A": value}) == ["X-A: spaces and tabs are not sent at the ends of a value"]


@pytest.mark.parametrize("value", ["€", "a\nb", "a\r", "\0", "\x7f", "\x1b", "\u2028", "\ud800"])
def test_a_character_that_no_header_has(value: str) -> None:
    assert faults({"X-A": value}) == ["X-A: characters of ISO 8859-1 without control characters are allowed"]


@pytest.mark.parametrize("name", ["", " X", "X ", "X:", "X Y", "Größe", "X\n", "(X)"])
def test_a_name_that_is_none(name: str) -> None:
    [fault] = faults({name: "a"})
    assert fault.startswith(f"{name!r} is not a header name")


@pytest.mark.parametrize(("one", "other"), [("X-A", "x-a"), ("ACCEPT", "Accept")])
def test_names_that_differ_only_in_case_are_one(one: str, other: str) -> None:
    assert faults({one: "1", other: "2"}) == [f"{one} and {other} are one header, because case does not count in names"]


@pytest.mark.parametrize("value", ["", "gzip", "gzip, deflate;q=0.5", "identity", "X-GZIP", "gzip, br;q=0", "*;q=0"])
def test_codings_that_can_be_decoded_may_be_asked_for(value: str) -> None:
    assert coding_fault(value) is None


@pytest.mark.parametrize(
    ("value", "coding"),
    [("br", "br"), ("gzip, zstd", "zstd"), ("*", "*"), ("gzip, BR;q=0.1", "br")],
)
def test_codings_that_cannot_be_decoded_may_not(value: str, coding: str) -> None:
    fault = coding_fault(value)
    assert fault == f"{coding!r} cannot be decoded; gzip, x-gzip, deflate, identity are allowed"
