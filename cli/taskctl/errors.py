"""Errors of the command line, and the exit codes that scripts see.

TaskctlError                 REFUSED
├── WrongUse                 USAGE        an option or an argument is wrong
├── Refused                  REFUSED      the service refuses the request
├── Denied                   DENIED       the service refuses the token, or asks for one
├── NoAnswer                 NO_ANSWER    no answer, or none of the task service
├── Failed                   FAILED       the task or the list has failed or was cancelled
├── Unfinished               UNFINISHED   the task or the list has not ended yet
└── Partly                   PARTLY       some of the work is done
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes."""

    OK = 0
    """All is done as asked."""
    REFUSED = 1
    """The service, or taskctl itself, refuses the request or a file; nothing is done."""
    USAGE = 2
    """An option or an argument is wrong."""
    FAILED = 3
    """The task or the list has failed or was cancelled."""
    DENIED = 4
    """The service refuses the token, or asks for one (401, 403)."""
    NO_ANSWER = 5
    """No answer, or none of the task service: connection, certificate, time, 5xx."""
    PARTLY = 6
    """Some of the work is done, and some is not."""
    UNFINISHED = 7
    """The task or the list has not ended yet."""
    INTERRUPTED = 130
    """Ctrl-C."""


class TaskctlError(Exception):
    """A problem in one sentence, and the next step of the person who reads it."""

    exit_code = ExitCode.REFUSED

    def __init__(self, problem: str, next_step: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.problem}; {self.next_step}" if self.next_step else self.problem


class WrongUse(TaskctlError):
    """An option or an argument is wrong."""

    exit_code = ExitCode.USAGE


class Refused(TaskctlError):
    """The service refuses the request."""

    def __init__(self, problem: str, next_step: str = "", *, status: int = 400) -> None:
        super().__init__(problem, next_step)
        self.status = status


class Denied(TaskctlError):
    """The service refuses the token, or asks for one."""

    exit_code = ExitCode.DENIED


class NoAnswer(TaskctlError):
    """The service gives no answer, or something else answers."""

    exit_code = ExitCode.NO_ANSWER

    def __init__(self, problem: str, next_step: str = "", *, is_passing: bool = True) -> None:
        super().__init__(problem, next_step)
        self.is_passing = is_passing
        """Whether the same request may be answered later."""


class Failed(TaskctlError):
    """The task or the list has failed or was cancelled."""

    exit_code = ExitCode.FAILED


class Unfinished(TaskctlError):
    """The task or the list has not ended yet."""

    exit_code = ExitCode.UNFINISHED


class Partly(TaskctlError):
    """Some of the work is done, and some is not."""

    exit_code = ExitCode.PARTLY
