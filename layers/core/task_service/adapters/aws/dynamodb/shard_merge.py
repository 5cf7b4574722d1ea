"""Reading what is spread over shards as one, the newest first.

    shard 0   ■ ■       ■ · ·       ■ read
    shard 1   ■   ■   ■ · ·         · not read yet
    shard 2     ■   ■ ·
                    ▲
                    frontier: what has not been read is older, so what is not older is complete, and in order

No I/O: whoever reads the shards asks which are `hungry`, adds what it has read of them, and takes what is in order.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(kw_only=True, slots=True)
class Shard:
    """One shard, and how far it has been read."""

    key: str
    reached: str
    """The place down to which it has been read."""
    resume: Any = None
    """What continues reading there; None: it has not been read, or there is nothing beyond."""
    ended: bool = False


class Merge:
    """The places in all shards that are older than `before`."""

    def __init__(self, keys: Iterable[str], *, before: str) -> None:
        self._shards = [Shard(key=key, reached=before) for key in keys]
        self._before = before
        self._waiting: list[str] = []

    def hungry(self, wanted: int | None = None) -> list[Shard]:
        """The shards that have to be read on before that many are in order; None: all that can be."""
        oldest = self._waiting[wanted - 1] if wanted is not None and len(self._waiting) >= wanted else ""
        return [shard for shard in self._shards if not shard.ended and shard.reached > oldest]

    def add(self, shard: Shard, places: Iterable[str], *, reached: str | None, resume: Any) -> None:
        """Add what was found in a shard, reading down to the place `reached`; None: to its end."""
        shard.ended, shard.resume = reached is None, resume
        shard.reached = reached or ""
        self._waiting += [place for place in places if place < self._before]
        self._waiting.sort(reverse=True)

    def take(self, most: int | None = None) -> list[str]:
        """The next places, the newest first, as far as they are in order and not more than `most`."""
        frontier = self.frontier
        in_order = [place for place in self._waiting[:most] if place >= frontier]
        del self._waiting[: len(in_order)]
        return in_order

    @property
    def frontier(self) -> str:
        """The place down to which all shards have been read; empty: to their ends."""
        return max((shard.reached for shard in self._shards if not shard.ended), default="")

    @property
    def has_ended(self) -> bool:
        """Whether nothing is left to take or to read."""
        return not self._waiting and all(shard.ended for shard in self._shards)
