"""Records that DynamoDB leaves out of a batch are written again, those that it may have written are given up."""

from typing import Any

import pytest

from task_service.adapters.aws.dynamodb.batches import WRITE_PAUSES
from task_service.adapters.aws.dynamodb.table import Table
from task_service.adapters.aws.dynamodb.tasks import DynamoDbTasks
from task_service.domain.errors import Unavailable
from tests.support.builders import task


class Forgetful:
    """A client whose table leaves each of these tasks out so often, and then does not answer if it is told so."""

    def __init__(self, left_out: dict[str, int] | None = None, *, answers: int = 1_000) -> None:
        self.left_out, self.answers = left_out or {}, answers
        self.batches: list[list[str]] = []

    def call(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
        assert operation == "BatchWriteItem"
        [(table, puts)] = parameters["RequestItems"].items()
        self.batches.append([put["PutRequest"]["Item"]["id"]["S"] for put in puts])
        if len(self.batches) > self.answers:
            raise Unavailable("dynamodb: TimeoutError")
        unprocessed = []
        for put, task_id in zip(puts, self.batches[-1], strict=True):
            self.left_out[task_id] = self.left_out.get(task_id, 0) - 1
            if self.left_out[task_id] >= 0:
                unprocessed.append(put)
        return {"UnprocessedItems": {table: unprocessed} if unprocessed else {}}


def tasks(client: Any, pauses: list[float] | None = None) -> DynamoDbTasks:
    return DynamoDbTasks(table=Table(client=client, name="t"), pause=(pauses if pauses is not None else []).append)


MANY = [task(f"t{number}") for number in range(60)]


def test_they_are_written_25_with_a_request() -> None:
    table = Forgetful()
    assert tasks(table).add_all(MANY) == []
    assert [len(batch) for batch in table.batches] == [25, 25, 10]


def test_those_that_are_left_out_are_written_again() -> None:
    table, pauses = Forgetful({"t1": 1, "t30": 2}), list[float]()
    assert tasks(table, pauses).add_all(MANY) == []
    assert [len(batch) for batch in table.batches] == [25, 1, 25, 1, 1, 10]
    assert pauses == [WRITE_PAUSES[0], WRITE_PAUSES[0], WRITE_PAUSES[1]]


def test_those_that_are_left_out_again_and_again_are_told() -> None:
    table = Forgetful({"t1": 99, "t3": 99})
    assert tasks(table).add_all(MANY[:5]) == [MANY[1], MANY[3]]
    assert len(table.batches) == 1 + len(WRITE_PAUSES)


def test_a_table_that_does_not_answer_is_not_asked_for_each_25() -> None:
    table = Forgetful(answers=1)
    assert tasks(table).add_all(MANY) == MANY[25:]
    assert len(table.batches) == 2


@pytest.mark.parametrize("answer", [{}, {"message": "welcome"}])
def test_an_answer_that_acknowledges_nothing_is_no_acknowledgement(answer: dict[str, Any]) -> None:
    class Says:
        def call(self, operation: str, /, **parameters: Any) -> dict[str, Any]:
            return answer

    assert tasks(Says()).add_all(MANY[:2]) == MANY[:2]
