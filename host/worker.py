"""A worker process: receives messages, calls the function that handles them, and deletes those that are handled.

A worker receives no more than it has threads for, so a message in hand is worked on, and nobody waits for it. A tasks'
message is a batch of its own: a slow target holds up no neighbour. Events come in batches, because the events function
writes the tasks of a batch together.

    receive ─┬─► thread ─► handler ─┬─ handled ───────► deleted, many at a time
             │                      ├─ to come again ─► its visibility ends, or the executor has postponed it
             │                      └─ worker stops ──► given back: another worker receives it at once
             └─► may have crashed a worker: handled in a process of its own (`isolation`)
"""

import logging
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from host import heartbeat, telemetry
from host.functions import Context, load
from host.isolation import CrashedError, IsolatedExecutor, is_suspect
from host.platform import platform
from host.settings import Settings
from task_service.adapters.postgres.pace import Pace
from task_service.adapters.postgres.queue_reader import Delivery, QueueReader
from task_service.adapters.postgres.retention import Retention
from task_service.domain.errors import Unavailable
from task_service.entrypoints.telemetry import Handler
from task_service.wiring.services import services

log: Final = logging.getLogger("task")

LONGEST_WAIT: Final = timedelta(seconds=20)
"""So long one receive waits for a message."""

PAUSE: Final = 1.0
"""Seconds between two tries of a database that does not answer."""

MOST: Final = 20
"""The most messages of one receive."""

MOST_RECEIVES: Final = 50
"""So often in a second messages are received, under load; then each receive has several."""

GATHERING: Final = 0.025
"""So many seconds a message that is handled waits for others that are deleted with it."""

ISOLATED: Final = 4
"""The most processes of a worker for messages that may have crashed one; each is started when it is needed."""

SUSPECTS_PAUSE: Final = 60.0
"""Seconds without a suspect after which such a process ends."""

RETENTION_PAUSE: Final = 60.0
"""Seconds between two looks for what is past its retention."""

OVERDUE: Final = 120.0
"""Seconds after the end of its time in which a function must have returned, whatever its database does."""

DELETES: Final = 100
"""The most messages that are deleted together."""


@dataclass(kw_only=True, eq=False)
class Consumer:
    """Takes the messages of one queue to one function."""

    reader: QueueReader
    handler: Handler
    threads: int
    batch: int
    """The most messages of one invocation."""
    function_seconds: float
    """The function's timeout."""
    visibility: timedelta
    stopping: threading.Event
    isolated: Sequence[IsolatedExecutor] = ()
    """Handle the messages that may have crashed a worker; none: they are handled like others."""
    in_hand: set[str] = field(default_factory=set)
    """Receipts of messages that are worked on."""
    _begun: dict[int, float] = field(default_factory=dict)
    """When each thread that works has begun with what it has in hand."""
    _batches: "queue.SimpleQueue[list[Delivery] | None]" = field(default_factory=queue.SimpleQueue)
    _suspects: "queue.Queue[Delivery | None]" = field(default_factory=queue.Queue)
    _waiting: set[str] = field(default_factory=set)
    """Receipts of the suspects that wait for an isolated process."""
    _has_failed: bool = False
    """Whether a thread has ended that must not."""
    _handled: "queue.SimpleQueue[str | None]" = field(default_factory=queue.SimpleQueue)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pace: Pace = field(default_factory=lambda: Pace(MOST_RECEIVES))

    def run(self) -> None:
        """Receive until the worker stops, then until what is in hand is done."""
        self._free = threading.Semaphore(self.threads)
        working = [self._start(self._work_off) for _ in range(self.threads)]
        working += [self._start(self._work_off_suspects, isolated) for isolated in self.isolated]
        if self.isolated:
            self._start(self._keep_waiting)
        deleting = self._start(self._delete_handled)
        while not self.stopping.is_set():
            places = self._acquire(MOST // self.batch)
            received = self._receive(places * self.batch)
            suspects = [one for one in received if self.isolated and is_suspect(one)]
            with self._lock:
                self._waiting.update(suspect.receipt for suspect in suspects)
            for suspect in suspects:
                self._suspects.put(suspect)
            usual = [one for one in received if one not in suspects] if suspects else received
            batches = [usual[at : at + self.batch] for at in range(0, len(usual), self.batch)]
            for messages in batches:
                self._batches.put(messages)
            for _ in range(places - len(batches)):
                self._free.release()
        for _ in range(self.threads):
            self._batches.put(None)
        for _ in self.isolated:
            self._suspects.put(None)
        for thread in working:
            thread.join()
        self._handled.put(None)
        deleting.join()

    def give_back(self) -> None:
        """Give back what is still in hand, because the process ends now."""
        with self._lock:
            left = list(self.in_hand)
        if left:
            log.warning("given back", extra={"action": "stop", "queue": self.reader.queue, "messages": len(left)})
            try:
                self.reader.give_back(left)
            except Unavailable as error:
                # They come again when their visibility ends.
                log.warning(str(error), extra={"action": "stop"})

    def _start(self, work: Callable[..., None], *arguments: Any) -> threading.Thread:
        def run() -> None:
            try:
                work(*arguments)
            except Exception:
                log.exception("a thread of the worker has failed", extra={"action": "work", "queue": self.reader.queue})
                self._has_failed = True

        # A call that takes too long must not keep the process.
        thread = threading.Thread(target=run, name=self.reader.queue, daemon=True)
        thread.start()
        return thread

    def _acquire(self, most: int) -> int:
        """Take the threads that are free, at least one unless the worker stops; returns their number."""
        while not self._free.acquire(timeout=PAUSE):
            if self.stopping.is_set():
                return 0
        self._pace.keep()
        places = 1
        while places < most and self._free.acquire(blocking=False):
            places += 1
        return places

    def _receive(self, most: int) -> list[Delivery]:
        if not most:
            return []
        try:
            received = self.reader.receive(most=most, visibility=self.visibility, wait=LONGEST_WAIT)
        except Unavailable as error:
            log.warning(str(error), extra={"action": "receive", "queue": self.reader.queue})
            self.stopping.wait(PAUSE)
            return []
        with self._lock:
            self.in_hand.update(message.receipt for message in received)
        return received

    def is_broken(self) -> bool:
        """Whether a function has not returned long after its time, or a thread has failed."""
        longest = time.monotonic() - self.function_seconds - OVERDUE
        return self._has_failed or any(begun < longest for begun in list(self._begun.values()))

    def _work_off(self) -> None:
        thread = threading.get_ident()
        while (messages := self._batches.get()) is not None:
            self._begun[thread] = time.monotonic()
            self._work(messages)
            del self._begun[thread]
            self._free.release()

    def _work(self, messages: list[Delivery]) -> None:
        again = {message.message_id for message in messages}
        try:
            answer = self.handler(event_of(messages), Context(seconds=self.function_seconds))
            again = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        except Exception:
            # As on Lambda, a function that fails as a whole has handled no message.
            log.exception("the function has failed", extra={"action": "invoke", "queue": self.reader.queue})
        for message in messages:
            self._settle(message, comes_again=message.message_id in again)

    def _work_off_suspects(self, isolated: IsolatedExecutor) -> None:
        while True:
            try:
                suspect = self._suspects.get(timeout=SUSPECTS_PAUSE)
            except queue.Empty:
                isolated.end()
                continue
            if suspect is None:
                break
            if not self._has_place(isolated):
                # The worker stops, and gives it back.
                continue
            with self._lock:
                self._waiting.discard(suspect.receipt)
            about = {"action": "isolate", "message_id": suspect.message_id, "receives": suspect.receives}
            try:
                # Others may have been before it.
                self._hide([suspect.receipt])
                answer = isolated.handle(event_of([suspect]))
            except (CrashedError, Unavailable, OSError) as error:
                log.warning(str(error), extra=about)
                self._settle(suspect, comes_again=True)
            else:
                self._settle(suspect, comes_again=bool(answer["batchItemFailures"]))
        isolated.end()

    def _has_place(self, isolated: IsolatedExecutor) -> bool:
        """Return when the isolated process runs. False: the worker stops."""
        while not self.stopping.is_set():
            try:
                isolated.start()
            except OSError as error:
                # There are too many processes, or there is no memory for one more. The messages wait.
                log.warning(str(error), extra={"action": "isolate", "queue": self.reader.queue})
                self.stopping.wait(PAUSE)
            else:
                return True
        return False

    def _keep_waiting(self) -> None:
        """Hide suspects while they wait: if they were received again, that would count as a crash of each."""
        while not self.stopping.wait(self.visibility.total_seconds() / 3):
            with self._lock:
                waiting = list(self._waiting)
            try:
                self._hide(waiting)
            except Unavailable as error:
                log.warning(str(error), extra={"action": "hide", "messages": len(waiting)})

    def _hide(self, receipts: Sequence[str]) -> None:
        if receipts:
            self.reader.hide(receipts, until=self.reader.clock() + self.visibility)

    def _settle(self, message: Delivery, *, comes_again: bool) -> None:
        if comes_again:
            self._forget([message.receipt])
        else:
            self._handled.put(message.receipt)

    def _delete_handled(self) -> None:
        """Delete what is handled, under load many messages with one statement."""
        ends = False
        while not ends:
            receipts = [self._handled.get()]
            if receipts[0] is not None:
                self.stopping.wait(GATHERING)
            while len(receipts) < DELETES and not self._handled.empty():
                receipts.append(self._handled.get())
            ends = None in receipts
            handled = [receipt for receipt in receipts if receipt is not None]
            try:
                self.reader.delete(handled)
            except Unavailable as error:
                # They come again, and handling them again changes nothing.
                log.warning(str(error), extra={"action": "delete", "messages": len(handled)})
            self._forget(handled)

    def _forget(self, receipts: Iterable[str]) -> None:
        with self._lock:
            self.in_hand.difference_update(receipts)


def event_of(messages: Iterable[Delivery]) -> dict[str, Any]:
    """The event with which Lambda calls the consumer of an SQS queue."""
    return {
        "Records": [
            {
                "messageId": message.message_id,
                "receiptHandle": message.receipt,
                "body": message.body,
                "attributes": {
                    "ApproximateReceiveCount": str(message.receives),
                    "SentTimestamp": str(round(message.sent_at.timestamp() * 1_000)),
                },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
            }
            for message in messages
        ]
    }


def run(settings: Settings) -> None:
    """Work until SIGTERM, then finish what can be finished in time and give the rest back."""
    ports = platform()
    telemetry.watch_pool(ports.database.pool_stats)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    consumers = [
        Consumer(
            reader=ports.task_reader,
            handler=load("executor"),
            threads=settings.worker_concurrency,
            batch=1,
            function_seconds=settings.executor_seconds,
            visibility=timedelta(seconds=settings.visibility_seconds),
            isolated=[IsolatedExecutor(settings.executor_seconds) for _ in range(ISOLATED)],
            stopping=stopping,
        ),
        Consumer(
            reader=ports.event_reader,
            handler=load("events"),
            threads=1,
            batch=10,
            function_seconds=25,
            visibility=timedelta(seconds=30),
            stopping=stopping,
        ),
        Consumer(
            reader=ports.dead_letter_reader,
            handler=load("failures"),
            threads=1,
            batch=1,
            function_seconds=30,
            visibility=timedelta(seconds=45),
            stopping=stopping,
        ),
    ]
    # The consumers end by themselves once they are told to; a call that takes too long must not keep the process.
    runs = [threading.Thread(target=consumer.run, name=consumer.reader.queue, daemon=True) for consumer in consumers]
    retention = ports.retention(services().settings.retention)
    runs.append(threading.Thread(target=remove_expired, args=(retention, stopping), name="retention", daemon=True))
    for each in runs:
        each.start()
    # A thread that has ended, or hangs, is a fault of ours: the process ends too and is replaced.
    while not stopping.wait(heartbeat.SECONDS):
        if not all(each.is_alive() for each in runs) or any(consumer.is_broken() for consumer in consumers):
            break
        heartbeat.beat()
    failed = not stopping.is_set()
    stopping.set()
    ends = time.monotonic() + settings.stop_seconds
    ports.listener.stop()
    for each in runs:
        each.join(max(0.0, ends - time.monotonic()))
    if failed:
        # What is in hand may be why, so its receive counts, as after a crash: it comes again, and not for ever.
        raise RuntimeError("a thread of the worker has ended, or hangs")
    for consumer in consumers:
        consumer.give_back()


def remove_expired(retention: Retention, stopping: threading.Event) -> None:
    """Remove what is past its retention, a little at a time; one worker of all hosts does."""
    while not stopping.is_set():
        removed = 0
        try:
            removed = retention.remove_some()
        except Unavailable as error:
            log.warning(str(error), extra={"action": "remove expired"})
        if removed:
            log.info("removed", extra={"action": "remove expired", "records": removed})
        else:
            stopping.wait(RETENTION_PAUSE)
