"""The API answers what its document says: thousands of requests that are generated from it, good and bad ones."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from local.cloud import LocalCloud
from local.own_server import OwnServer
from tests.support.api import Api
from tests.support.postgres import Server

pytestmark = pytest.mark.slow

CONFIGURATION: Final = Path(__file__).with_name("schemathesis.toml")
WITHIN_SECONDS: Final = 600
LEAST_REQUESTS: Final = 1_500
EXAMPLES_ON_CLOUD: Final = 30
"""Of each operation; the emulator is slow, and own servers get all of the configured ones."""


@pytest.fixture(params=["cloud", "own servers"])
def service(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Server
) -> Iterator[LocalCloud | OwnServer]:
    """A service that is full of nonsense afterwards, on each platform in turn."""
    if request.param == "cloud":
        with LocalCloud(directory=tmp_path / "cloud") as cloud:
            yield cloud
        return
    with (
        postgres_server.database(migrated=False) as url,
        OwnServer(directory=tmp_path / "own-server", settings={"DATABASE_URL": url}) as server,
    ):
        yield server


def test_every_answer_is_one_that_the_document_describes(
    service: LocalCloud | OwnServer, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(prepared(service)))
    events = tmp_path / "events.ndjson"

    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", CONFIGURATION),
            *("run", document, "--url", service.api_url, "--report-ndjson-path", events),
            *(("--max-examples", str(EXAMPLES_ON_CLOUD)) if isinstance(service, LocalCloud) else ()),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=WITHIN_SECONDS,
        check=False,
    )

    answers = counted(events)
    record_property("summary", "\n".join(rows(answers)))
    assert run.returncode == 0, run.stdout + run.stderr
    assert sum(map(Counter.total, answers.values())) >= LEAST_REQUESTS
    assert answers.keys() == operations(document)
    assert [operation for operation, statuses in answers.items() if not min(statuses) < 400] == []


def prepared(service: LocalCloud | OwnServer) -> Any:
    """The document as it is served, with names and ids in it that exist there."""
    api = Api(service.api_url)
    tasks, lists = populated(api, service.target_url)
    known = {
        "taskName": ["hello", "greeting"],
        "taskListName": ["small"],
        "taskID": tasks,
        "taskListID": lists,
        "name": ["greeting", "hello", "small"],
        "Prefer": ["wait=1", "wait=0"],
    }
    # What can be cancelled is what waits, and replayed what has failed.
    acted_on = {
        "/v1/tasks/{taskID}/cancel": tasks[2],
        "/v1/tasks/{taskID}/replay": tasks[1],
        "/v1/taskLists/{taskListID}/cancel": lists[2],
        "/v1/taskLists/{taskListID}/replay": lists[1],
    }
    # Four parts that are made up would never make a name that exists.
    fixed = {"repository": ["examples"], "group": ["example"], "version": ["1.0"]}
    text = api.call("GET", "/swagger-ui/openapi.json").body.decode()
    # Calls stay on this machine.
    document = json.loads(text.replace("https://payments.example.com/", f"{service.target_url}/"))
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for parameter in operation.get("parameters", []):
                name = parameter["name"]
                values = [acted_on[path]] if path in acted_on else fixed.get(name) or known.get(name)
                if values:
                    choice = {"enum": values}
                    parameter["schema"] = choice if name in fixed else {"anyOf": [choice, parameter["schema"]]}
                    parameter["example"] = values[0]
    return document


def populated(api: Api, target_url: str) -> tuple[list[str], list[str]]:
    """The ids of tasks and of lists: one that is done, one that has failed, one that waits for long."""
    retry = {"minDelaySeconds": 3600, "maxDelaySeconds": 3600}
    api.template(f"{target_url}/status/503?retry-after=3600", "waiting", retry=retry)
    for name, task in (("small", "hello"), ("failing", "missing"), ("waiting", "waiting")):
        groups = [{"execution": "parallel", "tasks": [task]}, {"execution": "sequential", "tasks": []}]
        assert api.call("PUT", f"/v1/taskListTemplates/{name}", json.dumps({"groups": groups})).status == 201
    tasks = [api.create(name) for name in ("hello", "missing", "waiting")]
    created = [api.call("POST", f"/v1/taskList/{name}", "{}") for name in ("small", "failing", "waiting")]
    lists = [answer.json()["taskListID"] for answer in created]
    api.all_ended([*tasks[:2], f"{lists[0]}.0.0", f"{lists[1]}.0.0"])
    # What takes its time would take the generator's.
    for name in ("slow", "flaky", "missing", "waiting", "cacheEvent"):
        assert api.call("DELETE", f"/v1/taskTemplates/{name}").status == 204
    for name in ("three-groups", "failing", "waiting"):
        assert api.call("DELETE", f"/v1/taskListTemplates/{name}").status == 204
    return [*tasks, f"{lists[0]}.0.0"], lists


def counted(events: Path) -> dict[str, Counter[int]]:
    """How often each operation has answered with each status."""
    answers: dict[str, Counter[int]] = {}
    for line in events.read_text().splitlines():
        scenario = json.loads(line).get("ScenarioFinished")
        if scenario is None:
            continue
        recorder = scenario["recorder"]
        for interaction in recorder.get("interactions", {}).values():
            if response := interaction["response"]:
                answers.setdefault(recorder["label"], Counter())[response["status_code"]] += 1
    return answers


def operations(document: Path) -> set[str]:
    """Every operation, as the events call it."""
    paths = json.loads(document.read_text())["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


def rows(answers: dict[str, Counter[int]]) -> Iterator[str]:
    """A line for each operation, and one for all together."""
    for operation, statuses in sorted(answers.items()):
        yield f"{operation}: {dict(sorted(statuses.items()))}"
    together: Counter[int] = sum(answers.values(), Counter())
    yield f"{together.total()} requests: {dict(sorted(together.items()))}"
