"""Wiring: the only place that builds clients, and with `settings` the only one that reads the environment.

What only some requests need is imported where it is wired: a cold start pays for every module that it imports.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from task_service import VERSION
from task_service.adapters.aws import client as aws
from task_service.adapters.aws.dynamodb.tasks import DynamoDbTasks
from task_service.adapters.aws.dynamodb.templates import (
    EVENT_TASK,
    LIST_TEMPLATE,
    POLICY,
    TASK_TEMPLATE,
    DynamoDbTemplates,
)
from task_service.adapters.aws.s3 import S3Bodies
from task_service.adapters.aws.sqs import SqsTaskQueue
from task_service.adapters.template_cache import TemplateCache
from task_service.domain.template import TaskTemplate, TemplateKind
from task_service.usecases.check_readiness import ReadinessCheck
from task_service.usecases.create_task import TaskCreator
from task_service.usecases.edit_templates import TemplateEditor, Validate
from task_service.usecases.read_task import TaskReader
from task_service.wiring.settings import Settings

if TYPE_CHECKING:
    from task_service.adapters.aws.dynamodb.lists import DynamoDbTaskLists
    from task_service.adapters.identity.oauth import ClientCredentials
    from task_service.adapters.policies.embedded import EmbeddedPolicies
    from task_service.domain.event_task import EventTask
    from task_service.domain.policy import Policy
    from task_service.domain.task_list import TaskListTemplate
    from task_service.ports import PolicyEngine
    from task_service.usecases.authorize import Authorizer
    from task_service.usecases.cancel import Canceller
    from task_service.usecases.create_list import ListCreator
    from task_service.usecases.create_once import KeyedCreator
    from task_service.usecases.edit_event_tasks import EventTaskEditor
    from task_service.usecases.handle_dead_letter import DeadLetterHandler
    from task_service.usecases.handle_event import EventHandler
    from task_service.usecases.handle_message import Execution
    from task_service.usecases.read_list import ListReader
    from task_service.usecases.replay import Replayer
    from task_service.usecases.replay_many import BulkReplayer
    from task_service.usecases.run_list import ListRunner
    from task_service.usecases.run_task import TaskRunner
    from task_service.usecases.search import Searcher
    from task_service.usecases.wait import Waiter
    from task_service.usecases.write_cache import CacheWriter

EXECUTOR_MARGIN = timedelta(seconds=10)
"""What an executor needs beside the longest call: to start it, and to write down how it ended."""


@dataclass(frozen=True)
class Services:
    """The use cases, each wired to its adapters when it is first asked for."""

    settings: Settings

    @cached_property
    def creation(self) -> TaskCreator:
        """Creates tasks."""
        return TaskCreator(
            templates=self._task_template_cache,
            tasks=self._tasks,
            queue=self._queue,
            bodies=self._bodies,
            clock=utc_now,
            retention=self.settings.retention,
        )

    @cached_property
    def list_creator(self) -> ListCreator:
        """Creates task lists."""
        from task_service.usecases.create_list import ListCreator

        return ListCreator(
            list_templates=self._list_template_cache,
            task_templates=self._task_template_cache,
            lists=self._lists,
            queue=self._queue,
            bodies=self._bodies,
            clock=utc_now,
            retention=self.settings.retention,
        )

    @cached_property
    def keyed_creator(self) -> KeyedCreator:
        """Creates tasks and task lists with an idempotency key."""
        from task_service.adapters.aws.dynamodb.idempotency_keys import DynamoDbIdempotencyKeys
        from task_service.usecases.create_once import KeyedCreator

        return KeyedCreator(
            keys=DynamoDbIdempotencyKeys(client=self._dynamodb, table=self.settings.table),
            queue=self._queue,
            clock=utc_now,
            keep=min(self.settings.idempotency, self.settings.retention),
        )

    @cached_property
    def reading(self) -> TaskReader:
        """Answers questions about tasks."""
        return TaskReader(tasks=self._tasks, lists=lambda: self.list_reader, bodies=self._bodies, clock=utc_now)

    @cached_property
    def list_reader(self) -> ListReader:
        """Answers questions about task lists."""
        from task_service.usecases.read_list import ListReader

        return ListReader(lists=self._lists, bodies=self._bodies, clock=utc_now)

    @cached_property
    def canceller(self) -> Canceller:
        """Cancels tasks and task lists."""
        from task_service.usecases.cancel import Canceller

        return Canceller(
            tasks=self._tasks,
            lists=self._lists,
            reading=self.reading,
            bodies=self._bodies,
            queue=self._queue,
            clock=utc_now,
        )

    @cached_property
    def replayer(self) -> Replayer:
        """Starts failed tasks and task lists again."""
        from task_service.usecases.replay import Replayer

        return Replayer(tasks=self._tasks, lists=self._lists, reading=self.reading, queue=self._queue, clock=utc_now)

    @cached_property
    def bulk_replayer(self) -> BulkReplayer:
        """Starts again what has failed and fits a filter."""
        from task_service.usecases.replay_many import BulkReplayer

        return BulkReplayer(searcher=self.searcher, replayer=self.replayer)

    @cached_property
    def searcher(self) -> Searcher:
        """Finds tasks and task lists."""
        from task_service.adapters.aws.dynamodb.search import DynamoDbSearch
        from task_service.usecases.search import Searcher

        records = DynamoDbSearch(client=self._dynamodb, table=self.settings.table)
        return Searcher(records=records, clock=utc_now)

    @cached_property
    def waiting(self) -> Waiter:
        """Waits for tasks and lists to end, with clients of its own: the function's time is limited."""
        from task_service.adapters.aws.dynamodb.lists import DynamoDbTaskLists
        from task_service.usecases.read_list import ListReader
        from task_service.usecases.wait import Waiter

        dynamodb, table = aws.client(self._session, "dynamodb", aws.IMPATIENT), self.settings.table
        s3 = cache(lambda: aws.client(self._session, "s3", aws.IMPATIENT))
        bodies = S3Bodies(client=s3, bucket=self.settings.bucket)
        lists = ListReader(lists=DynamoDbTaskLists(client=dynamodb, table=table), bodies=bodies, clock=utc_now)
        tasks = TaskReader(
            tasks=DynamoDbTasks(client=dynamodb, table=table), lists=lambda: lists, bodies=bodies, clock=utc_now
        )
        return Waiter(tasks=tasks, lists=lists, clock=utc_now, pause=time.sleep)

    @cached_property
    def task_templates(self) -> TemplateEditor:
        """Writes and reads task templates."""

        def validate(name: str, payload: str) -> Mapping[str, Any]:
            from task_service.schemas.template import validate_task_template

            return validate_task_template(
                name, payload, longest_timeout=self.settings.executor_timeout - EXECUTOR_MARGIN
            )

        return self._editing(TemplateKind.TASK, TASK_TEMPLATE, self._task_template_cache, validate)

    @cached_property
    def list_templates(self) -> TemplateEditor:
        """Writes and reads task list templates."""

        def validate(name: str, payload: str) -> Mapping[str, Any]:
            from task_service.schemas.template import validate_list_template

            return validate_list_template(name, payload)

        return self._editing(TemplateKind.TASK_LIST, LIST_TEMPLATE, self._list_template_cache, validate)

    @cached_property
    def policies(self) -> TemplateEditor:
        """Writes and reads embedded policies."""

        def validate(name: str, payload: str) -> Mapping[str, Any]:
            from task_service.domain.policy import Policy
            from task_service.schemas.policy import validate_policy

            document = validate_policy(name, payload)
            self._embedded_policies.check(name, Policy.from_document(document))
            return document

        return self._editing(TemplateKind.POLICY, POLICY, self._policy_cache, validate)

    @cached_property
    def guard(self) -> Authorizer | None:
        """Lets requests in; None: all of them."""
        auth = self.settings.auth
        if auth is None:
            return None
        # PyJWT and what it verifies with are 45 ms of import that nobody pays for who does not use them.
        from task_service.adapters.identity.jwks import Jwks, fetch_from
        from task_service.adapters.identity.jwt import JwtVerifier
        from task_service.usecases.authorize import Authorizer

        keys = Jwks(fetch_from(auth.jwk_url), interval=auth.refresh_interval, clock=utc_now)
        tokens = JwtVerifier(keys=keys, audience=auth.audience, issuer=auth.issuer, clock=utc_now)
        return Authorizer(tokens=tokens, admin_scope=auth.admin_scope)

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

        templates = self._editing(TemplateKind.EVENT_TASK, EVENT_TASK, self._event_task_cache, validate)
        return EventTaskEditor(templates=templates, identify=identify)

    @cached_property
    def event_handler(self) -> EventHandler:
        """Takes the messages of the event queue."""
        from task_service.usecases.handle_event import EventHandler

        return EventHandler(
            event_tasks=self._event_task_cache,
            task_templates=self._task_template_cache,
            creation=self.creation,
            queue=self._queue,
        )

    @cached_property
    def readiness(self) -> ReadinessCheck:
        """Says whether the service can work."""
        return ReadinessCheck(tasks=self._tasks, queue=self._queue)

    @cached_property
    def execution(self) -> Execution:
        """Takes the messages of the task queue."""
        from task_service.usecases.handle_message import Execution

        return Execution(
            attempts=self._task_runner, lists=self._list_runner, canceller=self.canceller, cache=self._cache_writer
        )

    @cached_property
    def dead_letter_handler(self) -> DeadLetterHandler:
        """Takes dead letters."""
        from task_service.usecases.handle_dead_letter import DeadLetterHandler

        return DeadLetterHandler(tasks=self._tasks, queue=self._queue, lists=self._list_runner, clock=utc_now)

    def _editing(self, noun: str, kind: str, cache: TemplateCache[Any], validate: Validate) -> TemplateEditor:
        return TemplateEditor(
            noun=noun,
            templates=self._templates(kind),
            cache=cache,
            writes=self.settings.template_writes,
            validate=validate,
        )

    @cached_property
    def _task_runner(self) -> TaskRunner:
        from task_service.adapters.http.connections import Dialler
        from task_service.adapters.http.egress import Egress
        from task_service.adapters.http.target import RequestsTarget
        from task_service.usecases.run_task import TaskRunner

        egress = Egress.from_text(self.settings.egress_allow)
        return TaskRunner(
            tasks=self._tasks,
            queue=self._queue,
            bodies=self._bodies,
            target=RequestsTarget(Dialler(permits=egress.permits)),
            policies=self._policies,
            clock=utc_now,
            draw=random.random,
            pause=time.sleep,
            default_max_attempts=1 + self.settings.max_task_retries,
            user_agent=f"task-service/{VERSION}",
        )

    @cached_property
    def _list_runner(self) -> ListRunner:
        from task_service.usecases.run_list import ListRunner

        return ListRunner(
            lists=self._lists,
            tasks=self._tasks,
            queue=self._queue,
            bodies=self._bodies,
            policies=self._policies,
            attempts=self._task_runner,
            clock=utc_now,
            cache=self._cache_writer,
        )

    @cached_property
    def _cache_writer(self) -> CacheWriter | None:
        if not self.settings.cache_address:
            return None
        from task_service.adapters.cache_service import CacheService
        from task_service.adapters.http.connections import Dialler
        from task_service.adapters.http.target import RequestsTarget
        from task_service.usecases.write_cache import CacheWriter

        return CacheWriter(
            cache=CacheService(
                address=self.settings.cache_address,
                # Its address is the operator's own setting.
                target=RequestsTarget(Dialler()),
                clock=utc_now,
                user_agent=f"task-service/{VERSION}",
                token=self.service_token,
            ),
            tasks=self._tasks,
            lists=self.list_reader,
            bodies=self._bodies,
            queue=self._queue,
            clock=utc_now,
            draw=random.random,
        )

    @cached_property
    def _policies(self) -> PolicyEngine:
        if not self.settings.policy_address:
            return self._embedded_policies
        from task_service.adapters.policies.remote import RemotePolicies

        return RemotePolicies(
            address=self.settings.policy_address, user_agent=f"task-service/{VERSION}", token=self.service_token
        )

    @cached_property
    def _embedded_policies(self) -> EmbeddedPolicies:
        # What it imports is for those only who have policies.
        from task_service.adapters.policies.embedded import EmbeddedPolicies

        return EmbeddedPolicies(policies=self._policy_cache, clock=utc_now, timeout=self.settings.policy_timeout)

    @cached_property
    def _policy_cache(self) -> TemplateCache[Policy]:
        from task_service.domain.policy import Policy

        templates, keep = self._templates(POLICY), self.settings.template_cache
        return TemplateCache(templates=templates, parse=Policy.from_text, clock=utc_now, keep=keep)

    @cached_property
    def service_token(self) -> ClientCredentials | None:
        """Gets the token for calls of the policy service and the cache service; None: they need none."""
        oauth = self.settings.oauth
        if oauth is None:
            return None
        from task_service.adapters.aws.secrets import AwsSecret
        from task_service.adapters.identity.oauth import ClientCredentials

        secret = AwsSecret(oauth.secret_store, oauth.secret_name, lambda service: aws.client(self._session, service))
        return ClientCredentials(token_url=oauth.token_url, client_id=oauth.client_id, secret=secret, clock=utc_now)

    @cached_property
    def _session(self) -> Any:
        return aws.session()

    @cached_property
    def _dynamodb(self) -> Any:
        return aws.client(self._session, "dynamodb")

    @cached_property
    def _tasks(self) -> DynamoDbTasks:
        return DynamoDbTasks(client=self._dynamodb, table=self.settings.table)

    @cached_property
    def _lists(self) -> DynamoDbTaskLists:
        from task_service.adapters.aws.dynamodb.lists import DynamoDbTaskLists

        return DynamoDbTaskLists(client=self._dynamodb, table=self.settings.table)

    def _templates(self, kind: str) -> DynamoDbTemplates:
        return DynamoDbTemplates(client=self._dynamodb, table=self.settings.table, kind=kind)

    @cached_property
    def _task_template_cache(self) -> TemplateCache[TaskTemplate]:
        templates, keep = self._templates(TASK_TEMPLATE), self.settings.template_cache
        return TemplateCache(templates=templates, parse=TaskTemplate.from_text, clock=utc_now, keep=keep)

    @cached_property
    def _list_template_cache(self) -> TemplateCache[TaskListTemplate]:
        from task_service.domain.task_list import TaskListTemplate

        templates, keep = self._templates(LIST_TEMPLATE), self.settings.template_cache
        return TemplateCache(templates=templates, parse=TaskListTemplate.from_text, clock=utc_now, keep=keep)

    @cached_property
    def _event_task_cache(self) -> TemplateCache[EventTask]:
        from task_service.domain.event_task import EventTask

        templates, keep = self._templates(EVENT_TASK), self.settings.template_cache
        return TemplateCache(templates=templates, parse=EventTask.from_text, clock=utc_now, keep=keep)

    @cached_property
    def _queue(self) -> SqsTaskQueue:
        return SqsTaskQueue(client=aws.client(self._session, "sqs"), url=self.settings.queue_url)

    @cached_property
    def _bodies(self) -> S3Bodies:
        s3 = cache(lambda: aws.client(self._session, "s3"))
        return S3Bodies(client=s3, bucket=self.settings.bucket)


@cache
def services() -> Services:
    """The services of this process, wired by its environment on the first call."""
    return Services(Settings.from_environment(os.environ))


def utc_now() -> datetime:
    """The current time."""
    return datetime.now(UTC)
