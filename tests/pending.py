"""What is described and not served yet: operations, and headers that are not looked at."""

from typing import Final

PENDING: Final = {
    ("GET", "/v1/tasks"),
    ("GET", "/v1/taskLists"),
    ("POST", "/v1/tasks/{taskID}/cancel"),
    ("POST", "/v1/taskLists/{taskListID}/cancel"),
    ("POST", "/v1/tasks/{taskID}/replay"),
    ("POST", "/v1/taskLists/{taskListID}/replay"),
    ("POST", "/v1/replays"),
}
PENDING_HEADERS: Final = {"Idempotency-Key"}
