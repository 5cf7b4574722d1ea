"""The process that evaluates policies, one at a time: a program of its own, see `adapters.policy_process`.

Policies are not trusted. What they could do is taken from this process before it sees the first one: it can open no
file and no connection, start no program, has no environment, and only so much memory. It ends when the service does.

It is asked, and answers:

    compile, key, package, source, data   ok | fault, reason
    evaluate, key, input                  result, JSON text | unknown | fault, reason
"""

import ctypes
import json
import math
import os
import re
import resource
import socket
import time
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from task_service.adapters.policies.pipe import MAX_PART_BYTES, receive, send
from task_service.domain import rego

MAX_COMPILED: Final = 200
NEVER: Final = frozenset({"opa.runtime"})
"""Functions that tell of the machine."""

_LOCATION: Final = re.compile(r"\(error \d+:policy\|(\d+)\|\d+\s+\(errormsg \d+:([^)]*)\)")
_MESSAGE: Final = re.compile(r"\(errormsg \d+:([^)]*)\)")
_NUMBER: Final = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]+')
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_PREFIX, _SUFFIX = b'{"expressions":[', b"]}"


class Fault(Exception):
    """The policy cannot be compiled or evaluated."""


class NotForBuilder(Exception):
    """A number that the interpreter's builder of inputs would change."""


class Worker:
    """Compiles and evaluates."""

    def __init__(self) -> None:
        import regopy
        from regopy import rego_shared

        self._regopy = regopy
        self._shared = rego_shared
        self._library = rego_shared.rego
        self._known: dict[bytes, tuple[Any, Any, str | None]] = {}

    def answer(self, request: list[bytes]) -> list[bytes]:
        """The answer to a request."""
        try:
            if request[0] == b"compile":
                _, key, package, source, data = request
                self._compile(key, package.decode(), source.decode(), data.decode())
                return [b"ok"]
            _, key, value = request
            if key not in self._known:
                return [b"unknown"]
            return [b"result", self._evaluate(*self._known[key], value)]
        except Fault as fault:
            return [b"fault", str(fault).encode("utf-8", "replace")]
        except self._shared.RegoError as error:
            return [b"fault", str(error)[:500].encode("utf-8", "replace")]
        except RecursionError:
            return [b"fault", b"its input or its data is nested too deeply"]
        except MemoryError:
            return [b"fault", b"it needs more memory than a policy may have"]

    # -- compiling

    def _compile(self, key: bytes, package: str, source: str, data: str) -> None:
        module = rego.read(source)
        if module.package != tuple(package.split(".")):
            found = ".".join(module.package) or "none"
            raise Fault(f"its package has to be {package}, group and name of the policy, and is {found}")
        interpreter = self._regopy.Interpreter()
        interpreter.log_level = self._regopy.LogLevel.NONE
        # As the XFSC policy service has it: a function that fails is a failure, not an undefined value.
        interpreter.strict_built_in_errors = True
        for call in module.calls:
            if call.name in NEVER or not self._shared.rego_is_available_builtin(interpreter._impl, call.name):
                where = rego.place(source, call.position)
                raise Fault(f"{where}: the function {call.name} is not known or not available to policies")
        try:
            if data != "{}":
                interpreter.add_data_json(
                    _without_exponents(_writable(json.dumps(json.loads(data), ensure_ascii=False)))
                )
            interpreter.add_module("policy", module.text)
            query = "data" + "".join(f"[{json.dumps(part)}]" for part in module.package)
            bundle = interpreter.build(query)
        except self._shared.RegoError as error:
            raise Fault(_syntax_fault(str(error), source, module.text)) from error
        if not bundle.ok():
            raise Fault("it cannot be compiled: " + self._messages(self._shared.rego_bundle_node(bundle._impl)))
        if len(self._known) >= MAX_COMPILED:
            self._known.clear()
        self._known[key] = (interpreter, bundle, module.alias)

    # -- evaluating

    def _evaluate(self, interpreter: Any, bundle: Any, alias: str | None, text: bytes) -> bytes:
        try:
            value = json.loads(text)
        except ValueError as error:
            raise Fault(f"its input cannot be read: {error}") from error
        try:
            self._build_input(interpreter, value)
        except NotForBuilder:
            # Slower by far, but numbers are read as they are written.
            interpreter.set_input_term(_writable(json.dumps(value, ensure_ascii=False)))
        output = self._library.regoBundleQuery(interpreter._impl, bundle._impl)
        if not output:
            raise Fault(self._shared.rego_get_error(interpreter._impl)[:500] or "it cannot be evaluated")
        try:
            return self._result(output, alias)
        finally:
            self._library.regoFreeOutput(output)

    def _result(self, output: Any, alias: str | None) -> bytes:
        library = self._library
        if not library.regoOutputOk(output):
            raise Fault(self._messages(library.regoOutputNode(output)))
        size = library.regoOutputJSONSize(output)
        if size > MAX_PART_BYTES:
            raise Fault(f"its result is larger than {MAX_PART_BYTES} bytes")
        buffer = ctypes.create_string_buffer(size)
        library.regoOutputJSON(output, buffer, size)
        text = buffer.value
        if text == b"undefined":
            raise Fault("its result is undefined")
        if not (text.startswith(_PREFIX) and text.endswith(_SUFFIX)):
            raise Fault(self._messages(library.regoOutputNode(output)))
        text = text[len(_PREFIX) : -len(_SUFFIX)]
        if text == b"{}":
            raise Fault("its result is empty: none of its rules has a value")
        return _unwrapped(text, alias) if alias else text

    def _build_input(self, interpreter: Any, value: Any) -> None:
        built = self._library.regoNewInput()
        try:
            self._add(built, value)
            if self._library.regoSetInput(interpreter._impl, built):
                raise Fault("its input cannot be used")
        finally:
            self._library.regoFreeInput(built)

    def _add(self, built: Any, value: Any) -> None:
        library = self._library
        match value:
            case str():
                library.regoInputString(built, _spelled(value))
            case dict():
                for name, member in value.items():
                    library.regoInputString(built, _spelled(name))
                    self._add(built, member)
                    library.regoInputObjectItem(built)
                library.regoInputObject(built, len(value))
            case list():
                for item in value:
                    self._add(built, item)
                library.regoInputArray(built, len(value))
            case bool():
                library.regoInputBoolean(built, value)
            case int():
                if not -(2**63) <= value < 2**63:
                    raise NotForBuilder
                library.regoInputInt(built, value)
            case float():
                if not math.isfinite(value):
                    raise Fault("its input has a number that is too large")
                # Six decimals are all that it keeps.
                if float(f"{value:.6f}") != value:
                    raise NotForBuilder
                library.regoInputFloat(built, value)
            case _:
                library.regoInputNull(built)

    def _messages(self, node: Any) -> str:
        """What the errors in a tree of the interpreter's say."""
        found = list(dict.fromkeys(self._errors(node)))
        if any("bad_alloc" in message for message in found):
            return "it needs more memory than a policy may have"
        return "; ".join(found)[:500] or "it cannot be evaluated"

    def _errors(self, node: Any) -> list[str]:
        if not node:
            return []
        kind = self._library.regoNodeType(node)
        if kind == self._shared.NodeKind.ErrorMessage:
            return [self._shared.rego_node_value(node)]
        if kind not in (self._shared.NodeKind.ErrorSeq, self._shared.NodeKind.Error):
            return []
        return [
            message
            for index in range(self._library.regoNodeSize(node))
            for message in self._errors(self._library.regoNodeGet(node, index))
        ]


def _spelled(text: str) -> bytes:
    """A string as the interpreter keeps strings: as JSON spells them, without the quotes."""
    return _writable(json.dumps(text, ensure_ascii=False)[1:-1]).encode()


def _writable(text: str) -> str:
    """JSON text that can be written in UTF-8: halves of surrogate pairs are escaped."""
    return text if text.isascii() else _SURROGATE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _without_exponents(text: str) -> str:
    """JSON text whose numbers have no exponents: the interpreter refuses them in data."""

    def plain(match: re.Match[str]) -> str:
        found = match.group()
        return found if found.startswith('"') else f"{Decimal(found):f}"

    return _NUMBER.sub(plain, text)


def _unwrapped(text: bytes, alias: str) -> bytes:
    """The result of a policy that has a rule `_`: that rule's value where no other has one."""
    name = f'"{alias}":'.encode()
    if text.startswith(b"{" + name) and len(json.loads(text)) == 1:
        return text[1 + len(name) : -1]
    # What OPA calls it.
    return text.replace(name, b'"$0":', 1)


def _syntax_fault(error: str, source: str, text: str) -> str:
    """The first of the interpreter's errors, with its place in the source."""
    located = _LOCATION.search(error)
    if located is None:
        message = _MESSAGE.search(error)
        return message.group(1) if message else error[:500]
    before = text.encode()[: int(located.group(1))].decode("utf-8", "ignore")
    number, column = before.count("\n"), len(before) - before.rfind("\n")
    lines, edited = source.split("\n"), text.split("\n")
    where = f"line {number + 1}"
    if number < len(lines) and lines[number] == edited[number]:
        where += f" column {column}"
    return f"{where}: {located.group(2)}"


# -- the process


def confine(memory_bytes: int) -> None:
    """Take from this process what a policy has no use for; what it has open stays open."""
    os.environ.clear()
    # Where memory is short after all, this process goes first. Not every system has the file.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    os.nice(5)
    # The interpreter's allocator reserves addresses by the hundred gigabytes, so the limit is on what comes on top.
    reserved = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (reserved + memory_bytes,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    # Files and connections that are open are numbered 0, 1 and 2.
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))


def main(seconds: float, memory_bytes: int) -> None:
    """Answer until nobody asks any more."""
    worker = Worker()
    connection = socket.socket(fileno=0)
    null = os.open(os.devnull, os.O_WRONLY)
    # What the interpreter prints, and what policies do, is for nobody.
    os.dup2(null, 1)
    os.dup2(null, 2)
    os.close(null)
    confine(memory_bytes)
    at_start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    send(connection, [b"ready"], lambda: None)
    while True:
        try:
            request = receive(connection, lambda: None)
        except (EOFError, ConnectionError):
            return
        # The service ends a policy that takes too long. This is for when the service has died meanwhile.
        until = math.ceil(time.process_time() + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))
        send(connection, worker.answer(request), lambda: None)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - at_start
        if grown * 1024 > memory_bytes // 2:
            # The next policy is to have as much memory as this one had. Another process takes over.
            return
