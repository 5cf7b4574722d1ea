"""Writing and reading templates: one use case for every kind."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from task_service.domain import json_text
from task_service.domain.errors import BadRequest, NotFound, PreconditionFailed, TooLarge, TurnedOff
from task_service.domain.template import StoredTemplate
from task_service.ports import CachedTemplates, Templates
from task_service.usecases.create_task import check_payload

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 100
MAX_NAME_BYTES: Final = 1_000
MAX_DOCUMENT_BYTES: Final = 300_000
"""A record holds 400 KB."""

Validate = Callable[[str, str], Mapping[str, Any]]
"""The document in a payload, for a name, checked. Raises BadRequest, TooLarge."""


@dataclass(kw_only=True, eq=False, repr=False)
class TemplateEditor:
    """The templates of one kind, as their authors see them."""

    noun: str
    """What such a template is called."""
    templates: Templates
    cache: CachedTemplates[Any]
    writes: bool
    validate: Validate

    def get(self, name: str) -> StoredTemplate:
        """The template of that name. Raises NotFound."""
        stored = self.templates.get(name)
        if stored is None:
            raise NotFound(f"{self.noun} not found")
        return stored

    def put(
        self, name: str, payload: str, *, if_match: str | None = None, if_none_match: str | None = None
    ) -> tuple[StoredTemplate, bool]:
        """Write a template; returns it as stored and whether it is new.

        `if_match` and `if_none_match` are the headers of those names (RFC 9110, 13.1). Raises BadRequest, which
        names the member, its fault and what is allowed, PreconditionFailed and TurnedOff.
        """
        self.check_writes()
        if if_none_match not in (None, "*"):
            raise BadRequest("If-None-Match: only * is supported, for writing a new template")
        document = self._validate(name, payload)
        stored = StoredTemplate(name=name, document=document, etag=_etag(document))
        is_new = self.templates.put(stored, if_match=_tag(if_match), if_new=if_none_match == "*")
        if is_new is None:
            if if_none_match:
                raise PreconditionFailed(f"this {self.noun} exists already")
            raise self._changed()
        self.cache.forget(name)
        return stored, is_new

    def delete(self, name: str, *, if_match: str | None = None) -> None:
        """Delete a template. Raises NotFound, PreconditionFailed and TurnedOff."""
        self.check_writes()
        found = self.templates.delete(name, if_match=_tag(if_match))
        if found is None:
            raise self._changed()
        if not found:
            raise NotFound(f"{self.noun} not found")
        self.cache.forget(name)

    def page(self, *, limit: str | None, cursor: str | None) -> str:
        """A page of templates as the JSON text {"items": […], "next": …}. Raises BadRequest."""
        page = self.templates.page(limit=read_limit(limit), after=read_cursor(cursor))
        items = ",".join(template.document for template in page.items)
        following = json.dumps(None if page.next is None else to_cursor(page.next))
        return f'{{"items":[{items}],"next":{following}}}'

    def check_writes(self) -> None:
        """Raises TurnedOff where this deployment writes no templates."""
        if not self.writes:
            raise TurnedOff("writing templates is turned off in this deployment (TEMPLATE_WRITES)")

    def _validate(self, name: str, payload: str) -> str:
        """The template's document as it is stored."""
        if not name.strip() or json_text.size(name) > MAX_NAME_BYTES:
            raise BadRequest(f"name: 1 to {MAX_NAME_BYTES} bytes are allowed, not only spaces")
        check_payload(payload)
        if json_text.size(payload) > MAX_DOCUMENT_BYTES:
            raise TooLarge(f"the template is larger than {MAX_DOCUMENT_BYTES} bytes")
        return to_text(self.validate(name, payload))

    def _changed(self) -> PreconditionFailed:
        return PreconditionFailed(f"the {self.noun} has been changed since, or is not there")


def to_text(document: Mapping[str, Any]) -> str:
    """A template's document as it is stored."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _etag(document: str) -> str:
    """A strong tag of the content: the same template has the same tag, whoever wrote it."""
    return hashlib.sha256(document.encode()).hexdigest()[:32]


def _tag(header: str | None) -> str | None:
    """The tag in an If-Match header. Raises BadRequest."""
    if header is None or header.strip() == "*":
        return header and "*"
    tag = header.strip()
    if len(tag) < 2 or not (tag.startswith('"') and tag.endswith('"')) or "," in tag:
        raise BadRequest("If-Match: one tag in double quotes, as in ETag, or * is allowed")
    return tag[1:-1]


def read_limit(text: str | None) -> int:
    """The most items of a page. Raises BadRequest."""
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MAX_LIMIT):
        raise BadRequest(f"limit: {text!r} is not a number from 1 to {MAX_LIMIT}")
    return int(text)


def to_cursor(name: str) -> str:
    """What clients are given to ask for what follows a name."""
    return base64.urlsafe_b64encode(name.encode()).decode()


def read_cursor(cursor: str | None) -> str | None:
    """The name in a cursor. Raises BadRequest."""
    if cursor is None:
        return None
    try:
        name = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        name = None
    if name is None or json_text.size(name) > MAX_NAME_BYTES:
        raise BadRequest("next: not a cursor that this service has given")
    return name
