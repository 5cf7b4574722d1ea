"""What a platform offers to the composition root: the ports that keep records, messages, texts and secrets.

`wiring.aws` has the one of AWS, `wiring.postgres` that of own servers, `testing.platform` the one of tests.
"""

from contextlib import AbstractContextManager
from typing import Protocol

from task_service.ports import (
    Bodies,
    Clock,
    IdempotencyKeys,
    Search,
    Secret,
    TaskLists,
    TaskQueue,
    Tasks,
    Templates,
    UnreadableMessages,
)
from task_service.wiring.identity_settings import OAuthSettings


class Platform(Protocol):
    """The ports of one platform, each made when it is first used."""

    @property
    def clock(self) -> Clock:
        """The clock that decides about leases, delays and ends of retention."""

    @property
    def tasks(self) -> Tasks:
        """The tasks."""

    @property
    def lists(self) -> TaskLists:
        """The task lists."""

    @property
    def search(self) -> Search:
        """Finds tasks and lists."""

    @property
    def keys(self) -> IdempotencyKeys:
        """The idempotency keys."""

    @property
    def queue(self) -> TaskQueue:
        """The task queue."""

    @property
    def unreadable(self) -> UnreadableMessages:
        """The texts of the task queue that are no message."""

    @property
    def bodies(self) -> Bodies:
        """Bodies and results."""

    @property
    def task_templates(self) -> Templates:
        """The task templates."""

    @property
    def list_templates(self) -> Templates:
        """The task list templates."""

    @property
    def event_tasks(self) -> Templates:
        """The event tasks."""

    @property
    def policies(self) -> Templates:
        """The policies that are evaluated here."""

    def unit_of_work(self) -> AbstractContextManager[None]:
        """Begin a unit of work (`ports.UnitOfWork`)."""

    def secret(self, oauth: OAuthSettings) -> Secret:
        """The secret of the OAuth client."""

    def impatient(self) -> "Platform":
        """The same records, read without retries: for a client that waits and whose next look comes soon."""
