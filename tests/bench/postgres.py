"""What the PostgreSQL adapters take, with a write to the disk for every commit; nothing else runs beside them.

    PYTHONPATH=layers/core python -m tests.bench.postgres

Every commit waits for the disk, so the first row says how long one takes: figures of two machines, or of two moments of
a machine that others use too, compare only with that.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final
from uuid import uuid4

from task_service.adapters.postgres.database import Database
from task_service.domain.limits import MAX_BATCH
from task_service.domain.messages import TaskMessage, from_text, message_of
from task_service.domain.retry import Done
from task_service.domain.search import Filter
from task_service.domain.task import Body, State, Task
from task_service.domain.template import TaskTemplate
from task_service.wiring.postgres import PostgresPlatform
from tests.bench.table import Row, percentile, render
from tests.support.postgres import Server

LONG: Final = timedelta(minutes=5)
BATCH: Final = 10
FEW, MANY, MOST = 100, 100_000, 1_000_000
NAMES: Final = 5

TEMPLATE: Final = TaskTemplate.from_text(
    '{"name": "bench-0", "url": "http://127.0.0.1:9/", "method": "POST", "headers": {"Accept": "application/json"}}'
)

# As they are a day after they were created: one of twenty has failed, the names take turns.
FILL: Final = """
    INSERT INTO task_service.tasks
        (id, name, template, request, state, attempt, created_at, expires_at, started_at, finished_at, holder,
         response_code, result, error, in_list)
    SELECT gen_random_uuid(), 'bench-' || number %% %(names)s, %(template)s, '{"n":' || number || '}',
        CASE WHEN number %% 20 = 0 THEN 'failed' ELSE 'done' END, 1, at, at + interval '30 days', at, at,
        md5(number::text), 200,
        CASE WHEN number %% 20 > 0 THEN '{"greeting":"hello","n":' || number || '}' END,
        CASE WHEN number %% 20 = 0 THEN 'the target answered 500' END, false
    FROM (
        SELECT number, clock_timestamp() - interval '1 day' + number * interval '50 milliseconds' AS at
        FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS number
    ) AS numbers
"""

QUESTIONS: Final = {
    "all": Filter(),
    "failed": Filter(state=State.FAILED),
    "of one name": Filter(name="bench-1"),
    "failed, of one name": Filter(state=State.FAILED, name="bench-0"),
    "pending, of which there are none": Filter(state=State.PENDING),
    "of a name that none has": Filter(name="nothing"),
}


def main() -> None:
    """Measure, and print the table."""
    print(render("PostgreSQL", measured()))


def measured() -> list[Row]:
    """The figures, of a server that is started for them."""
    server = Server()
    try:
        with server.database() as url:
            platform = PostgresPlatform(database=Database(conninfo=url))
            found = list(rows(platform))
            platform.close()
            return found
    finally:
        server.stop()


def rows(platform: PostgresPlatform) -> Iterator[Row]:
    """The figures of an empty database, which has a million tasks in the end."""
    platform.tasks.ping()
    commits = durations(200, lambda: platform.database.rows("SELECT pg_logical_emit_message(true, '', '')"))
    yield Row("a commit of nothing else", summary(commits))
    yield Row("create, idle: record and message", summary(durations(500, lambda: create(platform))))
    for threads in (1, 4):
        yield Row(f"create, {threads} at once", rate(2_000, side_by_side(threads, 2_000, lambda: create(platform))))
    yield Row(f"create, in batches of {MAX_BATCH}", rate(10_000, side_by_side(1, 100, lambda: create_many(platform))))
    platform.database.rows("TRUNCATE pgmq.q_task_service_tasks, task_service.tasks")
    side_by_side(4, 4_000, lambda: create(platform))
    for threads in (1, 4):
        yield Row(f"receive, claim, finish, delete; {threads} at once", rate(2_000, work_off(platform, threads, 2_000)))
    yield Row("sent until received by a reader that waits", summary(woken(platform, 100)))
    yield from flat(platform)
    yield from bloat(platform)


def create(platform: PostgresPlatform) -> None:
    """Create a task as the api function does."""
    created = new_task(platform)
    with platform.unit_of_work():
        platform.tasks.add(created)
        platform.queue.send(message_of(created))


def create_many(platform: PostgresPlatform) -> None:
    """Create a batch of tasks as the api function does."""
    created = [new_task(platform) for _ in range(MAX_BATCH)]
    with platform.unit_of_work():
        platform.tasks.add_all(created)
        platform.queue.send_each([message_of(task) for task in created])


def new_task(platform: PostgresPlatform) -> Task:
    """A task that has not been written."""
    now = platform.clock()
    return Task(
        id=str(uuid4()),
        name="bench-0",
        template=TEMPLATE,
        request=Body(text='{"n":1}'),
        state=State.CREATED,
        attempt=1,
        created_at=now,
        expires_at=now + timedelta(days=30),
    )


def work_off(platform: PostgresPlatform, threads: int, tasks: int) -> float:
    """Run so many of the created tasks, without calling anything; returns the seconds."""

    def work() -> None:
        messages = platform.task_reader.receive(most=BATCH, visibility=LONG)
        for received in messages:
            message = from_text(received.body)
            assert isinstance(message, TaskMessage)
            now = platform.clock()
            claim = platform.tasks.claim(message, now=now, lease_until=now + LONG, holder=uuid4().hex)
            assert claim.task is not None
            result = Body(text='{"greeting":"hello"}')
            platform.tasks.finish(claim.task, Done(result="", response_code=200), result=result, now=now)
        assert platform.task_reader.delete(received.receipt for received in messages) == BATCH

    return side_by_side(threads, tasks // BATCH, work)


def woken(platform: PostgresPlatform, times: int) -> list[float]:
    """Seconds from before a message is sent until a reader that waits has it."""
    while platform.task_reader.receive(most=1_000, visibility=timedelta(days=1)):
        continue
    taken: list[float] = []
    received = threading.Semaphore(0)

    def read() -> None:
        for _ in range(times):
            while not platform.task_reader.receive(most=1, visibility=timedelta(days=1), wait=LONG):
                continue
            taken.append(time.perf_counter())
            received.release()

    reader = threading.Thread(target=read)
    reader.start()
    sent: list[float] = []
    for _ in range(times):
        # The reader is to be waiting when the message comes.
        time.sleep(0.02)
        sent.append(time.perf_counter())
        platform.queue.send(TaskMessage(task_id="-", attempt=1))
        received.acquire()
    reader.join()
    return [end - start for start, end in zip(sent, taken, strict=True)]


def flat(platform: PostgresPlatform) -> Iterator[Row]:
    """What a task and a page take among few and among many records."""
    platform.database.rows("TRUNCATE task_service.tasks")
    platform.database.rows("TRUNCATE pgmq.q_task_service_tasks")
    stored = 0
    per_task: dict[int, float] = {}
    for number in (FEW, MANY, MOST):
        fill(platform, stored + 1, number)
        stored = number
        lives = durations(30, lambda: life(platform))
        per_task[number] = percentile(lives, 50)
        yield Row(
            f"create to done and deleted, among {number:,}",
            summary(lives),
            "" if number == FEW else f"{per_task[number] / per_task[FEW]:.2f} times that among {FEW}, aim 1.3",
        )
        if number > FEW:
            for name, wanted in QUESTIONS.items():
                pages = durations(50, lambda wanted=wanted: page(platform, wanted))  # type: ignore[misc]
                yield Row(f"page of 20, {name}, among {number:,}", summary(pages), "p50 < 20 ms")


def life(platform: PostgresPlatform) -> None:
    """Ten tasks, one after the other, then their batch."""
    for _ in range(BATCH):
        create(platform)
    work_off(platform, 1, BATCH)


def page(platform: PostgresPlatform, wanted: Filter) -> None:
    """The first page of what is wanted."""
    platform.search.tasks(wanted, limit=20, before=None, now=platform.clock())


def fill(platform: PostgresPlatform, first: int, last: int) -> None:
    """Write these records, and let PostgreSQL look at them as autovacuum would."""
    operator = platform.database.connect()
    values = {"names": NAMES, "template": TEMPLATE.document}
    for start in range(first, last + 1, MANY):
        operator.execute(FILL, {**values, "first": start, "last": min(start + MANY - 1, last)})
    operator.execute("VACUUM ANALYZE task_service.tasks")
    operator.execute("CHECKPOINT")
    operator.close()


def bloat(platform: PostgresPlatform) -> Iterator[Row]:
    """How large the table gets where every day as much ends as is created, and how long removing takes."""
    yield Row(f"table and indexes of {MOST:,} tasks", size(platform))
    day = MOST // 30
    operator = platform.database.connect()
    retention = platform.retention(timedelta(days=30))
    removing: list[float] = []
    for _ in range(10):
        operator.execute(
            "UPDATE task_service.tasks SET expires_at = clock_timestamp() WHERE id IN "
            "(SELECT id FROM task_service.tasks ORDER BY created_at LIMIT %(day)s)",
            {"day": day},
        )
        removed = 1
        while removed:
            started = time.perf_counter()
            removed = retention.remove_some()
            removing.append(time.perf_counter() - started)
        operator.execute("VACUUM task_service.tasks")
        fill(platform, 1, day)
    operator.close()
    yield Row("the same after ten days of retention", size(platform))
    yield Row("removing 1,000 of them", summary(removing))


def size(platform: PostgresPlatform) -> str:
    """The size of the tasks' table, with its indexes and what was moved out of its rows."""
    [row] = platform.database.rows(
        "SELECT pg_total_relation_size('task_service.tasks') / 1e6 AS all, "
        "pg_indexes_size('task_service.tasks') / 1e6 AS indexes"
    )
    return f"{row['all']:.0f} MB, indexes {row['indexes']:.0f} MB"


def durations(times: int, work: Callable[[], object]) -> list[float]:
    """Seconds that each of so many repetitions took."""
    taken: list[float] = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return taken


def side_by_side(threads: int, times: int, work: Callable[[], object]) -> float:
    """Seconds in which that many threads have done the work so many times."""
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work) for _ in range(times)]:
            done.result()
    return time.perf_counter() - started


def summary(taken: list[float]) -> str:
    """Median and 99th percentile, in milliseconds with two decimals."""
    return f"p50 {percentile(taken, 50) * 1000:.2f} ms, p99 {percentile(taken, 99) * 1000:.2f} ms, n {len(taken)}"


def rate(number: int, seconds: float) -> str:
    """So many a second."""
    return f"{number / seconds:.0f}/s"


if __name__ == "__main__":
    main()
