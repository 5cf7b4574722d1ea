"""Ports at whose calls the process of a test may die, or be refused."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class Died(BaseException):
    """The process is gone."""


@dataclass
class Mortal:
    """A port each of whose calls is two points at which fate may strike: before it and after it."""

    port: Any
    fate: Callable[[], None]

    def __getattr__(self, name: str) -> Any:
        member = getattr(self.port, name)
        if not callable(member):
            return member

        def call(*args: Any, **kwargs: Any) -> Any:
            self.fate()
            answer = member(*args, **kwargs)
            self.fate()
            return answer

        return call
