"""The members of a status that tasks and task lists have in common."""

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from task_service.domain.search import ListSummary
    from task_service.domain.task import Task
    from task_service.domain.task_list import TaskList


def timestamp(moment: datetime | None) -> str | None:
    """RFC 3339 with milliseconds; None of a time that is not known."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None


def about(record: "Task | TaskList | ListSummary") -> dict[str, str]:
    """Where a task or a list comes from and who changed it, as far as is known."""
    trace = record.context.trace
    members = {
        "traceId": trace.id if trace is not None else None,
        "createdBy": record.context.created_by,
        "cancelledBy": record.cancelled_by,
        "replayedBy": record.replayed_by,
    }
    return {name: value for name, value in members.items() if value is not None}
