"""Creating with an Idempotency-Key."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from local.cloud import LocalCloud
from task_service.domain.idempotency import key_hash
from tests.support.api import Answer, Api
from tests.support.aws_proxy import ConnectionLost, PassOn, Reply, answer_lost, first, refused
from tests.support.behaviours import answer
from tests.support.faulty_cloud import FaultyCloud
from tests.support.targets import HttpTarget
from tests.support.task_lists import ended_states, list_template

AT_ONCE = 20


def create(api: Api, name: str, key: str, body: str = "{}", *, kind: str = "task", **headers: str) -> Answer:
    return api.call("POST", f"/v1/{kind}/{name}", body, {"Idempotency-Key": key, **headers})


@pytest.fixture
def key() -> str:
    return uuid4().hex


@pytest.fixture
def name(api: Api, target: HttpTarget) -> str:
    """A template whose target answers at once."""
    return api.template(target.on("/", answer()))


def test_of_many_at_once_all_get_one_id_and_the_target_one_call(
    api: Api, target: HttpTarget, name: str, key: str
) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: create(api, name, key), range(AT_ONCE)))
    assert {created.status for created in answers} == {200}
    [task_id] = {created.json()["taskID"] for created in answers}
    api.done(task_id)
    assert create(api, name, f'"{key}"').json() == {"taskID": task_id}
    assert [call.idempotency_key for call in target.calls] == [task_id]


def test_of_many_at_once_all_get_one_list(api: Api, target: HttpTarget, name: str, key: str) -> None:
    many = list_template(api, f"list-{key}", ("sequential", [name, name]), ("parallel", [name, name, name]))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: create(api, many, key, kind="taskList"), range(AT_ONCE)))
    [list_id] = {created.json()["taskListID"] for created in answers}
    assert ended_states(api, list_id)[0] == "done"
    assert create(api, many, key, kind="taskList").json() == {"taskListID": list_id}
    assert len(target.calls) == 5
    assert {call.idempotency_key for call in target.calls} == {
        f"{list_id}.{place}" for place in ("0.0", "0.1", "1.0", "1.1", "1.2")
    }


def test_the_key_with_another_request_is_422(api: Api, name: str, key: str) -> None:
    created = create(api, name, key)
    for refused_one in (create(api, name, key, "1"), create(api, name, key, **{"x-cache-scope": "s"})):
        assert refused_one.status == 422
        assert refused_one.json()["kind"] == 1
        assert refused_one.json()["message"].startswith("Idempotency-Key: it was used for another request")
    assert create(api, name, key).json() == created.json()


def test_a_key_that_has_expired_makes_another_task(cloud: LocalCloud, api: Api, name: str, key: str) -> None:
    created = create(api, name, key).json()
    assert create(api, name, key).json() == created
    cloud.client("dynamodb").update_item(
        TableName=cloud.outputs["TableName"],
        Key={"pk": {"S": f"IDEMPOTENCY#{key_hash(key, None)}"}, "sk": {"S": "-"}},
        UpdateExpression="SET expiresAt = :past",
        ConditionExpression="attribute_exists(fingerprint)",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )
    again = create(api, name, key, "2").json()
    assert again != created
    assert create(api, name, key, "2").json() == again


def test_what_is_refused_consumes_no_key(api: Api, name: str, key: str) -> None:
    assert create(api, name, key, "{").status == 400
    assert create(api, "nobody", key).status == 404
    assert create(api, name, key).status == 200


def test_a_repeated_creation_waits_for_the_same_task(api: Api, target: HttpTarget, key: str) -> None:
    name = api.template(target.on("/", answer(body=b'"once"', after=0.3)))
    first_answer = create(api, name, key)
    repeated = create(api, name, key, Prefer="wait=20")
    assert repeated.json() == "once"
    assert repeated.headers["x-task-id"] == first_answer.json()["taskID"]
    assert len(target.calls) == 1


# -- crashes


@pytest.mark.parametrize(
    ("operation", "mentioning"),
    [("PutItem", '"IDEMPOTENCY#'), ("PutItem", '"TASK#'), ("SendMessage", "")],
    ids=["key", "record", "message"],
)
@pytest.mark.parametrize("has_happened", [False, True], ids=["before", "after"])
def test_a_function_that_dies_at_any_step_is_mended_by_the_client_s_retry(
    faulty: FaultyCloud, target: HttpTarget, operation: str, mentioning: str, has_happened: bool, key: str
) -> None:
    name = faulty.api.template(target.on("/", answer()))

    def killing(pass_on: PassOn) -> Reply:
        if has_happened:
            pass_on()
        faulty.kill(faulty.processes("ApiFunction"))
        raise ConnectionLost

    with faulty.proxy.broken(operation, killing, *filter(None, [mentioning])) as requests:
        assert create(faulty.api, name, key).status == 502
    assert requests.count

    created = create(faulty.api, name, key)
    assert created.status == 200
    faulty.api.done(created.json()["taskID"])
    faulty.wait_until_queues_are_empty()
    assert [call.idempotency_key for call in target.calls] == [created.json()["taskID"]]
    assert len(faulty.records(name)) == 1


def test_nothing_is_taken_back_when_the_message_cannot_be_sent(
    faulty: FaultyCloud, target: HttpTarget, key: str
) -> None:
    name = faulty.api.template(target.on("/", answer()))
    with faulty.proxy.broken("SendMessage", refused()):
        assert create(faulty.api, name, key).status == 503
    [record] = faulty.records(name)
    created = create(faulty.api, name, key)
    assert created.json() == {"taskID": record["id"]["S"]}
    faulty.api.done(created.json()["taskID"])


def test_a_key_whose_answer_gets_lost_meets_itself(faulty: FaultyCloud, target: HttpTarget, key: str) -> None:
    name = faulty.api.template(target.on("/", answer()))
    with faulty.proxy.broken("PutItem", first(1, answer_lost), '"IDEMPOTENCY#') as requests:
        created = create(faulty.api, name, key)
    assert requests.count == 2
    assert created.status == 200
    faulty.api.done(created.json()["taskID"])
