"""Embedded policies: what they say, and what they cannot do to others."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from task_service.adapters.policies.process import PolicyProcess
from task_service.domain.call import CallRefused
from task_service.domain.errors import BadRequest, Unavailable
from task_service.domain.policy import Policy
from task_service.testing import InMemoryTemplates
from tests.integration.conftest import is_running, processes_below
from tests.support.policies import NAME, Embedded
from tests.support.waiting import wait_until

NEVER_ENDS = (
    "x { a := numbers.range(1, 1000)[_]; b := numbers.range(1, 1000)[_]; c := numbers.range(1, 1000)[_]; a+b+c == -1 }"
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Embedded]:
    embedded = Embedded()
    with closing(embedded.engine):
        yield embedded


@pytest.fixture
def embedded() -> Iterator[Embedded]:
    """One that has no process yet, and little patience."""
    embedded = Embedded(timeout_seconds=1)
    with closing(embedded.engine):
        yield embedded


# -- what they say


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("allow { input.a == 1 }", {"allow": True}),
        ("default allow = false\nallow { input.a == 2 }", {"allow": False}),
        ("import rego.v1\nallow if input.a == 1", {"allow": True}),
        ("import future.keywords\nallow if input.a == 1", {"allow": True}),
        ("allow if input.a == 1", {"allow": True}),
        ("names[n] { n := input.l[_] }", {"names": ["a", "b"]}),
        ("names contains n if some n in input.l", {"names": ["a", "b"]}),
        ("by[n] = i { n := input.m[i] }", {"by": {"x": "k"}}),
        ("by[n] := i if some i, n in input.m", {"by": {"x": "k"}}),
        ('f(x) = "one" { x == 1 } else = "other"\ny := f(input.a)', {"y": "one"}),
        ('x { re_match("^b+$", input.l[0]) }', {"x": True}),
        ("x := data.limits.most", {"x": 10}),
        ("_ := input.l", ["b", "a", "a"]),
        ('_ = {"id": y} { y := input.a }', {"id": 1}),
        ("_ := {}", {}),
        ("_ := y\ny := 1", {"$0": 1, "y": 1}),
        ('x := "\\u00e9" == input.e', {"x": True}),
        ("x := count(input.e)", {"x": 1}),
    ],
)
def test_policies_of_both_versions_say_what_the_policy_service_says(
    shared: Embedded, source: str, result: object
) -> None:
    value = {"a": 1, "l": ["b", "a", "a"], "m": {"k": "x"}, "e": "é"}

    assert shared.result(source, value, data={"limits": {"most": 10}}) == result


@pytest.mark.parametrize(
    "text",
    [
        "12345678901234567890123",
        "-9223372036854775808",
        "1.5",
        "0.1",
        "0.3333333333333333",
        "1e-7",
        "1.5e20",
        "true",
        "null",
        '"quote \\" backslash \\\\ line \\n tab \\t nul \\u0000 é € 😀 {{x}} $"',
        '{"a\\"b": {"": []}, "é": {}}',
        "[[[[[[[[[[]]]]]]]]]]",
    ],
)
@pytest.mark.parametrize("way", ["input", "data"])
def test_values_survive(shared: Embedded, text: str, way: str) -> None:
    value = json.loads(text)
    shared.put(f"x := {way}.v", data={"v": value} if way == "data" else None)

    result = shared.evaluate(f'{{"v": {text}}}')

    assert json.loads(result) == {"x": value}


@pytest.mark.parametrize("way", ["input", "data"])
def test_half_a_surrogate_pair_is_replaced_as_opa_does(shared: Embedded, way: str) -> None:
    shared.put(f"x := {way}.v", data={"v": "\ud800!"} if way == "data" else None)

    assert json.loads(shared.evaluate('{"v": "\\ud800!"}')) == {"x": "\ufffd!"}


def test_a_large_input_and_a_large_result(shared: Embedded) -> None:
    value = [{"id": number, "name": f"name {number}"} for number in range(2_000)]

    assert shared.result("x := input", value) == {"x": value}


def test_a_policy_that_was_changed_is_another_one(shared: Embedded) -> None:
    assert shared.result("x := data.a", data={"a": 1}) == {"x": 1}
    assert shared.result("x := data.a", data={"a": 2}) == {"x": 2}
    assert shared.result("y := data.a", data={"a": 2}) == {"y": 2}


# -- what is wrong with them


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("package other.n\nx := 1", "its package has to be g.n, group and name of the policy, and is other.n"),
        ("x { false }", "its result is empty"),
        ("x := 1 / input.zero", "divide by zero"),
        ('x := to_number("a")', "invalid syntax"),
        ("x := 1\nx := 2", "line 3 column 1: rule conflicts with rule at line 2"),
        ("x := 1 if input.zero == 0\nx := 2 if true", "line 3 column 1: rule conflicts with rule at line 2"),
        ("a := b\nb := a", "Recursion detected"),
        ("f(x) := f(x - 1)\na := f(3)", "Recursion detected"),
        ("x := {", "line 2 column 7: expecting expression"),
    ],
)
def test_a_policy_without_a_result_is_refused_for_good(shared: Embedded, source: str, reason: str) -> None:
    refusal = shared.refusal(source, '{"zero": 0, "line": "a\\nb"}')

    assert reason in refusal.reason
    assert NAME in refusal.reason
    assert not refusal.can_retry


def test_a_nested_input_is_refused(shared: Embedded) -> None:
    refusal = shared.refusal("x := 1", "[" * 9_000 + "]" * 9_000)

    assert "nested too deeply" in refusal.reason


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("package g.n\n\nallow {\n", "source: line 3 column 7: expecting }"),
        ("package g.n\nallow := true if input.a ==\n", "source: line 3 column 1: expecting expression"),
        ("package g.n\nx[v] { v := [1 }\n", "source: line 2"),
        ("package g\nx := 1", "source: its package has to be g.n, group and name of the policy, and is g"),
        ("x := 1", "source: its package has to be g.n, group and name of the policy, and is none"),
        ("package g.n\nx := nosuch(1)", "source: line 2 column 6: the function nosuch is not known or not available"),
        ("package g.n\nx := any([true])", "source: line 2 column 6: the function any is not known"),
    ],
)
def test_what_cannot_be_compiled_is_told_with_its_place(shared: Embedded, source: str, fault: str) -> None:
    with pytest.raises(BadRequest) as caught:
        shared.engine.check(NAME, policy(source))

    assert caught.value.message.startswith(fault)


def test_a_good_policy_passes_the_check(shared: Embedded) -> None:
    shared.engine.check(NAME, policy("package g.n\nallow { input.a == 1 }"))


def test_a_source_that_breaks_the_compiler_is_refused(embedded: Embedded) -> None:
    with pytest.raises(BadRequest, match=r"did not end|needs more memory"):
        embedded.engine.check(NAME, policy("package g.n\nx := " + "[" * 20_000 + "]" * 20_000))


# -- what they cannot do


@pytest.mark.parametrize(
    "call",
    ['http.send({"method": "get", "url": "http://127.0.0.1:1"})', "opa.runtime()", 'net.lookup_ip_addr("localhost")'],
)
def test_the_network_and_the_machine_are_not_available(shared: Embedded, call: str) -> None:
    name = call.partition("(")[0]

    refusal = shared.refusal(f"x := {call}")

    assert f"line 2 column 6: the function {name} is not known or not available to policies" in refusal.reason


@pytest.mark.parametrize(
    ("rules", "place"),
    [
        ('x := opa["runtime"]()', "line 2 column 6"),
        ('x := [opa["runtime"]() | true]', "line 2 column 7"),
        ("x contains opa.runtime()", "line 2 column 12"),
        ("default x := opa.runtime()", "line 2 column 14"),
        ("x := 1 if { false } else := opa.runtime()", "line 2 column 29"),
        ("f(y) := opa.runtime()\nx := f(1)", "line 2 column 9"),
        ("x if every y in [opa.runtime()] { y }", "line 2 column 18"),
        ("f(y) := y\nx if { f(1) with f as opa.runtime }", "line 3 column 23"),
        ("x if { time.now_ns() with time.now_ns as opa.runtime }", "line 2 column 42"),
        ("x if { true with opa.runtime as 1 }", "line 2 column 18"),
        ("import data.g.n.f as opa\nx := opa.runtime()", "line 3 column 6"),
        ("\tx := opa.runtime()", "line 2 column 7"),
        ('x := "é"\ny := count("ü") + count(opa.runtime())', "line 3 column 25"),
    ],
)
def test_no_other_way_to_call_a_function_helps(shared: Embedded, rules: str, place: str) -> None:
    with pytest.raises(BadRequest, match=f"{place}: the function opa.runtime is not known or not available"):
        shared.engine.check(NAME, policy(f"package g.n\n{rules}"))


def test_the_process_has_nothing_open_but_the_way_to_us(embedded: Embedded) -> None:
    before = children()
    with Path(__file__).open(), closing(socket.create_server(("127.0.0.1", 0))):
        embedded.result("x := 1")

    (pid,) = children() - before
    opened = {int(name.name): os.readlink(name) for name in Path(f"/proc/{pid}/fd").iterdir()}
    assert opened.keys() == {0, 1, 2}
    assert opened[0].startswith("socket:")
    assert {opened[1], opened[2]} == {"/dev/null"}
    limits = {line[:26].strip(): line[26:].split()[:2] for line in Path(f"/proc/{pid}/limits").read_text().splitlines()}
    assert limits["Max open files"] == ["3", "3"]
    assert limits["Max file size"] == ["0", "0"]
    assert limits["Max processes"] == ["0", "0"]
    assert Path(f"/proc/{pid}/environ").read_bytes().strip(b"\0") in (b"", ld_library_path())


@pytest.mark.parametrize(
    "source",
    [
        NEVER_ENDS,
        "n := numbers.range(1, 1000)\nx := count([1 | a := n[_]; b := n[_]; c := n[_]; a + b + c == -1])",
    ],
    ids=["exponential", "arithmetic"],
)
def test_a_policy_that_never_ends_fails_in_time(embedded: Embedded, source: str) -> None:
    embedded.result("x := 1")
    started = time.monotonic()

    refusal = embedded.refusal(source)

    assert refusal.reason == f"policy {NAME!r} did not end within 1 s"
    assert not refusal.can_retry
    assert time.monotonic() - started < 2
    assert embedded.result("x := 1") == {"x": 1}


def test_the_task_s_own_time_counts_too(embedded: Embedded) -> None:
    embedded.result("x := 1")

    refusal = embedded.refusal(NEVER_ENDS, seconds=0.3)

    # It may have been the call before that took the time.
    assert refusal.can_retry
    assert embedded.refusal("x := 1", seconds=0).can_retry


@pytest.mark.parametrize(
    "source",
    [
        "n := numbers.range(1, 1000)\nx := [[a, b, c] | a := n[_]; b := n[_]; c := n[_]]",
        "x := count(numbers.range(1, 100000000))",
        'a := concat("", ["0123456789" | _ := numbers.range(1, 10000)[_]])\n'
        'x := concat("", [a | _ := numbers.range(1, 10000)[_]])',
    ],
    ids=["array", "range", "string"],
)
def test_a_policy_that_takes_all_memory_fails_alone(source: str) -> None:
    embedded = Embedded(timeout_seconds=20)
    with closing(embedded.engine):
        refusal = embedded.refusal(source)

        assert "needs more memory than a policy may have" in refusal.reason
        assert not refusal.can_retry
        assert embedded.result("x := 1") == {"x": 1}


@pytest.mark.parametrize(
    "source",
    [
        "x := count(numbers.range(1, 1000000000))",
        "x := count([y | y := numbers.range(1, 1000000000)[_]])",
        f"f0(x) := x\n{chr(10).join(f'f{n}(x) := f{n - 1}(x) + f{n - 1}(x)' for n in range(1, 40))}\nx := f39(1)",
        "x := " + "[" * 5_000 + "]" * 5_000,
        "x := " + "(" * 50_000 + "1" + ")" * 50_000,
        'x := regex.match("((a{1000}){1000}){1000}", "a")',
        'x := regex.match(concat("", ["(a*)*" | numbers.range(1, 2000)[_]]), "b")',
        'x := regex.find_n("(?:a?){500}a{500}", concat("", ["a" | numbers.range(1, 50000)[_]]), -1)',
        'a := concat("", ["0123456789" | numbers.range(1, 100000)[_]])\nx := [a | numbers.range(1, 100000)[_]]',
        'x := replace(a, "a", a)\na := concat("", ["a" | numbers.range(1, 100000)[_]])',
        "x := bits.lsh(1, 1000000000000)",
        'x := json.unmarshal(concat("", ["[" | numbers.range(1, 100000)[_]]))',
        "x := [y | walk(input, [_, y]); walk(input, [_, z]); y != z]",
        "x := count(input) + numbers.range(1, 10000000)[_]",
    ],
    ids=lambda source: source[:40],
)
def test_a_bomb_harms_only_its_own_task(embedded: Embedded, source: str) -> None:
    embedded.put(source, name="r/g/bomb/1")
    embedded.put("x := input", name="r/g/good/1")
    embedded.evaluate("1", name="r/g/good/1")
    started, outcomes = time.monotonic(), list[str]()

    def run_bomb() -> None:
        try:
            outcomes.append(embedded.evaluate(json.dumps([[[n] for n in range(50)]] * 50), name="r/g/bomb/1"))
        except CallRefused as refusal:
            outcomes.append(refusal.reason)

    bomb = threading.Thread(target=run_bomb)
    bomb.start()
    results = [embedded.evaluate("1", name="r/g/good/1") for _ in range(20)]
    bomb.join()

    assert results == ['{"x":1}'] * 20
    assert len(outcomes) == 1
    # The time for the policy, and one for a process that is made anew.
    assert time.monotonic() - started < 4


def test_neighbours_do_not_wait_for_one_that_never_ends(embedded: Embedded) -> None:
    embedded.put(NEVER_ENDS, name="r/g/bad/1")
    embedded.put("x := input", name="r/g/good/1")
    embedded.evaluate("1", name="r/g/good/1")

    def run_bad() -> None:
        with pytest.raises(CallRefused, match="did not end"):
            embedded.evaluate(name="r/g/bad/1")

    bad = threading.Thread(target=run_bad)
    bad.start()
    took = []
    while bad.is_alive():
        started = time.monotonic()
        assert embedded.evaluate("1", name="r/g/good/1") == '{"x":1}'
        took.append(time.monotonic() - started)
    bad.join()

    assert len(took) > 20
    assert sorted(took)[len(took) // 2] < 0.1


def test_a_process_is_kept_for_the_next_one(embedded: Embedded) -> None:
    embedded.result("x := 1")
    before = children()

    for _ in range(3):
        embedded.result("x := 2")

    assert children() == before


def test_policies_that_read_tokens_have_a_process_of_their_own(embedded: Embedded) -> None:
    token = (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyIjoiYWxpY2UiLCJhenAiOiJhbGljZSIsInN1Ym9yZGluYXRlcyI6W10sImhyIjpmYWxz"
        "ZX0.rz3jTY033z-NrKfwrK89_dcLF7TN4gwCMj-fVBDyLoM"
    )
    before = children()
    embedded.result("x := 1")

    verified = embedded.result('x := io.jwt.verify_hs256(input, "secret")\ny := io.jwt.decode(input)[1].user', token)

    assert verified == {"x": True, "y": "alice"}
    assert embedded.result('x := io.jwt.verify_hs256(input, "other")', token) == {"x": False}
    assert len(children() - before) == 2


def test_a_process_that_died_meanwhile_is_replaced(embedded: Embedded) -> None:
    before = children()
    embedded.result("x := 1")
    (pid,) = children() - before

    os.kill(pid, signal.SIGKILL)

    assert embedded.result("x := 2") == {"x": 2}
    assert children().isdisjoint({pid})


def test_one_that_has_grown_is_replaced() -> None:
    patient = Embedded(timeout_seconds=20)
    with closing(patient.engine):
        large = json.dumps([{"id": number, "name": f"name {number}"} for number in range(12_000)])
        patient.put("x := count(input)")

        for _ in range(3):
            assert patient.evaluate(large) == '{"x":12000}'


def test_closing_meets_another_thread_that_takes_the_last_process(embedded: Embedded) -> None:
    class Raced(deque[PolicyProcess]):
        """Processes of which another thread takes the last one after this one has looked."""

        def __bool__(self) -> bool:
            return True

    embedded.engine._idle[False] = Raced()

    embedded.engine.close()

    assert embedded.result("x := 1") == {"x": 1}


def test_a_process_for_which_no_time_was_left_is_kept(embedded: Embedded) -> None:
    before = children()
    embedded.result("x := 1")
    (pid,) = children() - before

    assert embedded.refusal("x := 1", seconds=0).can_retry
    assert embedded.result("x := 1") == {"x": 1}
    assert children() - before == {pid}


def test_closing_ends_the_processes(embedded: Embedded) -> None:
    before = children()
    embedded.result("x := 1")
    (pid,) = children() - before

    embedded.engine.close()

    assert not is_running(pid)


@pytest.mark.parametrize("source", ["x := 1", NEVER_ENDS], ids=["waiting", "working"])
def test_a_process_ends_with_a_service_that_is_killed(source: str) -> None:
    program = (
        "from tests.support.policies import Embedded; e = Embedded(timeout_seconds=1)\n"
        "e.put('y := 1'); e.evaluate(); e.put(SOURCE); print('started', flush=True)\n"
        "try: e.evaluate(seconds=60)\n"
        "finally: import time; time.sleep(60)\n"
    ).replace("SOURCE", repr(source))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        service.stdout.readline()
        everything = processes_below(service.pid)
        assert len(everything) == 2

        service.kill()

        wait_until(lambda: not any(is_running(pid) for pid in everything))


def test_without_the_interpreter_evaluations_are_put_off(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("task_service.adapters.policies.process._folders", lambda: [str(Path("layers/core").resolve())])

    refusal = embedded.refusal("x := 1")

    assert refusal.can_retry
    assert "No module named 'regorus'" in str(caplog.records[-1].__dict__["reason"])
    with pytest.raises(Unavailable):
        embedded.engine.check(NAME, policy("package g.n\nx := 1"))


def test_without_a_free_file_evaluations_are_put_off(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socketpair", refuse)
        refusal = embedded.refusal("x := 1")

    assert (refusal.can_retry, refusal.reason) == (True, "the process that evaluates policies does not start")
    assert "Too many open files" in caplog.records[-1].__dict__["reason"]
    assert embedded.result("x := 1") == {"x": 1}


def test_a_table_that_does_not_answer_puts_it_off(embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: InMemoryTemplates, name: str) -> None:
        raise Unavailable(f"dynamodb: {name}")

    monkeypatch.setattr(InMemoryTemplates, "get", refuse)

    refusal = embedded.refusal("x := 1")

    assert (refusal.can_retry, refusal.reason) == (True, f"policy {NAME!r} cannot be read at the moment")


# -- helpers


def policy(source: str) -> Policy:
    return Policy.from_document({"group": "g", "name": "n", "source": source})


def children() -> set[int]:
    """The processes of this one that evaluate policies."""
    return {
        pid
        for pid in processes_below(os.getpid()) - {os.getpid()}
        if b"policies.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    }


def ld_library_path() -> bytes:
    return f"LD_LIBRARY_PATH={os.environ.get('LD_LIBRARY_PATH', '')}".encode()
