"""A target that answers as it is told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from task_service.domain.call import Answered, CallRefused, HttpCall
from task_service.ports import HttpTarget


@dataclass
class ScriptedTarget(HttpTarget):
    """A target that answers, or refuses, as it is told, one after the other; the last answer stays."""

    answers: list[Answered | CallRefused] = field(default_factory=lambda: [Answered(status=200, result="{}")])
    calls: list[HttpCall] = field(default_factory=list)
    during: Callable[[], None] = lambda: None
    """Happens while a call is under way."""

    def call(self, call: HttpCall, *, deadline: datetime) -> Answered:
        self.calls.append(call)
        self.during()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, CallRefused):
            raise answer
        return answer
