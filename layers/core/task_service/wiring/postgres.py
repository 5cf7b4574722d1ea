"""The ports on own servers: one PostgreSQL database."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from task_service.adapters.environment_secret import EnvironmentSecret
from task_service.adapters.postgres.bodies import PostgresBodies
from task_service.adapters.postgres.clock import DatabaseClock
from task_service.adapters.postgres.database import Database
from task_service.adapters.postgres.idempotency_keys import PostgresIdempotencyKeys
from task_service.adapters.postgres.listener import Listener
from task_service.adapters.postgres.lists import PostgresTaskLists
from task_service.adapters.postgres.notifications import Notifier
from task_service.adapters.postgres.queue import (
    DEAD_EVENTS,
    DEAD_LETTERS,
    EVENTS,
    TASKS,
    UNREADABLE,
    PostgresTaskQueue,
    PostgresUnreadableMessages,
)
from task_service.adapters.postgres.queue_reader import QueueReader
from task_service.adapters.postgres.retention import Retention
from task_service.adapters.postgres.search import PostgresSearch
from task_service.adapters.postgres.tasks import PostgresTasks
from task_service.adapters.postgres.templates import PostgresTemplates
from task_service.domain.template import TemplateKind

if TYPE_CHECKING:
    from task_service.wiring.identity_settings import OAuthSettings
    from task_service.wiring.settings import Settings

TASK_RECEIVES = 5
"""So often a task's message is received; then the failures function gets it. As in template.yaml."""

EVENT_RECEIVES = 1_000
"""The same for an event, which fails for reasons of ours only."""


@dataclass(frozen=True, kw_only=True)
class PostgresPlatform:
    """The ports of one database, and what the host needs beside them: the readers of the queues, and retention."""

    database: Database
    listening: Database | None = None
    """The database as it is reached without a pooler in transaction mode; None: as ever."""
    client_secret: str = field(default="", repr=False)
    """Of our OAuth client."""

    @cached_property
    def clock(self) -> DatabaseClock:
        """The database's clock."""
        return DatabaseClock(self.database)

    @cached_property
    def notifier(self) -> Notifier:
        """Wakes readers."""
        return Notifier(self.database)

    @cached_property
    def listener(self) -> Listener:
        """Is woken."""
        return Listener(self.listening or self.database)

    @cached_property
    def tasks(self) -> PostgresTasks:
        """The tasks."""
        return PostgresTasks(database=self.database)

    @cached_property
    def lists(self) -> PostgresTaskLists:
        """The task lists."""
        return PostgresTaskLists(database=self.database)

    @cached_property
    def search(self) -> PostgresSearch:
        """Finds tasks and lists."""
        return PostgresSearch(database=self.database)

    @cached_property
    def keys(self) -> PostgresIdempotencyKeys:
        """The idempotency keys."""
        return PostgresIdempotencyKeys(database=self.database)

    @cached_property
    def queue(self) -> PostgresTaskQueue:
        """The task queue."""
        return PostgresTaskQueue(database=self.database, notifier=self.notifier)

    @cached_property
    def unreadable(self) -> PostgresUnreadableMessages:
        """The texts of the task queue that are no message."""
        return PostgresUnreadableMessages(database=self.database)

    @cached_property
    def bodies(self) -> PostgresBodies:
        """Bodies and results."""
        return PostgresBodies(database=self.database)

    @property
    def task_templates(self) -> PostgresTemplates:
        """The task templates."""
        return PostgresTemplates(database=self.database, kind=TemplateKind.TASK)

    @property
    def list_templates(self) -> PostgresTemplates:
        """The task list templates."""
        return PostgresTemplates(database=self.database, kind=TemplateKind.TASK_LIST)

    @property
    def event_tasks(self) -> PostgresTemplates:
        """The event tasks."""
        return PostgresTemplates(database=self.database, kind=TemplateKind.EVENT_TASK)

    @property
    def policies(self) -> PostgresTemplates:
        """The policies that are evaluated here."""
        return PostgresTemplates(database=self.database, kind=TemplateKind.POLICY)

    def unit_of_work(self) -> AbstractContextManager[None]:
        """A transaction of this thread."""
        return self.database.unit_of_work()

    def secret(self, oauth: OAuthSettings) -> EnvironmentSecret:
        """The secret of the OAuth client."""
        return EnvironmentSecret(self.client_secret)

    def impatient(self) -> PostgresPlatform:
        """The same records over the same connections, with statements that are given up soon."""
        return replace(self, database=self.database.impatient())

    # -- for the host

    @cached_property
    def task_reader(self) -> QueueReader:
        """Receives the task queue's messages, for the executor."""
        return replace(self._reader(TASKS, DEAD_LETTERS, TASK_RECEIVES), in_turn=True)

    @cached_property
    def dead_letter_reader(self) -> QueueReader:
        """Receives the dead letters, for the failures function."""
        return self._reader(DEAD_LETTERS)

    @cached_property
    def event_reader(self) -> QueueReader:
        """Receives the event queue's messages, for the events function."""
        return self._reader(EVENTS, DEAD_EVENTS, EVENT_RECEIVES)

    @cached_property
    def dead_event_reader(self) -> QueueReader:
        """The events that could not be handled; nothing receives them, its depth is a metric."""
        return self._reader(DEAD_EVENTS)

    @cached_property
    def unreadable_reader(self) -> QueueReader:
        """The messages that could not be read; nothing receives them, its depth is a metric."""
        return self._reader(UNREADABLE)

    def retention(self, keep: timedelta) -> Retention:
        """Removes what is past its retention."""
        return Retention(database=self.database, keep=keep)

    def close(self) -> None:
        """Wake what waits, send the last notifications, and close all connections."""
        self.listener.stop()
        self.notifier.stop()
        self.database.close()

    def _reader(self, queue: str, dead_letters: str | None = None, most_receives: int = 0) -> QueueReader:
        return QueueReader(
            database=self.database,
            queue=queue,
            clock=self.clock,
            listener=self.listener,
            notifier=self.notifier,
            dead_letters=dead_letters,
            most_receives=most_receives,
        )


def on_database(settings: Settings) -> PostgresPlatform:
    """The platform of a deployment on own servers."""
    size = settings.database_pool_size
    listening = settings.listen_database_url
    return PostgresPlatform(
        database=Database(conninfo=settings.database_url, pool_size=size),
        listening=Database(conninfo=listening) if listening else None,
        client_secret=settings.client_secret,
    )
