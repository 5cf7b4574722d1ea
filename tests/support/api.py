"""The API as its clients see it: called with nothing that a test has not written, waited for until tasks have ended."""

import http.client
import itertools
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any, Final
from urllib.parse import quote, urlsplit

_POLL_SECONDS: Final = 0.02
PATIENCE: Final = 60.0
"""Seconds; what takes longer on a busy machine does not happen at all."""

_ENDED: Final = frozenset({200, 207})
_numbers: Final = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer of the API."""

    status: int
    headers: Message
    body: bytes

    def json(self) -> Any:
        """The body, which has to be JSON."""
        assert self.headers["Content-Type"] == "application/json", self
        return json.loads(self.body)


def eventually(condition: Callable[[], Any], *, what: str, seconds: float = PATIENCE) -> Any:
    """What `condition` returns once that is true. Raises TimeoutError, which says what has not happened."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(_POLL_SECONDS)
    return value


class Api:
    """The API at a URL."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc

    def call(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call with this path as it is and with these headers only."""
        data = body.encode() if isinstance(body, str) else body
        connection = http.client.HTTPConnection(self._address, timeout=PATIENCE)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            if data is not None:
                connection.putheader("Content-Length", str(len(data)))
            connection.endheaders(data)
            response = connection.getresponse()
            return Answer(status=response.status, headers=response.headers, body=response.read())
        finally:
            connection.close()

    def template(self, url: str, name: str | None = None, **members: Any) -> str:
        """Write a template that POSTs to `url`, under a name that no other test uses; returns the name."""
        name = name or f"template-{next(_numbers)}"
        document = {"url": url, "method": "POST"} | members
        answer = self.call("PUT", f"/v1/taskTemplates/{quote(name, safe='')}", json.dumps(document))
        assert answer.status in (200, 201), answer
        return name

    def create(self, name: str, body: bytes | str = "{}", headers: Mapping[str, str] | None = None) -> str:
        """Create a task; returns its id."""
        answer = self.call("POST", f"/v1/task/{quote(name, safe='')}", body, headers)
        assert answer.status == 200, answer
        task_id: str = answer.json()["taskID"]
        return task_id

    def status(self, task_id: str) -> Any:
        """The body of taskStatus."""
        return self.call("GET", f"/v1/taskStatus/{task_id}").json()

    def result(self, task_id: str) -> Answer:
        """The answer of taskResult."""
        return self.call("GET", f"/v1/taskResult/{task_id}")

    def ended(self, task_id: str, *, seconds: float = PATIENCE) -> Any:
        """The body of taskStatus once the task has ended."""
        return self.all_ended([task_id], seconds=seconds)[0]

    def all_ended(self, task_ids: Iterable[str], *, seconds: float = PATIENCE) -> list[Any]:
        """The same for many tasks."""
        ended: dict[str, Any] = dict.fromkeys(task_ids)

        def none_is_left() -> bool:
            for task_id in [task_id for task_id, status in ended.items() if status is None]:
                answer = self.call("GET", f"/v1/taskStatus/{task_id}")
                if answer.status in _ENDED:
                    ended[task_id] = answer.json()
            return None not in ended.values()

        try:
            eventually(none_is_left, what="every task has ended", seconds=seconds)
        except TimeoutError as error:
            left = [self.status(task_id) for task_id, status in ended.items() if status is None]
            raise TimeoutError(f"{error}; {len(left)} have not: {left[:3]}") from None
        return list(ended.values())

    def done(self, task_id: str, *, seconds: float = PATIENCE) -> Any:
        """The body of taskStatus once the task is done, which it has to be."""
        status = self.ended(task_id, seconds=seconds)
        assert status["status"] == "done", status
        return status

    def failed(self, task_id: str, *, seconds: float = PATIENCE) -> Any:
        """The body of taskStatus once the task has failed, which it has to."""
        status = self.ended(task_id, seconds=seconds)
        assert status["status"] == "failed", status
        return status
