"""The ports on AWS: one table, one bucket, the task queue and the queue of unreadable messages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from task_service.adapters.aws.credentials import Credentials
from task_service.adapters.aws.dynamodb.table import Table
from task_service.adapters.aws.dynamodb.tasks import DynamoDbTasks
from task_service.adapters.aws.dynamodb.templates import (
    EVENT_TASK,
    LIST_TEMPLATE,
    POLICY,
    TASK_TEMPLATE,
    DynamoDbTemplates,
)
from task_service.adapters.aws.patience import IMPATIENT, PATIENT, Patience
from task_service.adapters.aws.s3 import S3Bodies
from task_service.adapters.aws.sqs import SqsTaskQueue, SqsUnreadableMessages
from task_service.adapters.aws.wire import Client, connect
from task_service.ports import Clock

if TYPE_CHECKING:
    # A cold start pays for every module that it imports, and only some requests need these.
    from task_service.adapters.aws.dynamodb.idempotency_keys import DynamoDbIdempotencyKeys
    from task_service.adapters.aws.dynamodb.lists import DynamoDbTaskLists
    from task_service.adapters.aws.dynamodb.search import DynamoDbSearch
    from task_service.adapters.aws.secrets import AwsSecret
    from task_service.wiring.identity_settings import OAuthSettings


@dataclass(frozen=True, kw_only=True)
class AwsPlatform:
    """The ports of one deployed stack."""

    table: str
    queue_url: str
    unreadable_queue_url: Callable[[], str]
    """Read where it is needed: most functions have none."""
    bucket: str
    clock: Clock
    patience: Patience = PATIENT
    credentials: Credentials = field(default_factory=Credentials)
    """Of the clients for DynamoDB and SQS."""

    @cached_property
    def tasks(self) -> DynamoDbTasks:
        """The tasks."""
        return DynamoDbTasks(table=self._table)

    @cached_property
    def lists(self) -> DynamoDbTaskLists:
        """The task lists."""
        from task_service.adapters.aws.dynamodb.lists import DynamoDbTaskLists

        return DynamoDbTaskLists(table=self._table)

    @cached_property
    def search(self) -> DynamoDbSearch:
        """Finds tasks and lists."""
        from task_service.adapters.aws.dynamodb.search import DynamoDbSearch

        return DynamoDbSearch(table=self._table)

    @cached_property
    def keys(self) -> DynamoDbIdempotencyKeys:
        """The idempotency keys."""
        from task_service.adapters.aws.dynamodb.idempotency_keys import DynamoDbIdempotencyKeys

        return DynamoDbIdempotencyKeys(table=self._table)

    @cached_property
    def queue(self) -> SqsTaskQueue:
        """The task queue."""
        return SqsTaskQueue(client=self._sqs, url=self.queue_url, clock=self.clock)

    @cached_property
    def unreadable(self) -> SqsUnreadableMessages:
        """The texts of the task queue that are no message."""
        return SqsUnreadableMessages(client=self._sqs, url=self.unreadable_queue_url())

    @cached_property
    def bodies(self) -> S3Bodies:
        """Bodies and results."""
        return S3Bodies(client=lambda: self._s3, bucket=self.bucket)

    @property
    def task_templates(self) -> DynamoDbTemplates:
        """The task templates."""
        return self._templates(TASK_TEMPLATE)

    @property
    def list_templates(self) -> DynamoDbTemplates:
        """The task list templates."""
        return self._templates(LIST_TEMPLATE)

    @property
    def event_tasks(self) -> DynamoDbTemplates:
        """The event tasks."""
        return self._templates(EVENT_TASK)

    @property
    def policies(self) -> DynamoDbTemplates:
        """The policies that are evaluated here."""
        return self._templates(POLICY)

    def unit_of_work(self) -> AbstractContextManager[None]:
        """Nothing: the table and the queue have no transaction in common."""
        return nullcontext()

    def secret(self, oauth: OAuthSettings) -> AwsSecret:
        """The secret of the OAuth client."""
        from task_service.adapters.aws.secrets import AwsSecret

        return AwsSecret(oauth.secret_store, oauth.secret_name, self._botocore_client)

    def impatient(self) -> AwsPlatform:
        """The same records, read without retries."""
        return replace(self, patience=IMPATIENT)

    def _templates(self, kind: str) -> DynamoDbTemplates:
        return DynamoDbTemplates(table=self._table, kind=kind)

    def client(self, service: str) -> Client:
        """A client of DynamoDB or SQS."""
        return connect(service, credentials=self.credentials, patience=self.patience)

    @cached_property
    def _table(self) -> Table:
        return Table(client=self.client("dynamodb"), name=self.table)

    def _botocore_client(self, service: str) -> Any:
        from task_service.adapters.aws import client as aws

        return aws.client(self._session, service, self.patience)

    @cached_property
    def _session(self) -> Any:
        from task_service.adapters.aws import client as aws

        return aws.session()

    @cached_property
    def _sqs(self) -> Client:
        return self.client("sqs")

    @cached_property
    def _s3(self) -> Any:
        return self._botocore_client("s3")
