"""The local cloud's processes: one that ends is started again, one that does not start is given up."""

from pathlib import Path
from typing import Any

import pytest

from local.errors import LocalCloudError
from local.supervision import EARLY_SECONDS, MOST_EARLY_ENDS, Children


class FakeChild:
    """A process that has ended, or runs."""

    def __init__(self, log: Path, exit_code: int | None) -> None:
        self.log = log
        self.ended = exit_code
        self.killed = False

    def exit_code(self) -> int | None:
        return self.ended

    def kill(self) -> None:
        self.killed = True


class World:
    """Processes that end as a test wants it."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self.log.write_text("first\nlast words\n")
        self.now = 0.0
        self.started: list[FakeChild] = []
        self.children = Children(clock=lambda: self.now)

    def start(self) -> Any:
        self.started.append(FakeChild(self.log, None))
        return self.started[-1]


def test_a_process_that_ends_is_started_again_with_nothing_left_of_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.children.start("one", world.start)
    world.children.start("other", world.start)
    assert list(world.children.restart()) == []
    world.started[0].ended = 3
    assert list(world.children.restart()) == [("one", 3)]
    assert [child.killed for child in world.started] == [True, False, False]
    assert list(world.children.restart()) == []


def test_a_process_that_does_not_start_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.children.start("one", world.start)
    for _ in range(MOST_EARLY_ENDS - 1):
        world.started[-1].ended = 1
        assert list(world.children.restart()) == [("one", 1)]
    world.started[-1].ended = 1
    with pytest.raises(LocalCloudError, match="one has ended, after saying:\nfirst\nlast words"):
        list(world.children.restart())


def test_a_process_that_runs_for_a_while_each_time_is_started_again_and_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.children.start("one", world.start)
    for _ in range(3 * MOST_EARLY_ENDS):
        world.now += EARLY_SECONDS
        world.started[-1].ended = 1
        assert list(world.children.restart()) == [("one", 1)]
