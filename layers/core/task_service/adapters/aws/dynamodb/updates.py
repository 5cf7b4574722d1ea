"""Conditional updates of single records, and the conditions that more than one of them needs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from task_service.adapters.aws.dynamodb.values import Item
from task_service.domain.task import State

Changes = dict[str, Item | None]
"""Attributes by their names, each with its new value; None: the record loses it."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Update:
    """A change of one record, which DynamoDB makes if the condition holds.

    In the condition, `#name` is the attribute of that name (DynamoDB reserves some), `:name` one of `values`, and
    `:created`, `:pending`, `:done`, `:failed` and `:cancelled` are the states.
    """

    condition: str
    values: Item = field(default_factory=dict)
    """Values by placeholder. DynamoDB refuses one that the condition does not use, so `request` leaves it out."""
    changes: Changes = field(default_factory=dict)
    """The attributes that the update writes or removes."""
    first: Item = field(default_factory=dict)
    """The attributes that it writes unless the record has them."""
    moves: Mapping[str, str] = field(default_factory=dict)
    """The attributes that get the value of another one, which the record has and loses."""
    deletes: Item = field(default_factory=dict)
    """Numbers to take out of sets of numbers."""
    adds: Item = field(default_factory=dict)
    """Numbers to put into sets of numbers."""

    def request(self) -> dict[str, Any]:
        """The parameters of the UpdateItem request that say this."""
        known, compared = _STATES | self.values, _PLACEHOLDER.findall(self.condition)
        written = {name: value for name, value in self.changes.items() if value is not None}
        # An attribute is in one of them: DynamoDB refuses two changes of it.
        new = {**written, **self.first, **self.deletes, **self.adds}
        actions = {
            "SET": [
                *[f"#{name} = :new_{name}" for name in written],
                *[f"#{name} = if_not_exists(#{name}, :new_{name})" for name in self.first],
                *[f"#{name} = #{source}" for name, source in self.moves.items()],
            ],
            "REMOVE": [f"#{name}" for name in (*self.changes, *self.moves.values()) if name not in written],
            "DELETE": [f"#{name} :new_{name}" for name in self.deletes],
            "ADD": [f"#{name} :new_{name}" for name in self.adds],
        }
        return {
            "UpdateExpression": " ".join(
                f"{action} {', '.join(clauses)}" for action, clauses in actions.items() if clauses
            ),
            "ConditionExpression": self.condition,
            "ExpressionAttributeNames": {
                **{f"#{name}": name for name in (*self.changes, *new, *self.moves, *self.moves.values())},
                **{placeholder: placeholder[1:] for placeholder in compared if placeholder[0] == "#"},
            },
            "ExpressionAttributeValues": {
                **{placeholder: known[placeholder] for placeholder in compared if placeholder[0] == ":"},
                **{f":new_{name}": value for name, value in new.items()},
            },
        }
