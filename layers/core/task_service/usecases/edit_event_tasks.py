"""Writing event tasks: templates whose name is the cache entry that they wait for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from task_service.domain.limits import check_payload
from task_service.domain.template import StoredTemplate
from task_service.usecases.edit_templates import TemplateEditor

Identify = Callable[[str], str]
"""Reads the name of an event task from a payload. Raises BadRequest."""


@dataclass(kw_only=True, eq=False, repr=False)
class EventTaskEditor:
    """Writes and deletes event tasks; they are listed as other templates."""

    templates: TemplateEditor
    identify: Identify

    def put(
        self,
        payload: str,
        *,
        if_match: Sequence[str] | None = None,
        if_new: bool = False,
        by: str | None = None,
    ) -> tuple[StoredTemplate, bool]:
        """Write an event task; returns it as stored, and whether it is new. Conditions and errors as for templates."""
        return self.templates.put(self._name(payload), payload, if_match=if_match, if_new=if_new, by=by)

    def delete(self, payload: str, *, if_match: Sequence[str] | None = None) -> str:
        """Delete the event task of the payload's key, namespace and scope; returns its name.

        Raises BadRequest, NotFound, PreconditionFailed, TurnedOff.
        """
        name = self._name(payload)
        self.templates.delete(name, if_match=if_match)
        return name

    def _name(self, payload: str) -> str:
        self.templates.check_writes()
        check_payload(payload)
        return self.identify(payload)
