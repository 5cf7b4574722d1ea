"""template.yaml: each function gets the variables that its code reads, and may loop where it has to."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import pytest

from task_service.domain.start import MAX_WAIT, body_prefix
from task_service.entrypoints.api.services import Services as ApiServices
from task_service.wiring.services import from_settings
from task_service.wiring.settings import Settings
from tests.support.builders import NOW
from tests.support.runtime import PROJECT
from tests.support.translated import translated

FUNCTIONS: Final[dict[str, Collection[str]]] = {
    "ApiFunction": [name for name, member in vars(ApiServices).items() if isinstance(member, property)],
    "DocsFunction": [],
    "EventsFunction": ["event_handler"],
    "ExecutorFunction": ["message_handler", "batch_queues", "clock"],
    "FailuresFunction": ["dead_letter_handler", "batch_queues", "clock"],
}
"""The services that each function uses."""

USES_PYDANTIC: Final = {"ApiFunction", "DocsFunction"}

OF_TLS: Final = "SSL_CERT_FILE"
"""What `adapters.http.trust` reads, as OpenSSL does."""

CALLS_OUT: Final = {"ApiFunction", "ExecutorFunction", "FailuresFunction"}
"""Those that fetch keys or call targets, policies and the cache service."""

OF_EVERY_FUNCTION: Final = {"LOG_LEVEL", "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE"}
"""What Powertools reads, for the logger and the metrics that every function makes."""

OF_OWN_SERVERS: Final = "DATABASE_URL"
"""What every function looks for to know its platform; none on AWS has it."""

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
    read: set[str] = set()

    # With a policy service, and with policies that are evaluated in the function.
    for policy_service in (given.get("POLICY_ADDR", ""), ""):
        recorder = Recorder({**given, "POLICY_ADDR": policy_service} if "POLICY_ADDR" in given else given)
        if used := FUNCTIONS[function]:
            services = from_settings(Settings(recorder))
            for name in used:
                getattr(services, name)
            if "policies" in used:
                _ = services.policy_compiler
        read |= recorder.read - {OF_OWN_SERVERS}

    of_pydantic = {OF_PYDANTIC} if function in USES_PYDANTIC else set()
    of_tls = {OF_TLS} if function in CALLS_OUT else set()
    assert read | of_pydantic | of_tls | OF_EVERY_FUNCTION == given.keys()


def test_every_function_is_known_here_with_the_services_that_it_uses(template: dict[str, Any]) -> None:
    functions = [name for name, it in template["Resources"].items() if it["Type"] == "AWS::Lambda::Function"]
    assert sorted(functions) == sorted(FUNCTIONS)
    for function, used in FUNCTIONS.items():
        folder = PROJECT / "functions" / function.removesuffix("Function").lower()
        named = set(re.findall(r"services\(\)\.(\w+)", (folder / "app.py").read_text(encoding="utf-8")))
        assert named <= set(used)


def test_the_dashboard_shows_every_function(template: dict[str, Any]) -> None:
    widgets = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][0]
    for function in FUNCTIONS:
        assert widgets.count(f'"${{{function}}}"') == len(("Duration", "Errors", "ConcurrentExecutions"))


# ---- the kinds of API


def test_each_resource_of_an_api_belongs_to_one_kind(template: dict[str, Any]) -> None:
    kinds = {"AWS::ApiGateway::": "IsRestApi", "AWS::ApiGatewayV2::": "IsHttpApi"}
    conditions = {
        name: (resource.get("Condition"), kind)
        for name, resource in template["Resources"].items()
        for prefix, kind in kinds.items()
        if resource["Type"].startswith(prefix) and not resource["Type"].endswith("::Account")
    }
    assert all(condition == kind for condition, kind in conditions.values()), conditions
    assert {kind for _, kind in conditions.values()} == set(kinds.values())


def test_a_function_may_be_called_by_the_kind_of_api_that_there_is(template: dict[str, Any]) -> None:
    allowed = {
        (it["Condition"], target(it["Properties"]["FunctionName"]))
        for it in template["Resources"].values()
        if it["Type"] == "AWS::Lambda::Permission"
    }
    assert allowed == {
        (kind, function) for kind in ("IsRestApi", "IsHttpApi") for function in ("ApiFunction", "DocsFunction")
    }


def test_both_kinds_of_api_are_throttled_and_logged_alike(template: dict[str, Any]) -> None:
    rest, http = (
        next(it["Properties"] for it in template["Resources"].values() if it["Type"] == kind)
        for kind in ("AWS::ApiGateway::Stage", "AWS::ApiGatewayV2::Stage")
    )
    [throttled] = rest["MethodSettings"]
    for limit in ("ThrottlingRateLimit", "ThrottlingBurstLimit"):
        assert throttled[limit] == http["DefaultRouteSettings"][limit]
    members = [set(json.loads(log["Format"])) for log in (rest["AccessLogSetting"], http["AccessLogSettings"])]
    assert members[0] == members[1]


# ---- bodies


def test_bodies_are_kept_longer_than_the_records_and_those_of_later_starts_as_long_as_these_can_wait(
    template: dict[str, Any],
) -> None:
    bucket = template["Resources"]["Bucket"]["Properties"]
    rules = {rule["Prefix"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules.keys() == {f"{body_prefix(due_at)}/" for due_at in (None, NOW)} | {"results/"}
    column = {prefix: rule["ExpirationInDays"]["Fn::FindInMap"][2] for prefix, rule in rules.items()}
    for retention, days in template["Mappings"]["BodyRetention"].items():
        assert days[column["requests/"]] == days[column["results/"]] > int(retention)
        assert days[column["later/"]] == days[column["requests/"]] + MAX_WAIT.days


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
