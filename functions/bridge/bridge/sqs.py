"""The event queue in SQS."""

from collections.abc import Sequence
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from bridge.metrics import Metrics
from bridge.queue import EventQueue, Refusal
from bridge.settings import SettingsError

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


class SqsEventQueue(EventQueue):
    """One SQS queue."""

    def __init__(self, url: str, metrics: Metrics, *, region: str | None) -> None:
        """Raises SettingsError."""
        super().__init__("SQS", metrics)
        self._url = url
        self._client = _client(region)

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

    def _disconnect(self) -> None:
        self._client.close()


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
