"""The time that one call of a target or a policy has for everything, from names to the last byte of the answer."""

import time


class Budget:
    """Seconds that start to run when it is made."""

    __slots__ = ("_ends",)

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left. Raises TimeoutError at the end."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the budget of the call is used up")
        return left

    def at_most(self, seconds: float) -> "Budget":
        """A part of what is left. Raises TimeoutError at the end."""
        return Budget(min(self.left(), seconds))
