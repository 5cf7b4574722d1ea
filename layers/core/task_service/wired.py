"""Classes that are made of their parts."""

from dataclasses import dataclass
from typing import Any, TypeVar, dataclass_transform

C = TypeVar("C")


@dataclass_transform(kw_only_default=True)
def wired(cls: type[C]) -> type[C]:
    """A class whose fields are what it works with, given by name.

    A dataclass without comparison and representation, which nobody needs of a use case or an adapter: making those
    methods is most of what a dataclass costs at a cold start.
    """
    decorated: Any = dataclass(kw_only=True, eq=False, repr=False)(cls)
    return decorated  # type: ignore[no-any-return]
