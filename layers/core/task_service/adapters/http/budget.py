"""What requests sends with, under the budget of the calling thread."""

from typing import Any

from requests.adapters import HTTPAdapter

from task_service.adapters.http.connections import Dialler, budget, pool_classes

__all__ = ["BudgetAdapter", "budget"]


class BudgetAdapter(HTTPAdapter):
    """Sends for requests; connections are opened by `dialler`, by default to any address."""

    def __init__(self, *, dialler: Dialler | None = None, **kwargs: Any) -> None:
        self._dialler = dialler or Dialler()
        super().__init__(**kwargs)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = pool_classes(self._dialler)
