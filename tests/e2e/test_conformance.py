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
from tests.e2e.api import Api
from tests.pending import PENDING, PENDING_HEADERS

CONFIGURATION: Final = Path(__file__).with_name("schemathesis.toml")
WITHIN_SECONDS: Final = 600
LEAST_REQUESTS: Final = 2_000

OWN_LIST: Final = {"groups": [{"execution": "parallel", "tasks": ["hello"]}, {"execution": "sequential", "tasks": []}]}


@pytest.fixture(scope="module")
def own_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A cloud that is full of nonsense afterwards."""
    with LocalCloud(directory=tmp_path_factory.mktemp("conformance")) as cloud:
        yield cloud


@pytest.mark.slow
def test_every_answer_is_one_that_the_document_describes(
    own_cloud: LocalCloud, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(prepared(own_cloud)))
    events = tmp_path / "events.ndjson"

    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", CONFIGURATION),
            *("run", document, "--url", own_cloud.api_url, "--report-ndjson-path", events),
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


def prepared(cloud: LocalCloud) -> Any:
    """The document as it is served, with names and ids in it that exist in this cloud."""
    api = Api(cloud.api_url)
    done, failed = api.create("hello"), api.create("missing")
    api.done(done)
    api.failed(failed)
    # What takes its time would take the generator's.
    for name in ("slow", "flaky", "missing", "cacheEvent"):
        assert api.call("DELETE", f"/v1/taskTemplates/{name}").status == 204
    assert api.call("DELETE", "/v1/taskListTemplates/three-groups").status == 204
    assert api.call("PUT", "/v1/taskListTemplates/small", json.dumps(OWN_LIST)).status == 201
    list_id = api.call("POST", "/v1/taskList/small", "{}").json()["taskListID"]
    known = {
        "taskName": ["hello", "greeting"],
        "taskListName": ["small"],
        "taskID": [done, failed, f"{list_id}.0.0"],
        "taskListID": [list_id],
        "name": ["greeting", "hello", "small"],
        "Prefer": ["wait=1", "wait=0"],
    }
    # Four parts that are made up would never make a name that exists.
    fixed = {"repository": ["examples"], "group": ["example"], "version": ["1.0"]}
    text = api.call("GET", "/swagger-ui/openapi.json").body.decode()
    # Calls stay on this machine.
    document = json.loads(text.replace("https://payments.example.com/", f"{cloud.target_url}/"))
    for path, methods in document["paths"].items():
        for method in list(methods):
            if (method.upper(), path) in PENDING:
                del methods[method]
                continue
            parameters = methods[method].get("parameters", [])
            parameters[:] = [each for each in parameters if each["name"] not in PENDING_HEADERS]
            for parameter in parameters:
                name = parameter["name"]
                if values := fixed.get(name) or known.get(name):
                    choice = {"enum": values}
                    parameter["schema"] = choice if name in fixed else {"anyOf": [choice, parameter["schema"]]}
                    parameter["example"] = values[0]
    return document


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
