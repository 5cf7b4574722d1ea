"""Conditional updates of single records, and the conditions that more than one of them needs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from task_service.adapters.aws.dynamodb.values import Item
from task_service.adapters.aws.wire import Client
from task_service.domain.task import State

_PLACEHOLDER: Final = re.compile(r"[#:]\w+")

_STATES: Final = {f":{state}": {"S": str(state)} for state in State}

HAS_NO_RECORD: Final = "attribute_not_exists(pk)"
"""The key is free; the update writes the first record under it."""

IS_BEFORE_REPLAY: Final = "(attribute_not_exists(replay) OR replay < :replay)"
"""The replay `:replay` has not reached the record yet."""


def is_in_replay(number: int) -> str:
    """The condition that the record belongs to the replay `:replay`; 0: that no replay has reached it."""
    return "replay = :replay" if number else "attribute_not_exists(replay)"


def any_of(*conditions: str | None) -> str:
    """The condition that at least one of these holds; None counts for nothing."""
    return " OR ".join(f"({condition})" for condition in conditions if condition is not None)


def caller_clauses(name: str, by: str | None) -> tuple[list[str], list[str]]:
    """The clauses of an update that keep the name of a caller, `:by`, in an attribute; None: it is not known."""
    return ([f"{name} = :by"], []) if by is not None else ([], [name])


@dataclass(frozen=True, kw_only=True, slots=True)
class Update:
    """A change of one record, which DynamoDB makes if the condition holds.

    In its expressions, `#name` is the attribute of that name (DynamoDB reserves some), `:name` one of `values`, and
    `:created`, `:pending`, `:done`, `:failed` and `:cancelled` are the states.
    """

    condition: str
    values: Item
    """Values by placeholder. DynamoDB refuses a value that no expression uses, so `request` leaves it out."""
    sets: Sequence[str] = ()
    removes: Sequence[str] = ()
    deletes: Sequence[str] = ()
    """Numbers to take out of sets of numbers."""
    adds: Sequence[str] = ()
    """Numbers to put into sets of numbers."""

    def request(self) -> dict[str, Any]:
        """The parameters of the UpdateItem request that say this."""
        actions = {"SET": self.sets, "REMOVE": self.removes, "DELETE": self.deletes, "ADD": self.adds}
        expression = " ".join(f"{action} {', '.join(changes)}" for action, changes in actions.items() if changes)
        used = set(_PLACEHOLDER.findall(f"{expression} {self.condition}"))
        values = {name: value for name, value in {**_STATES, **self.values}.items() if name in used}
        names = {placeholder: placeholder[1:] for placeholder in used if placeholder[0] == "#"}
        parameters: dict[str, Any] = {"UpdateExpression": expression, "ConditionExpression": self.condition}
        if values:
            parameters["ExpressionAttributeValues"] = values
        if names:
            parameters["ExpressionAttributeNames"] = names
        return parameters


def update(client: Client, table: str, key: Item, change: Update, *, returning: str = "ALL_NEW") -> Item:
    """Change a record; returns the record as it is afterwards, empty if `returning` is NONE.

    Raises Unavailable, and a ConditionFailed that carries the record if the condition does not hold: this saves reading
    the record.
    """
    answer: Item = client.call(
        "UpdateItem",
        TableName=table,
        Key=key,
        ReturnValues=returning,
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
        **change.request(),
    )
    item: Item = answer.get("Attributes", {})
    return item
