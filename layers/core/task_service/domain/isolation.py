"""Isolation: a message that may have crashed its executor is handled alone, so that it takes no other with it.

An executor that crashes, or runs out of time, has up to ten messages in hand. All of them come again, and none says
which one it was. From then on each is a suspect: it runs in an invocation of its own, and the others of its batch are
given back to the queue. So a crash that a message has caused can hit the others once. Each suspect is done after that,
or has crashed alone.
"""

from collections.abc import Sequence
from typing import Final

from task_service.domain.messages import Received

MAX_CRASHES: Final = 5
"""A message that has crashed so many executors calls no target any more: it is handled as a dead letter."""


def isolate(received: Sequence[Received]) -> tuple[Sequence[Received], Sequence[Received]]:
    """The messages of a batch that are handled now, and those that are given back.

    One suspect is handled, the one with the most crashes: each batch that gives others back ends one suspect.
    """
    suspects = [one for one in received if one.message.crashes]
    if not suspects:
        return received, ()
    chosen = max(suspects, key=lambda one: one.message.crashes)
    return (chosen,), [one for one in received if one is not chosen]
