"""The event queue in SQS."""

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from bridge.metrics import Metrics
from bridge.refusal import Refusal
from bridge.settings import SettingsError

log = logging.getLogger("bridge")

# The forwarder repeats what fails, and counts it; the times keep a lost connection from holding events for long.
_CONFIG = Config(
    connect_timeout=3,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 1},
    max_pool_connections=16,
    user_agent_extra="task-service-bridge",
)
_HOPELESS = frozenset({"InvalidMessageContents", "InvalidParameterValue"})
"""The codes with which SQS refuses a message for good. Other refusals may be mended: permissions, keys, the queue."""


class EventQueue:
    """One SQS queue."""

    def __init__(self, url: str, metrics: Metrics, *, region: str | None, senders: int) -> None:
        """Raises SettingsError."""
        self._url = url
        self._metrics = metrics
        self._client = _client(region)
        self._threads = ThreadPoolExecutor(senders, thread_name_prefix="sqs")
        self.fault: str | None = None
        """The reason why the latest request failed; None if it did not."""

    async def send(self, bodies: Sequence[str]) -> list[Refusal | None]:
        """Put up to ten messages into the queue; for each, None once SQS has it, or why it does not.

        A request without an answer counts as refused; SQS may have the messages all the same.
        """
        begun = time.monotonic()
        refusals = await asyncio.get_running_loop().run_in_executor(self._threads, self._send, bodies)
        self._metrics.send_seconds.observe(time.monotonic() - begun)
        codes = [refusal.code for refusal in refusals if refusal is not None]
        for code in codes:
            self._metrics.queue_errors.labels(code).inc()
        fault = next((refusal.code for refusal in refusals if refusal and not refusal.is_hopeless), None)
        if fault != self.fault:
            log.warning("SQS: %s", fault or "takes events again", extra={"action": "send", "code": fault})
        self.fault = fault
        return refusals

    def close(self) -> None:
        """Close the connections, without waiting for requests that SQS has not answered yet."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _send(self, bodies: Sequence[str]) -> list[Refusal | None]:
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
        try:
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        except ClientError as error:
            return [Refusal(str(error.response.get("Error", {}).get("Code", "unknown")))] * len(bodies)
        except BotoCoreError as error:
            return [Refusal(type(error).__name__)] * len(bodies)
        taken = {entry.get("Id") for entry in answer.get("Successful") or ()}
        codes = {entry.get("Id"): str(entry.get("Code", "unknown")) for entry in answer.get("Failed") or ()}
        return [None if str(number) in taken else _refusal(codes.get(str(number))) for number in range(len(bodies))]


def _client(region: str | None) -> Any:
    try:
        return botocore.session.get_session().create_client("sqs", region_name=region, config=_CONFIG)
    except NoRegionError:
        raise SettingsError("AWS_REGION is not set: the region of the event queue") from None
    except BotoCoreError as error:
        raise SettingsError(f"the client of SQS cannot be made: {error}") from error


def _refusal(code: str | None) -> Refusal:
    """The refusal for SQS's code of one message; None: the answer does not name the message."""
    return Refusal(code or "NoAnswer", is_hopeless=code in _HOPELESS)
