"""An engine for embedded policies on templates in memory."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from task_service.adapters.policies.embedded import EmbeddedPolicies
from task_service.adapters.template_cache import TemplateCache
from task_service.domain.call import CallRefused
from task_service.domain.policy import Policy
from task_service.domain.template import StoredTemplate
from task_service.testing import InMemoryTemplates
from task_service.wiring.services import utc_now

NAME = "r/g/n/1"


class Embedded:
    """An engine, and the policies that it has."""

    def __init__(self, *, timeout_seconds: float = 5) -> None:
        self.templates = InMemoryTemplates()
        cache = TemplateCache(templates=self.templates, parse=Policy.from_text, clock=utc_now, keep=timedelta())
        self.engine = EmbeddedPolicies(policies=cache, clock=utc_now, timeout=timedelta(seconds=timeout_seconds))

    def put(self, source: str, *, data: Any = None, name: str = NAME) -> None:
        """Write a policy, without any check; a source without a package gets the right one."""
        _, group, policy, _ = name.split("/")
        if not source.lstrip().startswith("package"):
            source = f"package {group}.{policy}\n{source}"
        document = json.dumps({"group": group, "name": policy, "source": source, "data": data})
        self.templates.records[name] = StoredTemplate(name=name, document=document, etag="")

    def evaluate(self, text: str = "{}", *, name: str = NAME, seconds: float = 30) -> str:
        """The result of a policy."""
        return self.engine.evaluate(name, text, deadline=datetime.now(UTC) + timedelta(seconds=seconds))

    def result(self, source: str, value: Any = None, *, data: Any = None) -> Any:
        """The result of a source for an input, both as Python has them."""
        self.put(source, data=data)
        return json.loads(self.evaluate(json.dumps(value)))

    def refusal(self, source: str, text: str = "{}", *, seconds: float = 30) -> CallRefused:
        """Why a source has no result."""
        self.put(source)
        with pytest.raises(CallRefused) as caught:
            self.evaluate(text, seconds=seconds)
        return caught.value
