"""The composition root: makes the use cases of the settings, which `settings` reads from the environment.

A module that only some requests need is imported where it is used: a cold start pays for every module that it imports.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

from task_service.adapters.template_cache import TemplateCache
from task_service.domain.template import TaskTemplate, TemplateKind
from task_service.usecases.check_readiness import ReadinessCheck
from task_service.usecases.create_task import TaskCreator
from task_service.usecases.edit_templates import TemplateEditor, Validate
from task_service.usecases.read_task import TaskReader
from task_service.wiring.settings import Settings

if TYPE_CHECKING:
    from task_service.domain.event_task import EventTask
    from task_service.domain.policy import Policy
    from task_service.domain.task_list import TaskListTemplate
    from task_service.entrypoints.queues.task_batch import Queues
    from task_service.ports import Clock, Draw, Pause, PolicyCompiler, Templates
    from task_service.usecases.authorize import Authorizer
    from task_service.usecases.cancel import Canceller
    from task_service.usecases.create_batch import BatchCreator
    from task_service.usecases.create_list import ListCreator
    from task_service.usecases.create_once import KeyedCreator
    from task_service.usecases.edit_event_tasks import EventTaskEditor
    from task_service.usecases.handle_dead_letter import DeadLetterHandler
    from task_service.usecases.handle_event import EventHandler
    from task_service.usecases.handle_message import MessageHandler
    from task_service.usecases.notify_failure import FailureNotifier
    from task_service.usecases.read_list import ListReader
    from task_service.usecases.replay import Replayer
    from task_service.usecases.replay_many import BulkReplayer
    from task_service.usecases.run_list import ListRunner
    from task_service.usecases.run_task import TaskRunner
    from task_service.usecases.search import Searcher
    from task_service.usecases.wait import Waiter
    from task_service.usecases.write_cache import CacheWriter
    from task_service.wiring.outside import Outside
    from task_service.wiring.platform import Platform

T = TypeVar("T")

EXECUTOR_MARGIN: Final = timedelta(seconds=10)
"""Part of the executor's time that no call may take: for starting it, and for writing down how it ended."""


def utc_now() -> datetime:
    """The current time."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Services:
    """The use cases of a process, each made when it is first used.

    A test passes the ports that it wants to see: `testing.platform` and `testing.outside` have fakes of all of them.
    """

    settings: Settings
    platform: Platform
    outside: Outside | None = None
    """None: the real ones, made of the settings."""
    draw: Draw = random.random
    pause: Pause = time.sleep

    @property
    def clock(self) -> Clock:
        """The clock of everything in here: leases of this process are compared with those of others."""
        return self.platform.clock

    # -- tasks and lists

    @cached_property
    def task_creator(self) -> TaskCreator:
        """Creates tasks."""
        return TaskCreator(
            templates=self._task_templates,
            tasks=self.platform.tasks,
            queue=self.platform.queue,
            unit_of_work=self.platform.unit_of_work,
            bodies=self.platform.bodies,
            clock=self.clock,
            retention=self.settings.retention,
            starts_traces=self.settings.trace_new,
        )

    @cached_property
    def batch_creator(self) -> BatchCreator:
        """Creates many tasks."""
        from task_service.usecases.create_batch import BatchCreator

        return BatchCreator(creator=self.task_creator, keyed=self.keyed_creator)

    @cached_property
    def list_creator(self) -> ListCreator:
        """Creates task lists."""
        from task_service.usecases.create_list import ListCreator

        return ListCreator(
            list_templates=self._list_templates,
            task_templates=self._task_templates,
            lists=self.platform.lists,
            queue=self.platform.queue,
            unit_of_work=self.platform.unit_of_work,
            bodies=self.platform.bodies,
            clock=self.clock,
            retention=self.settings.retention,
            starts_traces=self.settings.trace_new,
        )

    @cached_property
    def keyed_creator(self) -> KeyedCreator:
        """Creates tasks and task lists with an idempotency key."""
        from task_service.usecases.create_once import KeyedCreator

        return KeyedCreator(
            keys=self.platform.keys,
            queue=self.platform.queue,
            unit_of_work=self.platform.unit_of_work,
            clock=self.clock,
            keep=min(self.settings.idempotency, self.settings.retention),
        )

    @cached_property
    def task_reader(self) -> TaskReader:
        """Reads tasks."""
        return TaskReader(
            tasks=self.platform.tasks,
            lists=lambda: self.list_reader,
            bodies=self.platform.bodies,
            clock=self.clock,
        )

    @cached_property
    def list_reader(self) -> ListReader:
        """Reads task lists."""
        from task_service.usecases.read_list import ListReader

        return ListReader(lists=self.platform.lists, bodies=self.platform.bodies, clock=self.clock)

    @cached_property
    def waiter(self) -> Waiter:
        """Waits for tasks and lists to end."""
        from task_service.usecases.wait import Waiter

        platform = self.platform.impatient()
        lists = replace(self.list_reader, lists=platform.lists, bodies=platform.bodies)
        tasks = replace(self.task_reader, tasks=platform.tasks, lists=lambda: lists, bodies=platform.bodies)
        return Waiter(tasks=tasks, lists=lists, clock=self.clock, pause=self.pause)

    @cached_property
    def canceller(self) -> Canceller:
        """Cancels tasks and task lists."""
        from task_service.usecases.cancel import Canceller

        return Canceller(
            tasks=self.platform.tasks,
            lists=self.platform.lists,
            reading=self.task_reader,
            bodies=self.platform.bodies,
            queue=self.platform.queue,
            clock=self.clock,
            notifier=self._failure_notifier,
        )

    @cached_property
    def replayer(self) -> Replayer:
        """Starts failed tasks and task lists again."""
        from task_service.usecases.replay import Replayer

        return Replayer(
            tasks=self.platform.tasks,
            lists=self.platform.lists,
            reading=self.task_reader,
            queue=self.platform.queue,
            unit_of_work=self.platform.unit_of_work,
            clock=self.clock,
            notifier=self._failure_notifier,
        )

    @cached_property
    def bulk_replayer(self) -> BulkReplayer:
        """Starts again what has failed and fits a filter."""
        from task_service.usecases.replay_many import BulkReplayer

        return BulkReplayer(searcher=self.searcher, replayer=self.replayer)

    @cached_property
    def searcher(self) -> Searcher:
        """Finds tasks and task lists."""
        from task_service.usecases.search import Searcher

        return Searcher(records=self.platform.search, clock=self.clock)

    # -- templates

    @cached_property
    def task_templates(self) -> TemplateEditor:
        """Writes and reads task templates."""

        longest = self.settings.executor_timeout - EXECUTOR_MARGIN

        def validate(name: str, payload: str) -> Mapping[str, Any]:
            from task_service.schemas.template import validate_task_template

            return validate_task_template(name, payload, longest_timeout=longest)

        return self._editor(TemplateKind.TASK, self.platform.task_templates, self._task_templates, validate)

    @cached_property
    def list_templates(self) -> TemplateEditor:
        """Writes and reads task list templates."""

        def validate(name: str, payload: str) -> Mapping[str, Any]:
            from task_service.schemas.template import validate_list_template

            return validate_list_template(name, payload)

        return self._editor(TemplateKind.TASK_LIST, self.platform.list_templates, self._list_templates, validate)

    @cached_property
    def policies(self) -> TemplateEditor:
        """Writes and reads policies that are evaluated here."""

        def validate(name: str, payload: str) -> Mapping[str, Any]:
            from task_service.domain.policy import Policy
            from task_service.schemas.policy import validate_policy

            document = validate_policy(name, payload)
            self.policy_compiler.check(name, Policy.from_document(document))
            return document

        return self._editor(TemplateKind.POLICY, self.platform.policies, self._policies, validate)

    @property
    def policy_compiler(self) -> PolicyCompiler:
        """Compiles policies that are to be written."""
        return self._outside.compiler

    @cached_property
    def event_tasks(self) -> EventTaskEditor:
        """Writes and reads event tasks."""
        from task_service.usecases.edit_event_tasks import EventTaskEditor

        def validate(name: str, payload: str) -> Mapping[str, Any]:
            from task_service.schemas import event_task

            return event_task.validate(name, payload)

        def identify(payload: str) -> str:
            from task_service.schemas import event_task

            return event_task.identify(payload)

        templates = self._editor(TemplateKind.EVENT_TASK, self.platform.event_tasks, self._event_tasks, validate)
        return EventTaskEditor(templates=templates, identify=identify)

    # -- requests

    @cached_property
    def authorizer(self) -> Authorizer | None:
        """Lets requests in; None: all of them."""
        tokens = self._outside.tokens
        if tokens is None or self.settings.auth is None:
            return None
        from task_service.usecases.authorize import Authorizer

        return Authorizer(tokens=tokens, admin_scope=self.settings.auth.admin_scope)

    @cached_property
    def readiness(self) -> ReadinessCheck:
        """Tells whether the service can work."""
        return ReadinessCheck(tasks=self.platform.tasks, queue=self.platform.queue)

    # -- queues

    @cached_property
    def batch_queues(self) -> Queues:
        """The queues that a batch of messages needs beside its own."""
        from task_service.entrypoints.queues.task_batch import Queues

        return Queues(tasks=self.platform.queue, unreadable=self.platform.unreadable)

    @cached_property
    def message_handler(self) -> MessageHandler:
        """Handles the messages of the task queue."""
        from task_service.usecases.handle_message import MessageHandler

        return MessageHandler(
            tasks=self._task_runner,
            lists=self._list_runner,
            canceller=self.canceller,
            cache=self._cache_writer,
            notifier=self._failure_notifier,
            dead_letters=self.dead_letter_handler,
            queue=self.platform.queue,
            clock=self.clock,
            pause=self.pause,
        )

    @cached_property
    def dead_letter_handler(self) -> DeadLetterHandler:
        """Handles dead letters."""
        from task_service.usecases.handle_dead_letter import DeadLetterHandler

        return DeadLetterHandler(
            tasks=self.platform.tasks,
            queue=self.platform.queue,
            lists=self._list_runner,
            clock=self.clock,
            notifier=self._failure_notifier,
        )

    @cached_property
    def event_handler(self) -> EventHandler:
        """Handles the messages of the event queue."""
        from task_service.usecases.handle_event import EventHandler

        return EventHandler(
            event_tasks=self._event_tasks,
            task_templates=self._task_templates,
            creator=self.task_creator,
            queue=self.platform.queue,
        )

    @cached_property
    def _task_runner(self) -> TaskRunner:
        from task_service.usecases.run_task import TaskRunner
        from task_service.wiring.outside import USER_AGENT

        return TaskRunner(
            tasks=self.platform.tasks,
            queue=self.platform.queue,
            bodies=self.platform.bodies,
            target=self._outside.target,
            policies=self._outside.policies,
            clock=self.clock,
            draw=self.draw,
            pause=self.pause,
            default_max_attempts=1 + self.settings.max_task_retries,
            user_agent=USER_AGENT,
        )

    @cached_property
    def _list_runner(self) -> ListRunner:
        from task_service.usecases.run_list import ListRunner

        return ListRunner(
            lists=self.platform.lists,
            tasks=self.platform.tasks,
            queue=self.platform.queue,
            bodies=self.platform.bodies,
            policies=self._outside.policies,
            runner=self._task_runner,
            clock=self.clock,
            cache=self._cache_writer,
            notifier=self._failure_notifier,
        )

    @cached_property
    def _failure_notifier(self) -> FailureNotifier:
        from task_service.usecases.notify_failure import FailureNotifier

        return FailureNotifier(
            creator=self.task_creator,
            tasks=self.platform.tasks,
            queue=self.platform.queue,
            unit_of_work=self.platform.unit_of_work,
        )

    @cached_property
    def _cache_writer(self) -> CacheWriter:
        from task_service.usecases.write_cache import CacheWriter

        return CacheWriter(
            cache=self._outside.cache,
            tasks=self.platform.tasks,
            lists=self.list_reader,
            bodies=self.platform.bodies,
            queue=self.platform.queue,
            clock=self.clock,
            draw=self.draw,
        )

    # -- parts

    @cached_property
    def _outside(self) -> Outside:
        if self.outside is not None:
            return self.outside
        from task_service.wiring.outside import RealOutside

        return RealOutside(
            settings=self.settings, platform=self.platform, stored_policies=lambda: self._policies, clock=self.clock
        )

    def _editor(
        self, noun: str, templates: Templates, cached: TemplateCache[Any], validate: Validate
    ) -> TemplateEditor:
        writes = self.settings.template_writes
        return TemplateEditor(noun=noun, templates=templates, cache=cached, writes=writes, validate=validate)

    @cached_property
    def _task_templates(self) -> TemplateCache[TaskTemplate]:
        return self._cached(self.platform.task_templates, TaskTemplate.from_text)

    @cached_property
    def _list_templates(self) -> TemplateCache[TaskListTemplate]:
        from task_service.domain.task_list import TaskListTemplate

        return self._cached(self.platform.list_templates, TaskListTemplate.from_text)

    @cached_property
    def _event_tasks(self) -> TemplateCache[EventTask]:
        from task_service.domain.event_task import EventTask

        return self._cached(self.platform.event_tasks, EventTask.from_text)

    @cached_property
    def _policies(self) -> TemplateCache[Policy]:
        from task_service.domain.policy import Policy

        return self._cached(self.platform.policies, Policy.from_text)

    def _cached(self, templates: Templates, parse: Callable[[str], T]) -> TemplateCache[T]:
        keep = self.settings.template_cache
        return TemplateCache(templates=templates, parse=parse, clock=self.clock, keep=keep)


@cache
def services() -> Services:
    """The services of this process, made by its environment on the first call."""
    return from_settings(Settings.from_environment(os.environ))


def from_settings(settings: Settings) -> Services:
    """The services of a deployment, on the platform that its settings name."""
    return Services(settings=settings, platform=_platform(settings))


def _platform(settings: Settings) -> Platform:
    if settings.database_url:
        from task_service.wiring.postgres import on_database

        return on_database(settings)
    from task_service.wiring.aws import AwsPlatform

    return AwsPlatform(
        table=settings.table,
        queue_url=settings.queue_url,
        unreadable_queue_url=lambda: settings.unreadable_queue_url,
        bucket=settings.bucket,
        clock=utc_now,
    )
