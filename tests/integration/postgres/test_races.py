"""Many at once: one claim wins, one reader gets a message, one host removes what is old."""

import multiprocessing
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from task_service.adapters.postgres.database import Database
from task_service.domain.messages import TaskMessage, from_text
from task_service.domain.outcome import Handled
from task_service.domain.task import State
from task_service.testing import ScriptedOutside
from task_service.wiring.postgres import PostgresPlatform
from task_service.wiring.services import Services
from task_service.wiring.settings import Settings
from tests.integration.postgres.conftest import Host
from tests.support.builders import order, stored_template, task

LONG = timedelta(minutes=1)
ITEMS = 500


def claim_all(url: str, holder: str, start: Any, won: Any) -> None:
    """Claim every task, in a process of its own; tells which claims were won."""
    platform = PostgresPlatform(database=Database(conninfo=url))
    platform.tasks.ping()
    start.wait()
    mine = []
    for number in range(ITEMS):
        message = TaskMessage(task_id=str(number), attempt=1)
        now = platform.clock()
        if platform.tasks.claim(message, now=now, lease_until=now + LONG, holder=f"{holder} {number}").won:
            mine.append(number)
    won.put(mine)
    platform.close()


def test_of_six_processes_that_claim_every_task_one_wins_each(platform: PostgresPlatform, url: str) -> None:
    with platform.unit_of_work():
        for number in range(ITEMS):
            platform.tasks.add(task(str(number)))
    processes = multiprocessing.get_context("spawn")
    start, won = processes.Barrier(6), processes.Queue()
    racers = [processes.Process(target=claim_all, args=(url, str(number), start, won)) for number in range(6)]
    for racer in racers:
        racer.start()
    wins = [won.get(timeout=120) for _ in racers]
    for racer in racers:
        racer.join()
    assert sorted(number for mine in wins for number in mine) == list(range(ITEMS))


def test_of_twenty_executors_on_one_queue_none_runs_what_another_does(host: Host) -> None:
    hosts = [host(pool_size=5) for _ in range(4)]
    with hosts[0].unit_of_work():
        for number in range(ITEMS):
            hosts[0].tasks.add(task(str(number)))
        hosts[0].queue.send_all([TaskMessage(task_id=str(number), attempt=1) for number in range(ITEMS)])
    received: Counter[str] = Counter()
    lock = threading.Lock()

    def work(platform: PostgresPlatform) -> None:
        services = Services(settings=Settings({}), platform=platform, outside=ScriptedOutside())
        while messages := platform.task_reader.receive(most=7, visibility=LONG):
            for message in messages:
                with lock:
                    received[message.body] += 1
                step = services.message_handler.handle(
                    from_text(message.body), receipt=message.receipt, deadline=platform.clock() + LONG
                )
                assert step.handled is Handled.DELETE
            assert platform.task_reader.delete(message.receipt for message in messages) == len(messages)

    with ThreadPoolExecutor(20) as executors:
        for executor in [executors.submit(work, hosts[number % 4]) for number in range(20)]:
            executor.result()
    assert len(received) == ITEMS
    assert set(received.values()) == {1}
    rows = hosts[0].database.rows("SELECT state, count(*) AS number FROM task_service.tasks GROUP BY state")
    assert rows == [{"state": State.DONE.value, "number": ITEMS}]
    depth = hosts[0].task_reader.depth()
    assert (depth.waiting, depth.hidden) == (0, 0)


def test_a_message_that_was_sent_to_two_queues_of_readers_starts_its_task_once(host: Host) -> None:
    one, other = host(), host()
    for number in range(50):
        one.tasks.add(task(str(number)))
        one.queue.send_all([TaskMessage(task_id=str(number), attempt=1)] * 2)
    started: list[str] = []

    def work(platform: PostgresPlatform) -> None:
        while messages := platform.task_reader.receive(most=3, visibility=LONG):
            for message in messages:
                now = platform.clock()
                claim = platform.tasks.claim(
                    TaskMessage(task_id=message.body.split('"')[3], attempt=1),
                    now=now,
                    lease_until=now + LONG,
                    holder=message.receipt,
                )
                if claim.won and claim.task is not None:
                    started.append(claim.task.id)

    with ThreadPoolExecutor(8) as executors:
        list(executors.map(work, [one, other] * 4))
    assert sorted(started, key=int) == [str(number) for number in range(50)]


def test_one_host_at_a_time_removes_what_is_old(host: Host) -> None:
    one, other = host(), host()
    old = one.clock() - timedelta(days=31)
    for number in range(20):
        one.tasks.add(task(str(number), created_at=old, expires_at=old + timedelta(days=30)))
    with one.unit_of_work():
        assert one.retention(timedelta(days=30)).remove_some() == 20
        # The lock is the other's until its transaction ends.
        assert other.retention(timedelta(days=30)).remove_some() == 0
    assert other.tasks.get("0") is None


def test_an_idempotency_key_that_many_use_at_once_makes_one_task(host: Host) -> None:
    hosts = [host(pool_size=4) for _ in range(2)]
    hosts[0].task_templates.put(stored_template(), if_match=None, if_new=True)
    start = threading.Barrier(8)

    def create(platform: PostgresPlatform) -> tuple[str, bool]:
        services = Services(settings=Settings({}), platform=platform, outside=ScriptedOutside())
        start.wait()
        return services.keyed_creator.create(services.task_creator, "key", "task", order())

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(create, hosts * 4))
    assert len({task_id for task_id, _ in answers}) == 1
    assert [is_new for _, is_new in answers].count(True) == 1
    rows = hosts[0].database.rows("SELECT count(*) AS number FROM task_service.tasks")
    assert rows == [{"number": 1}]
