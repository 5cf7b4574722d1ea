"""What every implementation of the PolicyEngine port does."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from task_service.adapters.policies.embedded import EmbeddedPolicies
from task_service.adapters.policies.remote import RemotePolicies
from task_service.adapters.template_cache import TemplateCache
from task_service.domain.call import CallRefused
from task_service.domain.policy import Policy
from task_service.domain.template import StoredTemplate
from task_service.ports import PolicyEngine
from task_service.testing import InMemoryTemplates, ScriptedPolicies
from task_service.wiring.services import utc_now
from tests.support.behaviours import response
from tests.support.targets import HttpTarget
from tests.support.wire import Wire

pytestmark = pytest.mark.parametrize("kind", ["fake", "embedded", "remote"])

KNOWN = "repository/group/wrap/1.0"


@pytest.fixture
def engine(kind: str) -> Iterator[PolicyEngine]:
    """An engine with one policy, which puts its input into an object."""
    if kind == "fake":
        yield ScriptedPolicies(policies={KNOWN: lambda text: f'{{"got":{text}}}'})
    elif kind == "embedded":
        document = json.dumps({"group": "group", "name": "wrap", "source": "package group.wrap\ngot := input"})
        templates = InMemoryTemplates(records={KNOWN: StoredTemplate(name=KNOWN, document=document, etag="1")})
        cache = TemplateCache(templates=templates, parse=Policy.from_text, clock=utc_now, keep=timedelta(seconds=30))
        with closing(EmbeddedPolicies(policies=cache, clock=utc_now, timeout=timedelta(seconds=5))) as embedded:
            yield embedded
    else:
        with HttpTarget() as service:
            service.on(f"/policy/{KNOWN}/evaluation", _wrap)
            with closing(RemotePolicies(address=service.url(""), user_agent="test", clock=utc_now)) as remote:
                yield remote


def _wrap(wire: Wire) -> None:
    wire.finish(response(200, b'{"got":' + wire.call.body + b"}"))


def evaluate(engine: PolicyEngine, policy: str, text: str) -> str:
    return engine.evaluate(policy, text, deadline=datetime.now(UTC) + timedelta(seconds=20))


@pytest.mark.parametrize("text", ['{"a":[1,"é"]}', "[]", "5", '"x"', "null", "12345678901234567890"])
def test_a_policy_sees_its_input_and_gives_a_result(engine: PolicyEngine, text: str) -> None:
    result = evaluate(engine, KNOWN, text)

    assert json.loads(result) == {"got": json.loads(text)}


def test_an_unknown_policy_is_refused_for_good_and_named(engine: PolicyEngine) -> None:
    with pytest.raises(CallRefused, match=r"repository/group/nosuch/1\.0") as caught:
        evaluate(engine, "repository/group/nosuch/1.0", "{}")

    assert not caught.value.can_retry
