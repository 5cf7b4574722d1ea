"""Tasks of a port, read and claimed."""

from task_service.domain.task import Task
from task_service.ports import Claim, Tasks


def won(claim: Claim) -> Task:
    """The task of a claim that has won."""
    assert claim.won
    assert claim.task is not None
    return claim.task


def read(tasks: Tasks, task_id: str) -> Task:
    """The task of that id."""
    found = tasks.get(task_id)
    assert found is not None
    return found
