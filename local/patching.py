"""Changing MiniStack from within."""

import sys
from types import ModuleType
from typing import Any


def member(owner: type | ModuleType, name: str) -> Any:
    """A member of MiniStack's. Ends the program if there is none."""
    if not hasattr(owner, name):
        sys.exit(f"this release of MiniStack has no {owner.__name__}.{name}, which the local cloud changes")
    return getattr(owner, name)


def replace(owner: type | ModuleType, name: str, replacement: object) -> None:
    """Put another member in the place of one of MiniStack's. Ends the program if there is none."""
    member(owner, name)
    setattr(owner, name, replacement)
