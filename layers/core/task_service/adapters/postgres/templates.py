"""Templates in PostgreSQL."""

from dataclasses import asdict, dataclass
from typing import Final

from task_service.adapters.postgres.database import Database
from task_service.adapters.postgres.values import is_possible
from task_service.domain.errors import BadRequest
from task_service.domain.template import StoredTemplate, TemplateKind
from task_service.ports import Page

IS_THE_ONE: Final = "kind = %(kind)s AND name = %(name)s"

IS_UNCHANGED: Final = "(%(if_match)s::text IS NULL OR %(if_match)s IN ('*', etag))"
"""The stored version is the one that the editor has seen; a star: there is one."""


@dataclass(kw_only=True, eq=False, repr=False)
class PostgresTemplates:
    """The templates of one kind."""

    database: Database
    kind: TemplateKind

    GET = f"SELECT name, document, etag, changed_by FROM task_service.templates WHERE {IS_THE_ONE}"

    def get(self, name: str) -> StoredTemplate | None:
        """The template of that name."""
        row = self.database.row(self.GET, {"kind": self.kind.value, "name": name}) if is_possible(name) else None
        return StoredTemplate(**row) if row else None

    INSERT = """
        INSERT INTO task_service.templates (kind, name, document, etag, changed_by)
        VALUES (%(kind)s, %(name)s, %(document)s, %(etag)s, %(changed_by)s)
        ON CONFLICT (kind, name) DO NOTHING
        RETURNING name
    """
    UPDATE = f"""
        UPDATE task_service.templates SET document = %(document)s, etag = %(etag)s, changed_by = %(changed_by)s
        WHERE {IS_THE_ONE} AND {IS_UNCHANGED}
        RETURNING name
    """

    def put(self, template: StoredTemplate, *, if_match: str | None, if_new: bool) -> bool | None:
        """Write it, where the condition holds. Returns whether it is new, or None where it does not hold."""
        if not is_possible(template.name):
            raise BadRequest("name: Unicode text without the character U+0000 is allowed")
        if not _can_match(if_match):
            return None
        values = {**asdict(template), "kind": self.kind.value, "if_match": if_match}
        while True:
            if not if_new and self.database.rows(self.UPDATE, values):
                return False
            if if_match is not None:
                return None
            if self.database.rows(self.INSERT, values):
                return True
            if if_new:
                return None
            # It was written between the two statements: the next round replaces it.

    DELETE = f"DELETE FROM task_service.templates WHERE {IS_THE_ONE} AND {IS_UNCHANGED} RETURNING name"

    def delete(self, name: str, *, if_match: str | None) -> bool | None:
        """Delete it. Returns whether there was one, or None where the condition did not hold."""
        values = {"kind": self.kind.value, "name": name, "if_match": if_match}
        if is_possible(name) and _can_match(if_match) and self.database.rows(self.DELETE, values):
            return True
        return False if if_match is None else None

    PAGE = """
        SELECT name, document, etag, changed_by FROM task_service.templates
        WHERE kind = %(kind)s AND name > %(after)s
        ORDER BY name LIMIT %(more)s
    """

    def page(self, *, limit: int, after: str | None) -> Page:
        """Up to `limit` templates with names greater than `after`."""
        values = {"kind": self.kind.value, "after": (after or "").partition("\0")[0], "more": limit + 1}
        rows = self.database.rows(self.PAGE, values)
        items = [StoredTemplate(**row) for row in rows[:limit]]
        return Page(items=items, next=items[-1].name if len(rows) > limit else None)


def _can_match(if_match: str | None) -> bool:
    """Whether there can be a version that meets a condition, which may be any text that a client sends."""
    return if_match is None or is_possible(if_match)
