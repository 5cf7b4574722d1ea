"""Groups take turns: however many messages one has, those of another do not wait for them."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from task_service.adapters.postgres.queue_reader import Delivery
from task_service.domain.messages import TaskMessage, from_text
from task_service.wiring.postgres import PostgresPlatform

MINUTES = timedelta(minutes=5)


def send(platform: PostgresPlatform, group: str, count: int, *, later: bool = False) -> None:
    """Send messages of a group that are due, or due in an hour."""
    due_at = platform.clock() + timedelta(hours=1) if later else None
    messages = [
        TaskMessage(task_id=f"{group}-{number}", attempt=1, not_before=due_at, queue_group=group)
        for number in range(count)
    ]
    platform.queue.send_each(messages)


def receive(platform: PostgresPlatform, most: int = 10) -> list[Delivery]:
    return platform.task_reader.receive(most=most, visibility=MINUTES)


def groups(deliveries: Iterable[Delivery]) -> Counter[str]:
    return Counter(from_text(delivery.body).queue_group for delivery in deliveries)


def test_one_message_does_not_wait_for_the_many_of_another_group(platform: PostgresPlatform) -> None:
    send(platform, "A", 500)
    send(platform, "B", 1)
    assert groups(receive(platform)) == {"A": 9, "B": 1}


@pytest.mark.parametrize("number", [2, 3, 6, 7, 9, 10, 11, 12, 25])
def test_groups_with_much_to_do_have_equal_shares(platform: PostgresPlatform, number: int) -> None:
    for index in range(number):
        send(platform, f"g{index:02}", 100)
    shares: Counter[str] = Counter()
    for _ in range(15):
        shares += groups(receive(platform))
        counts = [shares[f"g{index:02}"] for index in range(number)]
        assert max(counts) - min(counts) <= 1
    assert shares.total() == 150


@pytest.mark.parametrize("number", range(5, 12))
def test_one_message_does_not_wait_for_the_many_of_several_groups(platform: PostgresPlatform, number: int) -> None:
    for index in range(number):
        send(platform, f"flood{index:02}", 100)
    send(platform, "one", 1)
    received = [delivery for _ in range(2) for delivery in receive(platform)]
    assert groups(received)["one"] == 1


def test_of_more_groups_than_a_batch_has_messages_each_has_its_turn(platform: PostgresPlatform) -> None:
    for number in range(25):
        send(platform, f"g{number:02}", 20)
    received = [delivery for _ in range(6) for delivery in receive(platform, most=5)]
    assert groups(received).keys() == {f"g{number:02}" for number in range(25)}


def test_a_group_with_messages_in_hand_or_due_later_goes_on(platform: PostgresPlatform) -> None:
    send(platform, "A", 3, later=True)
    send(platform, "A", 4)
    assert len(receive(platform, most=2)) == 2
    assert len(receive(platform)) == 2
    assert receive(platform) == []


def test_messages_without_a_group_are_one(platform: PostgresPlatform) -> None:
    platform.queue.send_all([TaskMessage(task_id=f"t{number}", attempt=1) for number in range(100)])
    send(platform, "A", 1)
    assert groups(receive(platform)) == {"": 9, "A": 1}


def test_what_is_due_is_found_among_many_groups_that_wait(platform: PostgresPlatform) -> None:
    for number in range(120):
        send(platform, f"a{number:03}", 1, later=True)
    send(platform, "b", 2)
    assert groups(receive(platform)) == {"b": 2}
    assert receive(platform) == []


def test_among_more_groups_than_are_looked_at_each_has_its_turn_soon(platform: PostgresPlatform) -> None:
    send(platform, "a", 200)
    for number in range(120):
        send(platform, f"b{number:03}", 1, later=True)
    send(platform, "c", 1)
    received = [delivery for _ in range(3) for delivery in receive(platform)]
    assert groups(received)["c"] == 1


def test_readers_side_by_side_receive_each_message_once(platform: PostgresPlatform) -> None:
    for group in ("A", "B", "C"):
        send(platform, group, 100)

    def work(_: int) -> list[str]:
        ids: list[str] = []
        while received := receive(platform):
            ids += [delivery.message_id for delivery in received]
            platform.task_reader.delete(delivery.receipt for delivery in received)
        return ids

    with ThreadPoolExecutor(4) as threads:
        received = [message_id for ids in threads.map(work, range(4)) for message_id in ids]
    # A reader that meets only what others hold at that moment stops early here; a host goes on.
    received += work(0)
    assert len(received) == len(set(received)) == 300


@pytest.mark.parametrize("count", [1, 3])
def test_a_message_that_is_given_back_keeps_its_group(platform: PostgresPlatform, count: int) -> None:
    send(platform, "A", count)
    platform.task_reader.give_back(delivery.receipt for delivery in receive(platform))
    rows = platform.database.rows("SELECT headers ->> 'x-pgmq-group' AS name FROM pgmq.q_task_service_tasks")
    assert [row["name"] for row in rows] == ["A"] * count
