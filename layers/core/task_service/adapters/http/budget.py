"""What requests sends with, under the budget of the calling thread."""

from typing import Any

from requests.adapters import HTTPAdapter

from task_service.adapters.http.connections import Dialler, budget, pool_classes

__all__ = ["BudgetAdapter", "budget"]


class BudgetAdapter(HTTPAdapter):
    """Sends for requests, over connections that `dialler` opens."""

    def __init__(self, dialler: Dialler, **kwargs: Any) -> None:
        self._dialler = dialler
        super().__init__(**kwargs)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = pool_classes(self._dialler)
