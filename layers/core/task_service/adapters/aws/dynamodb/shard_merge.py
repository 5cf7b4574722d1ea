"""The entries of several shards as one sequence, the newest first.

    shard 0   ■ ■       ■ · ·       ■ read
    shard 1   ■   ■   ■ · ·         · not read yet
    shard 2     ■   ■ ·
                    ▲
                    frontier: every unread entry is older, so the entries up to here are complete

No I/O: the search asks for the `shards_to_read`, reads on in them, adds the entries, and takes those that are in order.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(kw_only=True, slots=True)
class Shard:
    """A shard, and how far the search has read it."""

    key: str
    reached: str
    """The place down to which the search has read."""
    resume: Any = None
    """The argument that continues the read there; None: the shard is unread, or read to its end."""
    ended: bool = False


class Merge:
    """The places in all shards that are older than `before`."""

    def __init__(self, keys: Iterable[str], *, before: str) -> None:
        self._shards = [Shard(key=key, reached=before) for key in keys]
        self._before = before
        self._waiting: list[str] = []

    def shards_to_read(self, wanted: int | None = None) -> list[Shard]:
        """The shards to read on in before `wanted` places are in order; None: all that have not ended."""
        oldest = self._waiting[wanted - 1] if wanted is not None and len(self._waiting) >= wanted else ""
        return [shard for shard in self._shards if not shard.ended and shard.reached > oldest]

    def add(self, shard: Shard, places: Iterable[str], *, reached: str | None, resume: Any) -> None:
        """Add the places that a read down to `reached` found in a shard; None: a read to its end."""
        shard.ended, shard.resume = reached is None, resume
        shard.reached = reached or ""
        self._waiting += [place for place in places if place < self._before]
        self._waiting.sort(reverse=True)

    def take(self, most: int | None = None) -> list[str]:
        """Remove and return the places that are in order, the newest first, at most `most`."""
        frontier = self.frontier
        in_order = [place for place in self._waiting[:most] if place >= frontier]
        del self._waiting[: len(in_order)]
        return in_order

    @property
    def frontier(self) -> str:
        """The place down to which the search has read all shards; empty: it has read them to their ends."""
        return max((shard.reached for shard in self._shards if not shard.ended), default="")

    @property
    def has_ended(self) -> bool:
        """True if nothing is left to take or to read."""
        return not self._waiting and all(shard.ended for shard in self._shards)
