"""What a policy costs: evaluated by the interpreter, by its process, and as a task from creation to done."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from local.cloud import LocalCloud
from task_service.adapters.policies.embedded import EmbeddedPolicies
from task_service.adapters.policies.worker import Worker
from task_service.adapters.template_cache import TemplateCache
from task_service.domain.policy import Policy
from task_service.domain.template import StoredTemplate
from task_service.testing import InMemoryTemplates
from task_service.wiring.services import utc_now
from tests.bench import service
from tests.bench.table import milliseconds

NAME = "bench/bench/login/1.0"
SOURCE = """package bench.login

import rego.v1

default allow := false

allow if {
	input.user.age >= data.minimum
	some role in input.user.roles
	role in data.roles
}

reason := sprintf("%s may log in", [input.user.name]) if allow
"""
DATA = {"minimum": 18, "roles": ["admin", "editor"]}
INPUT = json.dumps({"user": {"name": "Ada", "age": 36, "roles": ["reader", "editor"]}, "id": 12345, "ratio": 0.25})
EVALUATIONS = 1_000
TASKS = 100


def rows(cloud: LocalCloud | None = None) -> list[tuple[str, str]]:
    """Names and figures; of a cloud that runs, where there is one."""
    figures = [*_in_the_interpreter(), *_in_its_process()]
    if cloud is not None:
        return [*figures, *_as_a_task(cloud)]
    with TemporaryDirectory() as folder, LocalCloud(directory=Path(folder)) as own:
        return [*figures, *_as_a_task(own)]


def _in_the_interpreter() -> list[tuple[str, str]]:
    worker = Worker()
    worker.answer([b"compile", b"k", b"bench.login", SOURCE.encode(), json.dumps(DATA).encode()])
    request = [b"evaluate", b"k", INPUT.encode()]
    assert worker.answer(request)[0] == b"result"
    return [("policy: evaluation, p50", _milliseconds(lambda: worker.answer(request)))]


def _in_its_process() -> list[tuple[str, str]]:
    document = json.dumps({"group": "bench", "name": "login", "source": SOURCE, "data": DATA})
    templates = InMemoryTemplates(records={NAME: StoredTemplate(name=NAME, document=document, etag="")})
    cache = TemplateCache(templates=templates, parse=Policy.from_text, clock=utc_now, keep=timedelta(hours=1))
    engine = EmbeddedPolicies(policies=cache, clock=utc_now, timeout=timedelta(seconds=5))

    def evaluate() -> None:
        engine.evaluate(NAME, INPUT, deadline=datetime.now(UTC) + timedelta(seconds=30))

    started = time.perf_counter()
    evaluate()
    first = (time.perf_counter() - started) * 1000
    try:
        return [
            ("policy: evaluation and the way to its process, p50", _milliseconds(evaluate)),
            ("policy: the first one of a cold function", f"{first:.0f} ms"),
        ]
    finally:
        engine.close()


def _as_a_task(cloud: LocalCloud) -> list[tuple[str, str]]:
    client = service.Client(cloud)
    client.put(f"/v1/policies/{NAME}", {"source": SOURCE, "data": DATA})
    client.put("/v1/taskTemplates/bench-login", {"requestPolicy": NAME})
    service.latencies(cloud, client, "bench-login", 5)
    _, ended = service.latencies(cloud, client, "bench-login", TASKS, body=INPUT)
    return [("policy task, create -> done (aim: p50 < 60 ms)", milliseconds(ended))]


def _milliseconds(work: Callable[[], object], times: int = EVALUATIONS) -> str:
    """The median of so many times."""
    took = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        took.append(time.perf_counter() - started)
    return f"{sorted(took)[times // 2] * 1000:.3g} ms"


if __name__ == "__main__":
    for name, figure in rows():
        print(f"{name:60} {figure}")
