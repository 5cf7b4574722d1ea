"""An SQS server with the one operation that the bridge uses, and the faults that it may meet.

As a context manager:

    with SqsServer() as sqs:
        sqs.fault = "refuse"
"""

import hashlib
import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, cast

from tests.support.serving import Serving

Fault = Literal["refuse", "hang up", "garbage", "answer lost", "some", "no answer for some"]


class SqsServer(Serving):
    """Keeps what it is sent; `fault` says how it behaves."""

    def __init__(self) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        cast(Any, server).sqs = self
        super().__init__(server)
        self.taken: list[str] = []
        """Bodies, in the order in which they were taken."""
        self.fault: Fault | None = None
        self.requests = 0
        self.changed = threading.Condition()

    @property
    def environment(self) -> dict[str, str]:
        """What a bridge needs to find it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "EVENT_QUEUE_URL": f"{self.url}/1/events",
        }

    def wait_for(self, number: int, *, within: float = 30) -> None:
        """Return once that many messages are taken."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.taken) >= number, within), len(self.taken)

    def wait_for_requests(self, number: int, *, within: float = 30) -> None:
        """Return once that many requests more have come."""
        with self.changed:
            wanted = self.requests + number
            assert self.changed.wait_for(lambda: self.requests >= wanted, within)

    def answer(self, entries: Sequence[dict[str, str]]) -> dict[str, Any]:
        """Take the entries, or some of them."""
        good, bad = list(entries), list[dict[str, str]]()
        if self.fault in ("some", "no answer for some"):
            good, bad = [entry for entry in entries if _is_lucky(entry)], [e for e in entries if not _is_lucky(e)]
        with self.changed:
            self.taken += [entry["MessageBody"] for entry in good]
            self.changed.notify_all()
        answer: dict[str, Any] = {
            "Successful": [
                {
                    "Id": entry["Id"],
                    "MessageId": entry["Id"],
                    "MD5OfMessageBody": hashlib.md5(entry["MessageBody"].encode(), usedforsecurity=False).hexdigest(),
                }
                for entry in good
            ]
        }
        if bad and self.fault == "some":
            answer["Failed"] = [{"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in bad]
        return answer


def _is_lucky(entry: dict[str, str]) -> bool:
    return hash(entry["MessageBody"]) % 3 == 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        sqs: SqsServer = cast(Any, self.server).sqs
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.headers["X-Amz-Target"] == "AmazonSQS.SendMessageBatch"
        with sqs.changed:
            sqs.requests += 1
            sqs.changed.notify_all()
        if sqs.fault == "refuse":
            self._say(503, b'{"__type": "com.amazonaws.sqs#ServiceUnavailable", "message": "no"}')
        elif sqs.fault == "hang up":
            self.close_connection = True
        elif sqs.fault == "garbage":
            self._say(200, b"<html>welcome</html>")
        elif sqs.fault == "answer lost":
            sqs.answer(request["Entries"])
            self.close_connection = True
        else:
            self._say(200, json.dumps(sqs.answer(request["Entries"])).encode())

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""
