"""Cache events through the whole service: published, one task each, whatever is restarted in between."""

import json
import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from local.cloud import LocalCloud
from local.environment import PROJECT
from task_service.domain.cloud_event import CloudEvent
from task_service.domain.event_task import EventTask
from tests.support.event_entry import Entry
from tests.support.events import every_mode, malformed, structured
from tests.support.nats import MAKE_PUBLISH, Bridge, NatsServer, publish, publish_durably
from tests.support.sessions import direct
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def entry(cloud: LocalCloud) -> Entry:
    return Entry(cloud)


@pytest.fixture
def http() -> requests.Session:
    return direct()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path) as server:
        yield server


def test_the_documented_command_makes_a_task(cloud: LocalCloud, entry: Entry) -> None:
    said = subprocess.run(
        [*MAKE_PUBLISH.split(), f"KEY={entry.published_key}"],
        cwd=PROJECT,
        env={**os.environ, "NATS_PORT": cloud.nats_url.rpartition(":")[2]},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    task_id = entry.task_id(json.loads(said)["event"]["id"])
    wait_until(lambda: entry.status(task_id).get("finishedAt") is not None)
    (task,) = entry.tasks()
    assert task["pk"]["S"] == f"TASK#{task_id}"
    assert json.loads(task["request"]["S"]) == {
        "key": entry.document["key"],
        "namespace": "Login",
        "scope": "",
        "TaskName": entry.name,
    }


def test_the_example_s_policy_sees_the_entry(cloud: LocalCloud, http: requests.Session) -> None:
    event_id = uuid4().hex
    publish(cloud.nats_url, [structured(event_id)])
    example = PROJECT / "local" / "examples" / "eventTasks" / "cache-event.json"
    event_task = EventTask.from_text(example.read_text(encoding="utf-8"))
    task_id = event_task.task_id(CloudEvent(source="cache", id=event_id, type="", data=None))
    wait_until(lambda: http.get(f"{cloud.api_url}/v1/taskResult/{task_id}").status_code != 404)
    assert http.get(f"{cloud.api_url}/v1/taskResult/{task_id}").json() == {
        "entry": {"key": "did:web:example.com", "namespace": "Login", "scope": "Administration"},
        "message": "did:web:example.com was set, cacheEvent runs",
    }


def test_an_event_is_taken_soon(cloud: LocalCloud, entry: Entry) -> None:
    took: list[float] = []
    for _ in range(15):
        event_id = uuid4().hex
        task_id = entry.task_id(event_id)
        begun = time.time()
        publish(cloud.nats_url, [entry.event(event_id)])

        def is_finished(task_id: str = task_id) -> bool:
            return entry.status(task_id).get("finishedAt") is not None

        wait_until(is_finished)
        took.append(time.time() - begun)
    # Generous, because other tests may share the machine; the bench has the figure.
    assert statistics.median(took) < 1


def test_one_event_in_every_mode_and_often_makes_one_task(cloud: LocalCloud, entry: Entry) -> None:
    events = [entry.event("1"), *([entry.event("2")] * 20), entry.event("1", specversion="0.3")]
    publish(cloud.nats_url, events)
    last = entry.event("3")
    publish(cloud.nats_url, [last])
    wait_until(lambda: entry.count() == 3)
    before = cloud.functions_log.read_text(encoding="utf-8").count("event repeated")
    publish(cloud.nats_url, [last])
    wait_until(lambda: cloud.functions_log.read_text(encoding="utf-8").count("event repeated") > before)
    assert {task["pk"]["S"] for task in entry.tasks()} == {f"TASK#{entry.task_id(name)}" for name in "123"}


def test_malformed_and_unmatched_events_are_logged_and_gone(cloud: LocalCloud) -> None:
    name = uuid4().hex
    events = [*malformed(name).values(), structured(name, data={"key": name}), *every_mode(name).values()]
    publish(cloud.nats_url, events)
    sqs = cloud.client("sqs")

    def waiting() -> int:
        wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = sqs.get_queue_attributes(QueueUrl=cloud.outputs["EventQueueUrl"], AttributeNames=wanted)
        return sum(int(number) for number in found["Attributes"].values())

    def logged(what: str) -> int:
        lines = cloud.functions_log.read_text(encoding="utf-8").splitlines()
        return sum(f'"event {what}"' in line and name in line for line in lines)

    wait_until(lambda: logged("unmatched") >= 1 and logged("created") + logged("repeated") >= len(every_mode(name)))
    wait_until(lambda: waiting() == 0)
    assert logged("malformed") > 0


def test_two_bridges_on_one_subject_make_one_task_for_each_event(
    cloud: LocalCloud, entry: Entry, tmp_path: Path
) -> None:
    """The cloud's own bridge and another one."""
    with Bridge(tmp_path, cloud.bridge_environment) as other:
        wait_until(other.is_well)
        publish(cloud.nats_url, [entry.event(str(number)) for number in range(100)])
        wait_until(lambda: entry.count() == 100)
        assert 0 < other.metric("bridge_events_sent_total") < 100


def test_nats_and_bridge_restarted_under_load_make_one_task_for_each_event(
    cloud: LocalCloud, entry: Entry, server: NatsServer, tmp_path: Path
) -> None:
    number = 2_000
    settings = {"NATS_ADDR": server.url, "NATS_ACK_WAIT_SECONDS": "2"}
    with Bridge(tmp_path, cloud.bridge_environment, **settings) as bridge:
        wait_until(bridge.is_well)
        events = [entry.event(str(event)) for event in range(number)]
        publish_durably(server.url, events, at={number // 4: server.restart, number // 2: bridge.restart})
        wait_until(lambda: entry.count() >= number, within=180, every=0.5)

        # Whatever is delivered again has been by then.
        wait_until(lambda: bridge.metric("bridge_events_buffered") == 0)
        assert entry.count() == number
