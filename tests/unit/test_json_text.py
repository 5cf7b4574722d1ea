"""JSON texts are checked as strictly as the contract asks, at any depth."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task_service.domain import json_text
from task_service.domain.json_text import MAX_DEPTH, InvalidJson, check

DEEP = "[" * 1_200
"""In front of a text: makes the standard library's scanner give up, so that ours has to judge it."""
DEEP_END = "]" * 1_200

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)

VALID = ['"text"', "1", "-0.5e+10", "null", "true", "false", "[]", "{}", ' {"a" : [1, {"b":null}]} \n', "9" * 5_000]
INVALID = [
    ("", "line 1 column 1"),
    ("{", "line 1 column 2"),
    ("[1,]", "line 1 column"),
    ('{"a":1,}', "line 1 column"),
    ("{'a':1}", "line 1 column 2"),
    ('{"a" 1}', "line 1 column 6"),
    ("[1 2]", "line 1 column 4"),
    ("nul", "line 1 column 1"),
    ("NaN", "NaN is not a JSON value"),
    ("[Infinity]", "Infinity"),
    ("-Infinity", "-Infinity"),
    ("01", "line 1 column 2"),
    ("1.", "line 1 column 2"),
    ("+1", "line 1 column 1"),
    ('"a\nb"', "line 1 column"),
    (r'"\x"', "line 1 column"),
    ("{} {}", "line 1 column 4"),
    ("1 2", "line 1 column 3"),
    ("[1]]", "line 1 column 4"),
    ('{\n  "a": oops\n}', "line 2 column 8"),
]


@pytest.mark.parametrize("text", VALID)
def test_a_json_value_is_valid(text: str) -> None:
    check(text)


@pytest.mark.parametrize(("text", "where"), INVALID)
def test_what_is_not_one_json_value_is_refused_with_its_place(text: str, where: str) -> None:
    with pytest.raises(InvalidJson, match=where.replace("+", r"\+")):
        check(text)


@pytest.mark.parametrize("text", [text for text in VALID if not text.startswith(" ")])
def test_a_value_nested_beyond_the_interpreters_stack_is_valid(text: str) -> None:
    check(DEEP + text + DEEP_END)


@pytest.mark.parametrize("text", [text for text, _ in INVALID if text])
def test_a_fault_nested_beyond_the_interpreters_stack_is_refused(text: str) -> None:
    with pytest.raises(InvalidJson):
        check(DEEP + text + DEEP_END)


@pytest.mark.parametrize("innermost", ["1", "[]", "{}", "1,[]"])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('[0,{"a":', "}]")])
def test_the_depth_limit_is_exact(opening: str, closing: str, innermost: str) -> None:
    levels = len(closing)
    inside = 1 if "[" in innermost or "{" in innermost else 0
    outside = (MAX_DEPTH - 2) // levels
    rest = MAX_DEPTH - outside * levels - inside
    text = opening * outside + "[" * rest + innermost + "]" * rest + closing * outside
    check(text)
    with pytest.raises(InvalidJson, match=f"nested deeper than {MAX_DEPTH} levels"):
        check(f"[{text}]")


def test_many_brackets_side_by_side_are_not_deep() -> None:
    check("[" + ",".join(["[]"] * (MAX_DEPTH + 10)) + "]")
    check(json.dumps("[" * (MAX_DEPTH + 10)))


def test_a_long_text_may_not_be_nested_beyond_any_scanner() -> None:
    deepest = "[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH
    check(f"[1{',1' * 400_000}]")
    with pytest.raises(InvalidJson, match="nested too deeply"):
        check(f"[{deepest}{',1' * 500_000}]")


def test_a_byte_order_mark_is_refused() -> None:
    with pytest.raises(InvalidJson, match="byte order mark"):
        check("\ufeff{}")


@given(values)
def test_what_json_writes_is_valid_also_deep_down(value: Any) -> None:
    text = json.dumps(value)
    check(text)
    check(DEEP + text + DEEP_END)


@given(st.text(alphabet='[]{},:"\\ 01-.eEtrufalsn\n', max_size=12))
def test_both_scanners_judge_alike(text: str) -> None:
    def is_valid_deep_down() -> bool:
        return json_text.is_valid(DEEP + text + DEEP_END)

    # A text that closes what is around it is another text.
    expected = json_text.is_valid(f"[{text}]") if "]" not in text or json_text.is_valid(text) else is_valid_deep_down()
    assert is_valid_deep_down() == expected


@given(st.text())
def test_text_becomes_a_json_string(text: str) -> None:
    assert json.loads(json_text.from_text(text)) == text


def test_five_megabytes_are_carried_and_one_byte_more_is_not() -> None:
    assert json_text.too_large("1" * json_text.MAX_BYTES) is None
    fault = json_text.too_large("1" * (json_text.MAX_BYTES + 1))
    assert fault is not None
    assert "5000001 bytes, at most 5000000" in fault


def test_the_size_is_that_of_utf_8() -> None:
    assert json_text.too_large("é" * (json_text.MAX_BYTES // 2)) is None
    assert json_text.too_large("é" * (json_text.MAX_BYTES // 2 + 1)) is not None


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_what_can_be_encoded_is_unicode(text: str) -> None:
    def can_be_encoded() -> bool:
        try:
            return bool(text.encode()) or not text
        except UnicodeEncodeError:
            return False

    assert json_text.is_unicode(text) == can_be_encoded()


def test_what_lambda_cannot_carry_escaped_is_too_large() -> None:
    quotes = json.dumps(["a"] * 1_000_000)
    assert len(quotes) == 5_000_000
    fault = json_text.too_large(quotes)
    assert fault is not None
    assert "escaped" in fault
    assert math.isclose(len(json.dumps(quotes)), 7_000_002)
