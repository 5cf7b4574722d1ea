"""The templates of one kind in memory."""

from dataclasses import dataclass, field

from task_service.domain.template import StoredTemplate
from task_service.ports import Page, Templates
from task_service.testing.faults import Faults, faulty


@dataclass
class InMemoryTemplates(Templates):
    """The templates of one kind in a table."""

    records: dict[str, StoredTemplate] = field(default_factory=dict)
    reads: int = 0
    faults: Faults = field(default_factory=Faults)

    def get(self, name: str) -> StoredTemplate | None:
        self.reads += 1
        return self.faults.around(lambda: self.records.get(name))

    @faulty
    def put(self, template: StoredTemplate, *, if_match: str | None, if_new: bool) -> bool | None:
        known = self.records.get(template.name)
        if (if_new and known is not None) or not _matches(known, if_match):
            return None
        self.records[template.name] = template
        return known is None

    @faulty
    def delete(self, name: str, *, if_match: str | None) -> bool | None:
        if not _matches(self.records.get(name), if_match):
            return None
        return self.records.pop(name, None) is not None

    def page(self, *, limit: int, after: str | None) -> Page:
        names = sorted(name for name in self.records if after is None or name > after)
        taken = names[:limit]
        return Page(items=[self.records[name] for name in taken], next=taken[-1] if len(names) > limit else None)


def _matches(known: StoredTemplate | None, if_match: str | None) -> bool:
    if if_match is None:
        return True
    return known is not None and if_match in ("*", known.etag)
