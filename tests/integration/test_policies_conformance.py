"""OPA's own compliance cases, as policies of tasks: the same value, or a refusal, never another value."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from task_service.adapters.policies.embedded import EmbeddedPolicies
from task_service.adapters.template_cache import TemplateCache
from task_service.domain.call import CallRefused
from task_service.domain.policy import Policy
from task_service.domain.template import StoredTemplate
from task_service.testing import InMemoryTemplates
from task_service.wiring.services import utc_now

CASES = Path(__file__).parents[3] / "shared" / "rego-conformance"
RESULT = "conformance__"
NAME = "r/g/n/1"

Evaluate = Callable[[Mapping[str, Any]], Any]

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the compliance cases are not beside this checkout")


@pytest.fixture(scope="module")
def evaluate() -> Iterator[Evaluate]:
    """Evaluates a case as a task evaluates its policy: the bindings of its query, or a CallRefused."""
    templates = InMemoryTemplates()
    cache = TemplateCache(templates=templates, parse=as_policy, clock=utc_now, keep=timedelta())
    with closing(EmbeddedPolicies(policies=cache, clock=utc_now, timeout=timedelta(seconds=5))) as engine:

        def evaluate(case: Mapping[str, Any]) -> Any:
            templates.records[NAME] = StoredTemplate(name=NAME, document=json.dumps(case), etag="")
            result = engine.evaluate(
                NAME, json.dumps(case.get("input")), deadline=datetime.now(UTC) + timedelta(seconds=30)
            )
            found = json.loads(result)
            return [{"x": found}] if asks_for_all(case) else found[RESULT]

        yield evaluate


@pytest.mark.parametrize(("file", "same"), [("cases.jsonl", 1_520), ("numbers.jsonl", 27)])
def test_a_policy_says_what_opa_says_or_is_refused(
    evaluate: Evaluate, file: str, same: int, record_property: Callable[[str, object], None]
) -> None:
    outcomes, wrong = Counter[str](), []
    for line in (CASES / file).read_text().strip().split("\n"):
        case = json.loads(line)
        outcome = outcome_of(evaluate, case)
        outcomes[outcome] += 1
        if outcome == "wrong":
            wrong.append(case["note"])

    record_property(
        "summary",
        f"{file}: {outcomes['same']} as OPA, {outcomes['refused']} refused, {outcomes['not a policy']} of several "
        f"modules or without an input, which is no policy, {outcomes['wrong']} wrong",
    )
    assert wrong == []
    assert outcomes["same"] >= same


def outcome_of(evaluate: Evaluate, case: Mapping[str, Any]) -> str:
    """How a case ends."""
    modules: list[str] = case.get("modules") or []
    if len(modules) != 1:
        return "not a policy"
    if "input" not in case and "input_term" not in case and re.search(r"\binput\b(?! as)", modules[0]):
        # A task's input is always there.
        return "not a policy"
    fails = "want_error" in case or "want_error_code" in case
    try:
        found = evaluate(case)
    except CallRefused:
        return "same" if fails else "refused"
    if fails:
        # OPA fails where it is asked to be strict, else the value is undefined; a failure is never a value.
        return "wrong" if found else "same"
    return "same" if in_any_order(found) == in_any_order(case.get("want_result") or []) else "wrong"


def as_policy(text: str) -> Policy:
    """A case as a policy: its module with one more rule, which has the bindings of its query."""
    case = json.loads(text)
    module = case["modules"][0]
    names = sorted({name for binding in case.get("want_result") or [{"x": None}] for name in binding})
    bindings = ", ".join(f'"{name}": {name}' for name in names)
    term = f" with input as {case['input_term']}" if "input_term" in case else ""
    document = {"group": "g", "name": "n", "source": module, "data": case.get("data")}
    plain = Policy.from_document(document)
    package = next(line for line in module.split("\n") if line.startswith("package ")).split()[1]
    rule = "" if asks_for_all(case) else f"\n\n{RESULT} := [{{{bindings}}} | {case['query'].strip()}{term}]\n"
    return Policy(
        package=package, source=module + rule, data=plain.data, key=plain.key + case["query"].encode() + term.encode()
    )


def asks_for_all(case: Mapping[str, Any]) -> bool:
    """Whether a case asks for its whole package, which is what a policy's result is."""
    return f"package {case['query'].removeprefix('data.').removesuffix(' = x')}" in case["modules"][0].split("\n")


def in_any_order(value: Any) -> Any:
    """A value whose arrays have lost their order, as sets come as arrays."""
    if isinstance(value, list):
        return sorted((in_any_order(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    if isinstance(value, dict):
        return {name: in_any_order(member) for name, member in value.items()}
    return value if isinstance(value, bool) or not isinstance(value, float) or value != int(value) else int(value)
