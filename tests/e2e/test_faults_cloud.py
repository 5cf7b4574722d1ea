"""Table, queue or bucket refuse, are slow or lose their answers."""

import threading

import pytest

from tests.support.api import PATIENCE, Answer
from tests.support.aws_proxy import (
    ConnectionLost,
    Fault,
    PassOn,
    Reply,
    answer_lost,
    denied,
    first,
    late,
    refused,
    throttled,
)
from tests.support.behaviours import answer, failing
from tests.support.faulty_cloud import FaultyCloud
from tests.support.targets import HttpTarget
from tests.support.task_lists import create_list, ended_states, list_template

pytestmark = pytest.mark.slow

LARGE = '"' + "a" * 100_000 + '"'
"""More than is kept in a record: it goes to the bucket."""

RETRY = {"maxAttempts": 3, "minDelaySeconds": 0, "maxDelaySeconds": 0}

CLAIM = "#lease = :new_lease"
FINISH = "#finishedAt = :new_finishedAt"
SCHEDULE = "#notBefore = :new_notBefore"
"""What requests of these steps mention."""


def is_unavailable(refusal: Answer) -> bool:
    """Whether it says that the service is not available, and no more than is for clients."""
    body = refusal.json()
    assert (refusal.status, body["status"], body["kind"]) == (503, 503, 7)
    assert not any(part in refusal.body for part in (b"127.0.0.1", b"localhost", b"http", b"Traceback"))
    return True


# -- creating


@pytest.mark.parametrize(
    ("operation", "body"), [("PutItem", "{}"), ("SendMessage", "{}"), ("PUT", LARGE)], ids=["table", "queue", "bucket"]
)
def test_a_creation_that_is_not_durable_is_refused_and_nothing_runs(
    faulty: FaultyCloud, target: HttpTarget, operation: str, body: str
) -> None:
    name = faulty.api.template(target.on("/", answer()))
    with faulty.proxy.broken(operation, refused()) as requests:
        assert is_unavailable(faulty.api.call("POST", f"/v1/task/{name}", body))
    assert requests.count
    assert faulty.records(name) == []

    task_id = faulty.api.create(name, body)
    faulty.api.done(task_id)
    faulty.wait_until_queues_are_empty()
    assert [call.idempotency_key for call in target.calls] == [task_id]


def test_a_creation_whose_message_was_sent_without_the_sender_knowing_does_not_run(
    faulty: FaultyCloud, target: HttpTarget
) -> None:
    name = faulty.api.template(target.on("/", answer()))
    with faulty.queue_held():
        with faulty.proxy.broken("SendMessage", answer_lost):
            assert is_unavailable(faulty.api.call("POST", f"/v1/task/{name}", "{}"))
        assert faulty.records(name) == []
    faulty.wait_until_queues_are_empty()
    assert target.calls == []


def test_a_record_that_cannot_be_taken_back_does_not_run_either(faulty: FaultyCloud, target: HttpTarget) -> None:
    name = faulty.api.template(target.on("/", answer()))
    with faulty.proxy.broken("SendMessage", refused()), faulty.proxy.broken("DeleteItem", refused()):
        assert is_unavailable(faulty.api.call("POST", f"/v1/task/{name}", "{}"))
    assert len(faulty.records(name)) == 1
    faulty.wait_until_queues_are_empty()
    assert target.calls == []


def test_a_creation_whose_function_is_killed_is_not_acknowledged_and_does_not_run(
    faulty: FaultyCloud, target: HttpTarget
) -> None:
    name = faulty.api.template(target.on("/", answer()))

    def killing(pass_on: PassOn) -> Reply:
        faulty.kill(faulty.processes("ApiFunction"))
        raise ConnectionLost

    with faulty.proxy.broken("SendMessage", killing):
        assert faulty.api.call("POST", f"/v1/task/{name}", "{}").status == 502
    assert len(faulty.records(name)) == 1
    faulty.wait_until_queues_are_empty()
    assert target.calls == []


@pytest.mark.parametrize("operation", ["PutItem", "SendMessage"])
@pytest.mark.parametrize("fault", [refused(), throttled(), answer_lost], ids=["refused", "throttled", "answer lost"])
def test_a_short_fault_is_not_the_client_s_business(
    faulty: FaultyCloud, target: HttpTarget, operation: str, fault: Fault
) -> None:
    name = faulty.api.template(target.on("/", answer()))
    with faulty.proxy.broken(operation, first(1, fault)) as requests:
        task_id = faulty.api.create(name)
        assert requests.count >= 2
    faulty.api.done(task_id)
    faulty.wait_until_queues_are_empty()
    assert [call.idempotency_key for call in target.calls] == [task_id]


def test_a_write_that_arrives_after_its_repetition_changes_nothing(faulty: FaultyCloud, target: HttpTarget) -> None:
    name = faulty.api.template(target.on("/", answer()))
    may_arrive, has_arrived = threading.Event(), threading.Event()

    def very_late(pass_on: PassOn) -> Reply:
        may_arrive.wait(PATIENCE)
        reply = pass_on()
        has_arrived.set()
        return reply

    with faulty.proxy.broken("PutItem", first(1, very_late)):
        task_id = faulty.api.create(name)
        faulty.api.done(task_id)
        may_arrive.set()
        assert has_arrived.wait(PATIENCE)
    assert faulty.api.status(task_id)["status"] == "done"


# -- reading


@pytest.mark.parametrize(("operation", "what"), [("GetItem", "table"), ("GetQueueAttributes", "queue")])
def test_readiness_names_what_does_not_answer(faulty: FaultyCloud, operation: str, what: str) -> None:
    with faulty.proxy.broken(operation, denied()):
        refusal = faulty.api.call("GET", "/readiness")
        assert is_unavailable(refusal)
        assert refusal.json()["message"] == f"not ready: the {what} does not answer"
        assert faulty.api.call("GET", "/liveness").status == 200
    assert faulty.api.call("GET", "/readiness").status == 200


def test_what_cannot_be_read_now_is_not_called_unknown(faulty: FaultyCloud, target: HttpTarget) -> None:
    task_id = faulty.api.create(faulty.api.template(target.on("/", answer(body=LARGE.encode()))))
    faulty.api.done(task_id)
    with faulty.proxy.broken("GetItem", denied()):
        assert is_unavailable(faulty.api.call("GET", f"/v1/taskStatus/{task_id}"))
        assert is_unavailable(faulty.api.result(task_id))
        assert is_unavailable(faulty.api.call("POST", "/v1/task/not-in-any-memory", "{}"))
    with faulty.proxy.broken("GET", denied()):
        assert is_unavailable(faulty.api.result(task_id))
    assert faulty.api.result(task_id).body == LARGE.encode()


# -- executing


@pytest.mark.parametrize("step", [CLAIM, FINISH], ids=["claim", "finish"])
@pytest.mark.parametrize("fault", [refused(), throttled(), answer_lost], ids=["refused", "throttled", "answer lost"])
def test_a_step_that_fails_for_a_moment_repeats_no_call(
    faulty: FaultyCloud, target: HttpTarget, step: str, fault: Fault
) -> None:
    name = faulty.api.template(target.on("/", answer(body=b'"once"')))
    with faulty.proxy.broken("UpdateItem", first(1, fault), step) as requests:
        task_id = faulty.api.create(name)
        faulty.api.done(task_id)
        faulty.wait_until_queues_are_empty()
    assert requests.count == 2
    assert faulty.api.result(task_id).json() == "once"
    assert len(target.calls) == 1


@pytest.mark.parametrize(
    ("operation", "step", "fault"),
    [("UpdateItem", (FINISH,), throttled()), ("PUT", (), refused())],
    ids=["table", "bucket"],
)
def test_a_result_that_is_refused_for_a_while_is_not_called_for_again(
    faulty: FaultyCloud, target: HttpTarget, operation: str, step: tuple[str, ...], fault: Fault
) -> None:
    name = faulty.api.template(target.on("/", answer(body=LARGE.encode())))
    # Three times as often as a request is repeated by itself.
    with faulty.proxy.broken(operation, first(9, fault), *step) as requests:
        task_id = faulty.api.create(name)
        faulty.api.done(task_id)
    assert requests.count == 10
    assert faulty.api.result(task_id).body == LARGE.encode()
    assert len(target.calls) == 1


def test_a_task_that_cannot_be_claimed_for_a_while_comes_again(faulty: FaultyCloud, target: HttpTarget) -> None:
    name = faulty.api.template(target.on("/", answer()))
    with faulty.proxy.broken("UpdateItem", first(4, throttled()), CLAIM) as requests:
        task_id = faulty.api.create(name)
        assert faulty.api.done(task_id)["attempts"] == 1
    assert requests.count == 5
    assert len(target.calls) == 1


@pytest.mark.parametrize("kind", ["task", "list"])
def test_an_outage_of_the_table_fails_nothing_that_has_not_started(
    faulty: FaultyCloud, target: HttpTarget, kind: str
) -> None:
    name = faulty.api.template(target.on("/", answer()))
    if kind == "list":
        name = list_template(faulty.api, "outage", ("parallel", [name] * 3))
    with (
        # Whatever is received twice is given up.
        faulty.queue_with(VisibilityTimeout="4", **faulty.redrive_after(receives=1)),
        faulty.proxy.broken("UpdateItem", first(13, refused()), CLAIM) as requests,
    ):
        if kind == "list":
            assert ended_states(faulty.api, create_list(faulty.api, name), seconds=120)[0] == "done"
        else:
            assert faulty.api.done(faulty.api.create(name), seconds=120)["attempts"] == 1
        faulty.wait_until_queues_are_empty()
    assert requests.count >= 14
    assert target.most_of_any_key == 1
    assert len(target.calls) == (3 if kind == "list" else 1)


def test_a_dead_letter_of_a_task_that_has_not_started_starts_it(faulty: FaultyCloud, target: HttpTarget) -> None:
    name = faulty.api.template(target.on("/", answer()))
    with faulty.queue_held():
        task_id = faulty.api.create(name)
        faulty.send_dead_letter(task_id)
        faulty.wait_for_step(task_id, "resent")
        assert faulty.api.status(task_id)["status"] == "created"
    assert faulty.api.done(task_id)["attempts"] == 1
    faulty.wait_until_queues_are_empty()
    assert len(target.calls) == 1


@pytest.mark.parametrize(
    ("operation", "step"), [("UpdateItem", SCHEDULE), ("SendMessage", '\\"attempt\\": 2')], ids=["table", "queue"]
)
@pytest.mark.parametrize("fault", [throttled(), answer_lost], ids=["throttled", "answer lost"])
def test_a_retry_is_scheduled_once_however_often_that_takes(
    faulty: FaultyCloud, target: HttpTarget, operation: str, step: str, fault: Fault
) -> None:
    name = faulty.api.template(target.on("/", failing(1, answer())), retry=RETRY)
    with (
        faulty.queue_with(VisibilityTimeout="1"),
        faulty.proxy.broken(operation, first(4, fault), step) as requests,
    ):
        task_id = faulty.api.create(name)
        assert faulty.api.done(task_id)["attempts"] == 2
        faulty.wait_until_queues_are_empty()
    assert requests.count >= 2
    assert len(target.calls) == 2


def test_a_slow_cloud_makes_slow_tasks_and_nothing_else(faulty: FaultyCloud, target: HttpTarget) -> None:
    name = faulty.api.template(target.on("/", failing(1, answer())), retry=RETRY)
    with faulty.proxy.broken("*", late(0.4)):
        task_ids = [faulty.api.create(name) for _ in range(3)]
        assert {status["status"] for status in faulty.api.all_ended(task_ids)} == {"done"}
    assert len(target.calls) == 4
    assert target.most_of_any_key == 1
