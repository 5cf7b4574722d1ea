"""The parts of a JSON text are cut out as they stand."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task_service.domain.json_parts import elements, members
from task_service.domain.json_text import InvalidJson
from tests.unit.test_json_text import values

written = st.sampled_from([{}, {"indent": 2}, {"separators": (" ,\r\n", "\t: ")}, {"ensure_ascii": False}])


@given(st.lists(values, max_size=4), written)
def test_the_elements_are_those_of_the_array(array: list[object], how: dict[str, object]) -> None:
    parts = elements(json.dumps(array, **how))  # type: ignore[arg-type]
    assert [json.loads(part) for part in parts] == array


@given(st.dictionaries(st.text(), values, max_size=4), written)
def test_the_members_are_those_of_the_object(document: dict[str, object], how: dict[str, object]) -> None:
    parts = members(json.dumps(document, **how))  # type: ignore[arg-type]
    assert {name: json.loads(part) for name, part in parts.items()} == document


@pytest.mark.parametrize(
    "part",
    [
        "12345678901234567890.10",
        "1E+2",
        '"\\u00e9\\/ ]}"',
        '{"b" : 1,"a":[ ] , "b":2}',
        '[{"a":"\\""}, [[]]]',
        "null",
        pytest.param("[" * 9_000 + "]" * 9_000, id="deep"),
        pytest.param('{"a":' * 9_000 + '["]}\\"{["]' + "}" * 9_000, id="deep objects"),
    ],
)
@pytest.mark.parametrize(("before", "after"), [("[", "]"), (" [ 1 ,\n", " , true ] "), ('["[", ', ', {"}":"{"}]')])
def test_a_part_is_what_was_written(part: str, before: str, after: str) -> None:
    assert part in elements(f"{before}{part}{after}")
    assert members(f'{{"a" : {part} , "z":0}}') == {"a": part, "z": "0"}


@pytest.mark.parametrize("text", ["1", "{}", '"[]"', "null", " true"])
def test_what_is_no_array_is_refused(text: str) -> None:
    with pytest.raises(InvalidJson, match=r"^a JSON array is expected$"):
        elements(text)


@pytest.mark.parametrize("text", ["1", "[]", '"{}"', "null", " true"])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidJson, match=r"^a JSON object is expected$"):
        members(text)


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', r'{"a":1,"\u0061":2}'])
def test_a_member_that_is_there_twice_is_refused(text: str) -> None:
    with pytest.raises(InvalidJson, match=r"^the member 'a' is there twice$"):
        members(text)
