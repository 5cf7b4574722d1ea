"""What every implementation of the Templates port does."""

from dataclasses import replace
from uuid import uuid4

from task_service.ports import Templates
from tests.support.builders import stored_template


def name() -> str:
    return f"contract/{uuid4().hex} é%"


def test_a_template_is_read_as_it_was_written(templates: Templates) -> None:
    template = stored_template(name())
    assert templates.put(template, if_match=None, if_new=False) is True
    assert templates.get(template.name) == template


def test_writing_it_again_replaces_it(templates: Templates) -> None:
    template = stored_template(name())
    templates.put(template, if_match=None, if_new=False)
    changed = replace(template, etag="tag-2")
    assert templates.put(changed, if_match=None, if_new=False) is False
    assert templates.get(template.name) == changed


def test_a_template_keeps_who_has_changed_it_last(templates: Templates) -> None:
    template = replace(stored_template(name()), changed_by="Ada é")
    for changed in (template, replace(template, changed_by="Bob"), replace(template, changed_by=None)):
        templates.put(changed, if_match=None, if_new=False)
        assert templates.get(template.name) == changed
    templates.put(template, if_match=None, if_new=False)
    [found] = [
        listed for listed in templates.page(limit=100, after=f"{template.name[:-1]}").items if listed == template
    ]
    assert found.changed_by == "Ada é"


def test_an_unknown_template_is_none(templates: Templates) -> None:
    assert templates.get(name()) is None


def test_a_condition_that_does_not_hold_changes_nothing(templates: Templates) -> None:
    template = stored_template(name())
    assert templates.put(template, if_match="tag-1", if_new=False) is None
    assert templates.put(template, if_match="*", if_new=False) is None
    assert templates.get(template.name) is None
    assert templates.put(template, if_match=None, if_new=True) is True
    assert templates.put(template, if_match=None, if_new=True) is None
    # The last one is a byte of a header that is no text.
    for other in ("other", "nul\0", "\udcff"):
        assert templates.put(replace(template, etag="tag-2"), if_match=other, if_new=False) is None
        assert templates.delete(template.name, if_match=other) is None
    assert templates.get(template.name) == template


def test_a_condition_that_holds_lets_the_change_pass(templates: Templates) -> None:
    template = stored_template(name())
    templates.put(template, if_match=None, if_new=True)
    assert templates.put(replace(template, etag="tag-2"), if_match="tag-1", if_new=False) is False
    assert templates.put(replace(template, etag="tag-3"), if_match="*", if_new=False) is False
    assert templates.delete(template.name, if_match="tag-3") is True
    assert templates.get(template.name) is None


def test_deleting_says_whether_there_was_one(templates: Templates) -> None:
    template = stored_template(name())
    assert templates.delete(template.name, if_match=None) is False
    templates.put(template, if_match=None, if_new=True)
    assert templates.delete(template.name, if_match=None) is True


def test_pages_hold_every_template_once_in_order(templates: Templates) -> None:
    written = sorted(name() for _ in range(5))
    for one in written:
        templates.put(stored_template(one), if_match=None, if_new=True)
    seen: list[str] = []
    after = None
    while True:
        page = templates.page(limit=2, after=after)
        assert len(page.items) <= 2
        seen += [template.name for template in page.items]
        after = page.next
        if after is None:
            break
    assert seen == sorted(seen)
    assert [one for one in seen if one in written] == written
