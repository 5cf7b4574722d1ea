"""Writing and reading templates: one use case for every kind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from task_service.domain.errors import NotFound, PreconditionFailed, TurnedOff
from task_service.domain.limits import check_document, check_name
from task_service.domain.paging import PageRequest
from task_service.domain.template import StoredTemplate
from task_service.ports import CachedTemplates, Page, Templates

Validate = Callable[[str, str], Mapping[str, Any]]
"""Checks the document in a payload for a name, and returns its members. Raises BadRequest, TooLarge."""


@dataclass(kw_only=True, eq=False, repr=False)
class TemplateEditor:
    """Writes, reads, lists and deletes the templates of one kind."""

    noun: str
    """The kind as messages name it (`domain.template.TemplateKind`)."""
    templates: Templates
    cache: CachedTemplates[Any]
    writes: bool
    """Whether this deployment writes and deletes templates."""
    validate: Validate

    def get(self, name: str) -> StoredTemplate:
        """Read the template of that name. Raises NotFound."""
        stored = self.templates.get(name)
        if stored is None:
            raise NotFound.template(self.noun)
        return stored

    def put(
        self,
        name: str,
        payload: str,
        *,
        if_match: Sequence[str] | None = None,
        if_new: bool = False,
        by: str | None = None,
    ) -> tuple[StoredTemplate, bool]:
        """Write a template; returns it as stored, and whether it is new.

        With `if_match` it replaces a version of these tags only (any version: "*"), with `if_new` none at all. `by`
        names the caller. Raises BadRequest, which names the member, its fault and what is allowed, TooLarge,
        PreconditionFailed, TurnedOff.
        """
        self.check_writes()
        check_name(name)
        check_document(payload)
        stored = StoredTemplate.of(name, self.validate(name, payload), changed_by=by)
        is_new = self.templates.put(stored, if_match=self._tag(name, if_match), if_new=if_new)
        if is_new is None:
            raise PreconditionFailed.exists(self.noun) if if_new else PreconditionFailed.changed(self.noun)
        self.cache.forget(name)
        return stored, is_new

    def delete(self, name: str, *, if_match: Sequence[str] | None = None) -> None:
        """Delete a template; with `if_match` a version of these tags only.

        Raises NotFound, PreconditionFailed, TurnedOff.
        """
        self.check_writes()
        found = self.templates.delete(name, if_match=self._tag(name, if_match))
        if found is None:
            raise PreconditionFailed.changed(self.noun)
        if not found:
            raise NotFound.template(self.noun)
        self.cache.forget(name)

    def page(self, wanted: PageRequest) -> Page:
        """Read a page of templates, in the order of their names."""
        return self.templates.page(limit=wanted.limit, after=wanted.after)

    def _tag(self, name: str, if_match: Sequence[str] | None) -> str | None:
        """The tag that the stored version must have when it is written. Raises PreconditionFailed."""
        if if_match is None:
            return None
        if len(if_match) == 1:
            return if_match[0]
        # The write compares one tag, so of several the one that is stored now is chosen.
        stored = self.templates.get(name) if if_match else None
        if stored is None or stored.etag not in if_match:
            raise PreconditionFailed.changed(self.noun)
        return stored.etag

    def check_writes(self) -> None:
        """Check that this deployment writes templates. Raises TurnedOff."""
        if not self.writes:
            raise TurnedOff.template_writes()
