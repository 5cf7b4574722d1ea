"""Rego sources: their packages, and what of v0 is put into words of v1."""

import pytest

from task_service.domain import rego


@pytest.mark.parametrize(
    ("source", "package"),
    [
        ("package g.n\nx := 1", ("g", "n")),
        ("# a comment\n\npackage   g.n # another\nx := 1", ("g", "n")),
        ('package g["n-1"]\nx := 1', ("g", "n-1")),
        ('package g["n-1"].m', ("g", "n-1", "m")),
        ("package a.b.c", ("a", "b", "c")),
        ("x := 1\npackage g.n", ()),
        ("package", ()),
        ("", ()),
    ],
)
def test_the_package_is_named(source: str, package: tuple[str, ...]) -> None:
    assert rego.read(source).package == package


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("x[v] { v := 1 }", "x contains v  { v := 1 }"),
        ('x["a"] {\n true }', 'x contains "a"  {\n true }'),
        ("x[[a, b]] { a := 1; b := 2 }", "x contains [a, b]  { a := 1; b := 2 }"),
        ("p { true }\nx[y[0]] { y := [1] }", "p { true }\nx contains y[0]  { y := [1] }"),
        ('x { re_match("a", input.s) }', 'x { regex.match("a", input.s) }'),
        (r'x := "\u00e9\/"', 'x := "é/"'),
    ],
)
def test_what_v1_reads_differently_is_translated(source: str, text: str) -> None:
    assert rego.read(source).text == text


@pytest.mark.parametrize(
    "source",
    [
        "x[v] if { v := 1 }",
        "x[v] := 1 { v := 1 }",
        "x[v] = w { v := 1; w := 2 }",
        "x contains v if { v := 1 }",
        "x { y[v] }\ny := [1]",
        "x := [v | v := 1]",
        "x := {\n  y[0]: 1\n}",
        "x { some i\n  y[i] { true } }",
        "f(x) = 1 { x[0] }",
        "# x[v] { v }",
        "x := `y[v] { v }\ny[v] { v }`",
        'x := "y[v] { v }"',
        "re_match(a, b) { a == b }\nx { re_match(1, 1) }",
        r'x := "a\\u"',
    ],
)
def test_everything_else_stays_as_it_is(source: str) -> None:
    assert rego.read(source).text == source


@pytest.mark.parametrize("head", ["_ := 1", "_ = x { x := 1 }", "_ { true }", "default _ = 1", "_ := 1 if true"])
def test_a_rule_without_a_name_gets_one(head: str) -> None:
    module = rego.read(f"package g.n\n{head}\nx := [1 | _ := 1]")

    assert module.alias
    assert module.text == f"package g.n\n{head.replace('_', module.alias)}\nx := [1 | _ := 1]"


def test_other_underscores_are_no_rules() -> None:
    assert rego.read("package g.n\nx := [y | y := input[_]]\nz { _ = 1 }").alias is None


def test_functions_that_are_not_defined_are_found() -> None:
    module = rego.read(
        "package g.n\n"
        "import data.lib.util\n"
        "import data.lib.other as o\n"
        "f(x) := x\n"
        "a.b(x) := x\n"
        'y := [f(1), a.b(1), util.g(1), o.g(1), data.lib.h(1), count([1]), http.send({"f": f(1)})]\n'
        "z { not(f(1)) }\n"
        '# nosuch(1)\nw := "nosuch(1)"\n'
    )

    assert [call.name for call in module.calls] == ["count", "http.send"]


def test_a_place_is_told_as_people_count() -> None:
    assert rego.place("a\nbc\n", 3) == "line 2 column 2"
