"""template.yaml: each function gets the variables that its code reads, and may loop where it has to."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pytest

from task_service.wiring.services import Services
from task_service.wiring.settings import Settings
from tests.support.runtime import PROJECT
from tests.support.translated import translated

FUNCTIONS: Final = {
    "ApiFunction": "api",
    "DocsFunction": "docs",
    "EventsFunction": "events",
    "ExecutorFunction": "executor",
    "FailuresFunction": "failures",
}
"""The folder of each function."""

OF_EVERY_FUNCTION: Final = {"LOG_LEVEL", "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE"}
"""What Powertools reads, for the logger and the metrics that every function makes."""

OF_PYDANTIC: Final = "PYDANTIC_DISABLE_PLUGINS"

EVERYTHING_ON: Final = {
    "AuthEnabled": "on",
    "AuthJwkUrl": "https://issuer.example/keys",
    "OauthTokenUrl": "https://issuer.example/token",
    "OauthClientId": "task",
    "OauthClientSecretName": "task/secret",
    "PolicyAddr": "https://policy.example",
    "CacheAddr": "https://cache.example",
    "EgressAllow": "10.0.0.0/8",
}
"""Parameters with which a function reads every variable that it can read."""

LAYER: Final = PROJECT / "layers" / "core"
WIRING: Final = LAYER / "task_service" / "wiring" / "services.py"


class Recorder(Mapping[str, str]):
    """An environment that remembers which variables were read."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = dict(variables)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.read.add(name)
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return translated()


def variables(template: dict[str, Any], function: str) -> dict[str, str]:
    """The variables of a function, with EVERYTHING_ON and the logical ids of resources as their names."""
    parameters = {name: parameter.get("Default", "") for name, parameter in template["Parameters"].items()}

    def value(member: Any) -> str:
        match member:
            case {"Ref": name}:
                return str((parameters | EVERYTHING_ON).get(name, name))
            case {"Fn::Sub": text}:
                return str(text)
            case _:
                return str(member)

    members = template["Resources"][function]["Properties"]["Environment"]["Variables"]
    return {name: value(member) for name, member in members.items()}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_gets_the_variables_that_its_code_reads_and_no_others(
    function: str, template: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    given = variables(template, function)
    code = Code(FUNCTIONS[function])
    recorder = Recorder(given)

    services = Services(Settings(recorder))
    for name in code.properties:
        getattr(services, name)
    for name in code.settings:
        getattr(services.settings, name)

    of_pydantic = {OF_PYDANTIC} if "pydantic" in code.packages else set()
    assert recorder.read | of_pydantic | OF_EVERY_FUNCTION == given.keys()


def test_every_function_has_code_and_logs(template: dict[str, Any]) -> None:
    functions = [name for name, it in template["Resources"].items() if it["Type"] == "AWS::Lambda::Function"]
    assert sorted(functions) == sorted(FUNCTIONS)
    for folder in FUNCTIONS.values():
        assert LAYER / "task_service" / "entrypoints" / "telemetry.py" in Code(folder).modules


def test_the_dashboard_shows_every_function(template: dict[str, Any]) -> None:
    widgets = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for function in FUNCTIONS:
        assert widgets.count(f'"${{{function}}}"') == len(("Duration", "Errors", "ConcurrentExecutions"))


# ---- loops


def test_a_function_may_loop_if_its_messages_come_back_to_it(template: dict[str, Any]) -> None:
    resources = template["Resources"]
    steps = set(messages_ways(resources))
    nodes = {node for step in steps for node in step}
    for _ in nodes:
        steps |= {(start, end) for start, middle in steps for other, end in steps if middle == other}

    functions = {name: it["Properties"] for name, it in resources.items() if it["Type"] == "AWS::Lambda::Function"}
    in_loops = {name for name in functions if (name, name) in steps}
    assert in_loops == {"ExecutorFunction", "FailuresFunction"}
    assert {name for name, it in functions.items() if it.get("RecursiveLoop") == "Allow"} == in_loops


def messages_ways(resources: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """From where to where a message can go: queues and functions."""
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::Lambda::EventSourceMapping":
                yield target(properties["EventSourceArn"]), target(properties["FunctionName"])
            case "AWS::SQS::Queue" if redrive := properties.get("RedrivePolicy"):
                yield name, target(redrive["deadLetterTargetArn"])
            case "AWS::Lambda::Function":
                role = resources[target(properties["Role"])]["Properties"]
                for policy in role["Policies"]:
                    for statement in policy["PolicyDocument"]["Statement"]:
                        if "sqs:SendMessage" in statement["Action"]:
                            yield name, target(statement["Resource"])


def target(reference: Any) -> str:
    """The logical id that a Ref or GetAtt refers to."""
    match reference:
        case {"Ref": name} | {"Fn::GetAtt": [name, _]}:
            return str(name)
        case _:
            raise ValueError(f"{reference} is no reference")


# ---- what the code reads


class Code:
    """What a function's source says that it uses."""

    def __init__(self, folder: str) -> None:
        self.modules = set[Path]()
        self.packages = set[str]()
        """Everything that it may import, at any time."""
        self.services = set[str]()
        """The members of Services that it uses, by way of others too."""
        self.settings = set[str]()
        """The settings that these read, at any time."""
        self._import(PROJECT / "functions" / folder / "app.py")
        for module in frozenset(self.modules):
            for name in re.findall(r"services\(\)\.(\w+)", module.read_text(encoding="utf-8")):
                self._use(name)

    @property
    def properties(self) -> set[str]:
        """The properties among its services."""
        return {name for name in self.services if isinstance(getattr(Services, name), cached_property)}

    def _import(self, module: Path) -> None:
        if module in self.modules:
            return
        self.modules.add(module)
        tree = _tree(module)
        # What the wiring imports for a service counts for the functions that use the service.
        self._follow_imports(tree.body if module == WIRING else ast.walk(tree))

    def _follow_imports(self, nodes: Iterable[ast.AST]) -> None:
        for name in chain.from_iterable(map(_imported, nodes)):
            self.packages.add(name.partition(".")[0])
            path = LAYER.joinpath(*name.split("."))
            for file in (path.with_suffix(".py"), path / "__init__.py"):
                if file.is_file():
                    self._import(file)

    def _use(self, service: str) -> None:
        if service in self.services:
            return
        self.services.add(service)
        member = _members()[service]
        self._follow_imports(ast.walk(member))
        for node in ast.walk(member):
            match node:
                case ast.Attribute(value=ast.Attribute(value=ast.Name(id="self"), attr="settings"), attr=setting):
                    self.settings.add(setting)
                case ast.Attribute(value=ast.Name(id="self"), attr=name) if name != "settings":
                    self._use(name)


def _imported(node: ast.AST) -> list[str]:
    """The modules that a statement imports, and what may be modules."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


@cache
def _tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


@cache
def _members() -> Mapping[str, ast.AST]:
    """The members of Services in the source."""
    [services] = [node for node in _tree(WIRING).body if isinstance(node, ast.ClassDef) and node.name == "Services"]
    return {node.name: node for node in services.body if isinstance(node, ast.FunctionDef)}
