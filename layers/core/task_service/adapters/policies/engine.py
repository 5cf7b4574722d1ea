"""The engine that evaluates policies: regorus (microsoft/regorus, as gordon-to-regorus builds it for Python).

Of the interpreters of Rego that can be installed for Lambda's Pythons and processors it is the one whose evaluation
follows OPA's: comparisons, unification, comprehensions, `with` and both syntaxes. Its functions and numbers do not
always. So policies have only what was compared with OPA: functions are available by name (`functions`), calculations
are OPA's (`numbers`), and what may differ is refused, with its place where the source shows it. OPA itself exists for
Python on one processor only, and for versions that Lambda does not have.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import regorus

from task_service.adapters.policies import source
from task_service.adapters.policies.faults import Fault, Refused
from task_service.adapters.policies.functions import OF_THE_ENGINE, Functions, own, refuse
from task_service.adapters.policies.negation import CALLED, with_calls_first
from task_service.adapters.policies.numbers import OPERATORS, Numbers
from task_service.adapters.policies.source import ARITHMETIC

MAX_RESULT_BYTES: Final = 8_000_000

_CALLED: Final = {
    "json": "match_schema unmarshal verify_schema",
    "object": "subset",
    "regex": "find_all_string_submatch_n find_n is_valid match replace split",
    "time": "format parse_ns parse_rfc3339_ns",
    "uuid": "parse",
}
"""The engine's functions that functions of our own call; these have the same names and numbers of arguments."""
_LENGTHS: Final = {"max_col": 1_000_000, "max_file_bytes": 2_000_000, "max_lines": 1_000_000}
_HALF: Final = re.compile("[\ud800-\udfff]")
_ESCAPED_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")
_LONG_INTEGER: Final = re.compile(r"[0-9]{19}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Compiled:
    """A policy that can be evaluated."""

    engine: Any
    query: str
    text: str
    """Its source, as it was written."""
    module: source.Module
    numbers: Numbers
    """The numbers of its source and its data."""


class Engine:
    """Compiles and evaluates policies."""

    def __init__(self, *, with_tokens: bool) -> None:
        self._numbers = Numbers()
        functions = own(lambda: self._numbers, self._call_native, with_tokens=with_tokens)
        self._native = regorus.Engine()
        self._native.add_policy("native", _native_rules(functions))
        self.arguments: Final[Mapping[str, int | None]] = {
            **dict.fromkeys(OF_THE_ENGINE),
            **{name: count for name, (count, _) in functions.items()},
        }
        """The available functions, with the numbers of arguments of those that are done here."""
        self._base = _restricted(functions, frozenset(self.arguments))

    def compile(self, package: str, text: str, data: str) -> Compiled:
        """A policy of a package, with its data as JSON text. Raises Fault, which says what is wrong and where."""
        tree, uses_v0 = _parsed(text, package)
        module = source.read(text, tree, self.arguments)
        made = text
        # The calls inside negations are made before them, then those of inner negations.
        while (again := with_calls_first(made, tree, made.count(CALLED))) != made:
            made = again
            tree, uses_v0 = _parsed(made, package)
        if made != text:
            module = source.read(made, tree, self.arguments, is_made=True)
        if module.package != package:
            raise _other_package(package, module.package)
        numbers = Numbers(module.numbers)
        engine = self._base.clone()
        engine.set_rego_v0(uses_v0)
        engine.set_policy_length_config(**_LENGTHS)
        try:
            engine.add_data_json(_readable(data, numbers))
            engine.add_policy("policy", module.text)
            # The engine prepares the policy now, so that its author is told what it finds then.
            engine.clone().eval_query_as_json("true")
        except RuntimeError as error:
            raise Fault(source.explain(str(error), text, module.text)) from error
        query = "data" + "".join(f"[{json.dumps(part)}]" for part in package.split("."))
        return Compiled(engine=engine, query=query, text=text, module=module, numbers=numbers)

    def evaluate(self, compiled: Compiled, text: str) -> str:
        """The policy's result for an input, both JSON texts. Raises Fault."""
        self._numbers = numbers = Numbers(compiled.numbers)
        try:
            compiled.engine.set_input_json(_readable(text, numbers))
            answer = json.loads(compiled.engine.eval_query_as_json(compiled.query), parse_float=numbers.written)
        except RuntimeError as error:
            raise Fault(source.explain(str(error), compiled.text, compiled.module.text)) from error
        results = answer["result"]
        if not results:
            raise Fault("its result is undefined")
        result = results[0]["expressions"][0]["value"]
        if result == {}:
            raise Fault("its result is empty: none of its rules has a value")
        # `_` is the policy's whole result where it is the only rule with a value (a custom of the XFSC service).
        if "_" in result:
            if len(result) == 1:
                result = result["_"]
            else:
                result = {"$0": result["_"], **{name: value for name, value in result.items() if name != "_"}}
        written = json.dumps(result, ensure_ascii=False, separators=(",", ":"))
        if len(written) > MAX_RESULT_BYTES // 4 and len(written.encode()) > MAX_RESULT_BYTES:
            raise Fault(f"its result is larger than {MAX_RESULT_BYTES} bytes")
        return written

    def _call_native(self, name: str, *values: Any) -> Any:
        try:
            self._native.set_input(list(values))
            return self._native.eval_rule(f"data.native.{name.replace('.', '_')}")
        except RuntimeError as error:
            raise Refused(source.explain(str(error), "", "").rpartition(": ")[2]) from None


def _other_package(package: str, found: str) -> Fault:
    return Fault(f"its package has to be {package}, group and name of the policy, and is {found}")


def engine_functions() -> frozenset[str]:
    """The names of all functions that the engine has."""
    engine = regorus.Engine()
    engine.add_policy("p", "package p\n\nnames := opa.runtime().builtins\n")
    return frozenset(engine.eval_rule("data.p.names"))


def _restricted(functions: Functions, available: frozenset[str]) -> Any:
    """An engine that has the available functions only."""
    engine = regorus.Engine()
    for name, (arguments, function) in functions.items():
        engine.add_extension(name, arguments, function)
        if name in OPERATORS:
            engine.add_extension(f"{ARITHMETIC}.{name}", arguments, function)
    for name in engine_functions() - available:
        engine.add_extension(name, _ARGUMENTS.get(name, 1), refuse(name))
    return engine


_ARGUMENTS: Final = {"opa.runtime": 0, "json.marshal_with_options": 2}


def _native_rules(functions: Functions) -> str:
    """A rule for each function of the engine that is called from here, with its arguments as input."""
    rules = ["package native\n"]
    for group, names in _CALLED.items():
        for name in names.split():
            values = ", ".join(f"input[{place}]" for place in range(functions[f"{group}.{name}"][0]))
            rules.append(f"{group}_{name} := {group}.{name}({values})\n")
    return "\n".join(rules)


def _parsed(text: str, package: str) -> tuple[Mapping[str, Any], bool]:
    """The syntax tree of a source of a package, and whether it is one of v0. Raises Fault."""
    errors = list[str]()
    for is_v0 in (False, True):
        engine = regorus.Engine()
        engine.set_rego_v0(is_v0)
        engine.set_policy_length_config(**_LENGTHS)
        try:
            engine.add_policy("policy", text)
        except RuntimeError as error:
            if "Missing package declaration" in str(error):
                raise _other_package(package, "none") from None
            errors.append(source.explain(str(error), text, text))
            continue
        tree: Mapping[str, Any] = json.loads(engine.get_ast_as_json())[0]["ast"]
        return tree, is_v0
    # What lacks no more than v1's keyword is a source of v0, with another fault.
    raise Fault(errors["`if` keyword is required" in errors[0]])


def _readable(text: str, numbers: Numbers) -> str:
    """A JSON text that the engine reads as OPA would. Raises Fault."""
    try:
        value = json.loads(
            text,
            parse_float=numbers.read,
            parse_int=numbers.read_integer if _LONG_INTEGER.search(text) else None,
            parse_constant=numbers.read,
        )
    except (ValueError, Refused) as error:
        raise Fault(f"its input or its data cannot be read: {error}") from error
    except RecursionError as error:
        raise Fault("its input or its data is nested too deeply") from error
    if _ESCAPED_HALF.search(text):
        # OPA has the replacement character for half of a surrogate pair.
        return _HALF.sub("\ufffd", json.dumps(value, ensure_ascii=False))
    return text
