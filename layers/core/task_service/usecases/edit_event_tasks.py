"""Writing and reading event tasks: templates whose name is the cache entry that they wait for."""

from collections.abc import Callable
from dataclasses import dataclass

from task_service.domain.template import StoredTemplate
from task_service.usecases.create_task import check_payload
from task_service.usecases.edit_templates import TemplateEditor

Identify = Callable[[str], str]
"""The name of the event task that a payload is about. Raises BadRequest."""


@dataclass(kw_only=True, eq=False, repr=False)
class EventTaskEditor:
    """The event tasks, as their authors see them."""

    templates: TemplateEditor
    identify: Identify

    def put(
        self, payload: str, *, if_match: str | None = None, if_none_match: str | None = None
    ) -> tuple[StoredTemplate, bool]:
        """Write an event task; returns it as stored and whether it is new.

        Raises BadRequest, which names the member, its fault and what is allowed, PreconditionFailed and TurnedOff.
        """
        return self.templates.put(self._name(payload), payload, if_match=if_match, if_none_match=if_none_match)

    def delete(self, payload: str, *, if_match: str | None = None) -> None:
        """Delete the event task of the payload's key, namespace and scope.

        Raises BadRequest, NotFound, PreconditionFailed and TurnedOff.
        """
        self.templates.delete(self._name(payload), if_match=if_match)

    def page(self, *, limit: str | None, cursor: str | None) -> str:
        """A page of event tasks as the JSON text {"items": […], "next": …}. Raises BadRequest."""
        return self.templates.page(limit=limit, cursor=cursor)

    def _name(self, payload: str) -> str:
        self.templates.check_writes()
        check_payload(payload)
        return self.identify(payload)
