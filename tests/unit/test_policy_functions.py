"""What functions and operators give in policies: the values are OPA's (1.20.2)."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from task_service.adapters.policies.engine import Engine, engine_functions
from task_service.adapters.policies.faults import Fault
from task_service.adapters.policies.functions import OF_THE_ENGINE
from tests.support.policy_table import PAGE, with_table

Evaluate = Callable[..., Any]


@pytest.fixture(scope="module")
def evaluate() -> Evaluate:
    """Evaluates an expression, with an input as JSON text."""
    engine = Engine(with_tokens=False)

    def evaluate(expression: str, text: str = "null") -> Any:
        compiled = engine.compile("g.n", f"package g.n\n\nx := {expression}\n", "{}")
        return json.loads(engine.evaluate(compiled, text))["x"]

    return evaluate


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("0.1 + 0.2", 0.3),
        ("0.1 + 0.2 == 0.3", True),
        ("1.1 * 1.1", 1.21),
        ("1 / 3 * 3", 1),
        ("2 / 3", 2 / 3),
        ("sum([0.1, 0.2])", 0.3),
        ("product([3, 0.1])", 0.3),
        ("product([12, 0.1, 3])", 3.5999999999999996),
        ("product([9007199254740993, 5, -2])", -90071992547409930),
        ("7 % -3", 1),
        ("-7 % 3", -1),
        ("9223372036854775807 + 1", 9223372036854775808),
        ("9007199254740993 * 1", 9007199254740993),
        ("{1, 2} - {2}", [1]),
        ("(1 + 2) * 3 - 4", 5),
        ("round(2.5)", 3),
        ("round(-2.5)", -3),
        ("floor(-2.5)", -3),
        ("max([9, 10, 100])", 100),
        ('sort(["a", 10, null, 9, true])', [None, True, 9, 10, "a"]),
        ("[1, 9.5] < [1, 10]", True),
        ('upper("straße")', "STRAßE"),
        ('lower("ΑΣ")', "ασ"),
        ('count("😀")', 1),
        ('substring("grün", 2, -1)', "ün"),
        ('replace("aaa", "aa", "b")', "ba"),
        ('strings.replace_n({"a": "b", "b": "c"}, "ab")', "bc"),
        ('strings.count("11111", "11")', 2),
        ('indexof_n("aaaa", "aa")', [0, 1, 2]),
        ('semver.compare("1.10.0", "1.9.0")', 1),
        ('semver.compare("1.0.0-alpha.9", "1.0.0-alpha.10")', -1),
        ('urlquery.encode("a~b c*")', "a~b+c%2A"),
        ('urlquery.decode_object("a=1&a=2&b")', {"a": ["1", "2"], "b": [""]}),
        ('to_number("1.5")', 1.5),
        ('units.parse("200m")', 0.2),
        ('units.parse("1.5G")', 1_500_000_000),
        ('units.parse_bytes("1.5Ki")', 1536),
        ('json.marshal({"a": "<é>"})', '{"a":"\\u003cé\\u003e"}'),
        ('json.unmarshal(`{"a": [0.1]}`)', {"a": [0.1]}),
        ('json.filter({"a": {"b": 1, "c": 2}}, ["a/b"])', {"a": {"b": 1}}),
        ('json.filter({"a": 1}, ["a/b"])', {"a": 1}),
        ('json.remove({"a": {"b": 7}, "c": 1}, {"a", "a/b"})', {"c": 1}),
        (r'regex.match(`^\d$`, "٣")', False),
        (r'regex.match(`^\w+$`, "é")', False),
        (r'regex.match(`(?i)^ABC$`, "abc")', True),
        (r'regex.match(`^\p{L}+$`, "é")', True),
        (r'regex.match(`^[a&&b]$`, "&")', True),
        ('regex.replace("abab", "(a)(b)?", "${1}x")', "axax"),
        ('glob.match("*.example.com", ["."], "a.example.com")', True),
        ('glob.match("*.example.com", ["."], "a.b.example.com")', False),
        ('glob.match("**.example.com", ["."], "a.b.example.com")', True),
        ('net.cidr_contains("10.0.0.0/8", "10.1.2.3")', True),
        ('net.cidr_merge(["10.0.0.0/9", "10.128.0.0/9"])', ["10.0.0.0/8"]),
        ('net.cidr_intersects("10.0.0.0/8", "11.0.0.0/8")', False),
        ('time.parse_rfc3339_ns("2026-01-01T00:00:00Z")', 1767225600000000000),
        ("time.add_date(1738281600000000000, 0, 1, 0)", 1740960000000000000),
        ('time.format([0, "UTC", "2006-01-02"])', "1970-01-01"),
        ('crypto.sha256("a\\n")', "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7"),
        ('sprintf("%d|%5d|%-5d|%05d|%x", [1, 2, 3, -4, 255])', "1|    2|3    |-0004|ff"),
        ('sprintf("%s %v %v", ["a", [1, "b"], {"c": true}])', 'a [1, "b"] {"c": true}'),
        ('sprintf("%.2f %v", [1.5, 1234567.5])', "1.50 1.2345675e+06"),
        ('sprintf("%s %d", [1, "a"])', "%!s(int64=1) %!d(string=a)"),
        ('sprintf("%d", [])', "%!d(MISSING)"),
        ('sprintf("a", [1])', "a%!(EXTRA int64=1)"),
    ],
)
def test_a_function_gives_what_opa_gives(evaluate: Evaluate, expression: str, value: object) -> None:
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("18446744073709551615 + 1", "line 3: plus: an integer of more than 64 bits comes out"),
        ("9223372036854775807 * 9223372036854775807", "mul: an integer of more than 64 bits"),
        ("product([10000000000, 10000000000])", "product: an integer of more than 64 bits"),
        ("1 / 3 == 0.3333333333333333", "cannot be told from another one"),
        ("12345678901234567890123", "line 3 column 6: the number 12345678901234567890123 has more than 64 bits"),
        ("[1, -9223372036854775809]", "line 3 column 10: the number -9223372036854775809 has more than 64 bits"),
        ("1e400", "line 3 column 6"),
        ("1e30", "line 3 column 6: the number 1e30 has more than 64 bits"),
        ('to_number("0x1")', "to_number: '0x1': invalid syntax"),
        ('to_number("1e400")', "to_number: the number 1e400 is too large"),
        ('json.unmarshal("12345678901234567890123")', "json.unmarshal: an integer of more than 64 bits"),
        ("bits.lsh(1, 64)", "bits.lsh: an integer of more than 64 bits"),
        ("7 % 0", "rem: modulo by zero"),
        ("1 / 0", "div: divide by zero"),
        ("5.5 % 2", "rem: modulo on floating-point number"),
        ('regex.match(`\\Qa\\E`, "a")', "regex.match: the regular expression"),
        ('regex.match(`a++`, "a")', "regex.match: the regular expression"),
        ('regex.split("x*", "axb")', "regex.split: the pattern may not match where nothing is"),
        ('glob.match("a?", [], "ab")', "glob.match: 'a?' has '?'"),
        ('net.cidr_contains("10.0.0.0/8", "::ffff:10.0.0.1")', "net.cidr_contains: "),
        ('net.cidr_contains("010.0.0.0/8", "10.0.0.1")', "net.cidr_contains: "),
        ('time.parse_rfc3339_ns("2026-01-01t00:00:00z")', "time.parse_rfc3339_ns: "),
        ('time.format([0, "UTC", "Jan 2 2006 MST"])', "time.format: the layout"),
        ('upper("ŉ")', "upper: the letter 'ŉ' has no simple counterpart"),
        ('sprintf("%v", [{true, 1}])', "sprintf: a set or an object's names with true or false"),
        ('sprintf("%v", [0.00001])', "sprintf: the number 1e-05 may be written in several ways"),
        ("json.marshal(1.0)", "json.marshal: the number 1 was written in another way"),
        ('json.match_schema({"id": "a"}, {"properties": {"id": {"type": "integer"}}})', "json.match_schema: "),
        ('units.parse("1kk")', "units.parse: unit kk not recognized"),
        ('urlquery.decode("%zz")', "urlquery.decode: invalid URL escape"),
        ("walk([1])", "line 3 column 6: walk is called with a value and what it gives"),
        ("arithmetic__.plus(1, 2)", "is not known or not available to policies"),
    ],
)
def test_what_opa_would_do_otherwise_is_refused_by_name(evaluate: Evaluate, expression: str, reason: str) -> None:
    with pytest.raises(Fault) as caught:
        evaluate(expression)

    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "text", "value"),
    [
        ("input", "12345678901234567890123", 12345678901234567890123),
        ("input[0] == input[1]", "[12345678901234567890123, 12345678901234567890123]", True),
        ("input[0] < input[1]", "[18446744073709551615, 12345678901234567890123]", True),
        ("max(input)", "[1, -12345678901234567890123, 12345678901234567890123]", 12345678901234567890123),
        ("input", "0.1234567890123456789", 0.12345678901234568),
        ("input + 1", "18446744073709551614", 18446744073709551615),
        ("input.a * 3", '{"a": 0.1}', 0.3),
        ("input", '"\\ud800"', "\ufffd"),
    ],
)
def test_numbers_of_an_input_are_exact(evaluate: Evaluate, expression: str, text: str, value: object) -> None:
    assert evaluate(expression, text) == value


@pytest.mark.parametrize(
    ("expression", "text", "reason"),
    [
        ("input", "1e400", "the number 1e400 is too large"),
        ("input", "[12345678901234567890123, 12345678901234567890124]", "cannot be told from another one"),
        ("input", "[0.1, 0.1000000000000000001]", "cannot be told from another one"),
        ("input + 1", "12345678901234567890123", "an integer of more than 64 bits cannot be used here"),
        ("input / 10 == 0.3", "3", None),
        ("input", "NaN", "cannot be read"),
        ("input", "[" * 5_000 + "]" * 5_000, "nested too deeply"),
    ],
)
def test_numbers_of_an_input_that_are_not_kept_are_refused(
    evaluate: Evaluate, expression: str, text: str, reason: str | None
) -> None:
    if reason is None:
        assert evaluate(expression, text) is True
        return
    with pytest.raises(Fault, match=reason):
        evaluate(expression, text)


def test_a_number_with_more_digits_than_python_reads_is_refused_in_our_own_words(evaluate: Evaluate) -> None:
    digits = "1" * 5_000
    words = f"the number 0.{'1' * 38}… has more digits than are kept"

    for expression, text in (
        (f"0.{digits}", "null"),
        ("input", f"0.{digits}"),
        ("json.unmarshal(input)", f'"0.{digits}"'),
    ):
        with pytest.raises(Fault, match=words):
            evaluate(expression, text)
    with pytest.raises(Fault, match=f"the number {'1' * 40}… has more digits than are kept"):
        evaluate("input", digits)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"level": Infinity}', "a part of the JWT is not JSON"),
        (b'{"level": NaN}', "a part of the JWT is not JSON"),
        ('{"level": 9}'.encode("utf-16"), "a part of the JWT is not JSON"),
        (b'\xef\xbb\xbf{"level": 9}', "a part of the JWT is not JSON"),
        (b'{"level": 9, "name": "\\ud800"}', "half of a surrogate pair"),
    ],
)
def test_a_token_whose_claims_opa_would_not_read_decides_nothing(payload: bytes, reason: str) -> None:
    engine = Engine(with_tokens=True)
    parts = (b'{"alg": "HS256"}', payload, b"signature")
    token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    compiled = engine.compile("g.n", "package g.n\n\nallow if io.jwt.decode(input)[1].level > 5\n", "{}")

    with pytest.raises(Fault, match=reason):
        engine.evaluate(compiled, json.dumps(token))


@pytest.mark.parametrize("payload", ['"a.b.c"'.encode("utf-16-le"), b"\xff", b'"a.b'])
def test_a_token_in_a_token_has_to_be_a_text(payload: bytes) -> None:
    engine = Engine(with_tokens=True)
    parts = (b'{"alg": "HS256", "cty": "JWT"}', payload, b"signature")
    token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    compiled = engine.compile("g.n", "package g.n\n\nallow if io.jwt.decode(input)\n", "{}")

    with pytest.raises(Fault, match=r"io\.jwt\.decode: the payload is no JWT, as the header says"):
        engine.evaluate(compiled, json.dumps(token))


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ('not startswith(lower(input.nosuch), "a")', False),
        ('not startswith(lower(input.s), "x")', True),
        ("not count(input.nosuch) == 1", False),
        ("not input.nosuch == 1", True),
        ("not max([]) == 1", False),
        ("not max([])", True),
        ("not input.nosuch + 1 == 2", False),
        ("not input.l[count(input.nosuch)] == 9", False),
        ('not "a" in split(input.nosuch, ",")', False),
        ('not count(input.nosuch) == 7 with input.nosuch as "abc"', True),
        ('not count([v | some v in input.l; not startswith(lower(input.s), "q")]) == 7', True),
        ('{\n\tnot startswith(\n\t\tlower(input.s),\n\t\t"x")\n}', True),
        ("every v in [1] { not count(input.l) == v + 5 }", True),
    ],
)
def test_calls_inside_a_negation_are_made_before_it(condition: str, holds: bool) -> None:
    engine = Engine(with_tokens=False)
    compiled = engine.compile("g.n", f"package g.n\n\ndefault x := false\n\nx if {condition}\n", "{}")

    assert engine.evaluate(compiled, '{"l": [1], "s": "Abc"}') == f'{{"x":{str(holds).lower()}}}'


@pytest.mark.parametrize(
    "condition", ["set() < {}", "input.o >= {1, 2}", "object.keys(input) < {}", '{"a": 1} > input.x']
)
def test_objects_and_sets_are_not_put_in_order(condition: str) -> None:
    engine = Engine(with_tokens=False)

    with pytest.raises(Fault, match="line 3 column 6: what may be an object and a set is not put in order"):
        engine.compile("g.n", f"package g.n\n\nx if {condition}\n", "{}")


def test_every_function_of_the_engine_is_available_by_name_or_refused() -> None:
    engine = Engine(with_tokens=True)
    refused = engine_functions() - engine.arguments.keys()

    assert engine_functions() >= OF_THE_ENGINE - {"print"}
    assert {"http.send", "opa.runtime", "trace"} <= refused
    for name in refused:
        with pytest.raises(Fault, match=f"the function {name} is not known or not available to policies"):
            engine.compile("g.n", f"package g.n\n\nx := {name}(1)\n", "{}")


def test_the_page_names_the_functions_that_there_are() -> None:
    page = PAGE.read_text()

    assert with_table(page) == page
