"""The status page in a real browser, on the local cloud."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from local.cloud import LocalCloud
from tests.support.api import Api
from tests.support.behaviours import answer, hang
from tests.support.browser import Visit, launched, visit
from tests.support.targets import HttpTarget

pytestmark = pytest.mark.slow

PATIENCE_MILLISECONDS: Final = 15_000
MARKUP: Final = '<img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def visited(browser: Browser) -> Iterator[Visit]:
    with visit(browser) as visited:
        visited.page.set_default_timeout(PATIENCE_MILLISECONDS)
        expect.set_options(timeout=PATIENCE_MILLISECONDS)
        yield visited


@pytest.fixture
def page(visited: Visit) -> Page:
    return visited.page


@pytest.fixture
def address(cloud: LocalCloud) -> str:
    return f"{cloud.api_url}/status/"


def state(page: Page) -> Any:
    """The large badge of a task or a list."""
    return page.locator(".state .badge")


def confirm(page: Page, action: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=action).click()


def a_list(api: Api, *groups: list[str]) -> str:
    """A new list with parallel groups of these task templates; returns its id."""
    name = f"list-of-{groups[0][0]}"
    document = {"groups": [{"execution": "parallel", "tasks": tasks} for tasks in groups]}
    assert api.call("PUT", f"/v1/taskListTemplates/{name}", json.dumps(document)).status in (200, 201)
    list_id: str = api.call("POST", f"/v1/taskList/{name}", "{}").json()["taskListID"]
    return list_id


# -- on the local cloud


@pytest.mark.parametrize("prefix", ["the front", "the stage"])
def test_a_running_list_goes_to_done_without_a_reload(
    visited: Visit, cloud: LocalCloud, api: Api, target: HttpTarget, prefix: str
) -> None:
    base = cloud.api_url if prefix == "the front" else cloud.gateway_url
    first, second = api.template(target.on("/1", hang(answer()))), api.template(target.on("/2", answer()))
    list_id = a_list(api, [first, second], [second])
    page = visited.page

    page.goto(f"{base}/status/#/list/{list_id}")

    page.evaluate("window.wasHereBefore = true")
    expect(state(page)).to_have_text("pending")
    expect(page.get_by_role("link", name=first)).to_contain_text("pending")
    expect(page.get_by_role("link", name=second).first).to_contain_text("done")
    expect(page.get_by_text("1 of 3 tasks ended")).to_be_visible()
    page.get_by_role("link", name=first).focus()
    target.release()
    expect(state(page)).to_have_text("done")
    expect(page.get_by_text("3 of 3 tasks ended")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="The list is done.")).to_be_attached()
    # What has the focus is redrawn in place.
    assert page.evaluate("document.activeElement.textContent") == f"{first}done"
    assert page.evaluate("window.wasHereBefore")
    assert [url for url in visited.requested if not url.startswith(f"{base}/")] == []
    assert visited.complaints == []


def test_a_failed_task_is_replayed_from_the_page(page: Page, address: str, api: Api, target: HttpTarget) -> None:
    url = target.on("/", answer(500, b'"out of order"'))
    task_id = api.create(api.template(url, retry={"maxAttempts": 2, "minDelaySeconds": 0, "maxDelaySeconds": 0}))
    api.failed(task_id)
    page.goto(f"{address}#/task/{task_id}")
    expect(state(page)).to_have_text("failed")
    expect(page.get_by_role("table", name="Attempts").locator("tbody tr:visible")).to_have_count(2)
    expect(page.locator("pre")).to_contain_text('the target answered 500: "out of order" (attempt 2 of 2)')
    page.evaluate("window.wasHereBefore = true")
    target.on("/", answer(200, b'{"n":12345678901234567890,"s":"{[\\"]}"}'))

    page.get_by_role("button", name="Replay").click()
    confirm(page, "Replay it")

    expect(state(page)).to_have_text("done")
    attempts = page.get_by_role("table", name="Attempts").locator("tbody tr:visible")
    expect(attempts).to_have_count(3)
    expect(attempts.nth(2)).to_contain_text("200")
    expect(page.locator("pre")).to_have_text(
        '{\n  "n": 12345678901234567890,\n  "s": "{[\\"]}"\n}', use_inner_text=True
    )
    expect(page.get_by_role("button", name="Replay")).to_be_hidden()
    assert page.evaluate("window.wasHereBefore")


def test_a_task_that_runs_is_cancelled_from_the_page(page: Page, address: str, api: Api, target: HttpTarget) -> None:
    task_id = api.create(api.template(target.on("/", hang(answer()))))
    target.wait_for_calls(1)
    page.goto(f"{address}#/task/{task_id}")
    expect(state(page)).to_have_text("pending")

    page.get_by_role("button", name="Cancel").click()
    confirm(page, "Leave it")
    expect(state(page)).to_have_text("pending")
    page.get_by_role("button", name="Cancel").click()
    confirm(page, "Cancel it")

    expect(state(page)).to_have_text("cancelled")
    assert api.status(task_id)["status"] == "cancelled"


def test_what_a_target_answers_is_text_and_never_markup(
    visited: Visit, address: str, api: Api, target: HttpTarget
) -> None:
    page = visited.page
    text = answer(200, MARKUP.encode(), content_type="text/html")
    done = api.create(api.template(target.on("/done", text), name=MARKUP))
    failing = answer(500, MARKUP.encode(), content_type="text/html")
    failed = api.create(api.template(target.on("/failed", failing), retry={"maxAttempts": 1}))
    api.all_ended([done, failed])

    page.goto(f"{address}#/task/{done}")
    expect(page.locator("pre")).to_contain_text("<img src=x onerror=")
    expect(page.get_by_role("heading", name=MARKUP)).to_be_visible()
    page.goto(f"{address}#/task/{failed}")
    expect(page.locator("pre")).to_contain_text("<img src=x onerror=")
    page.goto(f"{address}#/tasks?name={MARKUP}")
    expect(page.get_by_role("link", name=MARKUP).first).to_be_visible()

    assert page.evaluate("window.hacked") is None
    assert page.locator("main img, main script").count() == 0
    assert not any(url.endswith("/x") for url in visited.requested)
    assert visited.complaints == []


def test_a_search_has_an_address_of_its_own(page: Page, address: str, api: Api, target: HttpTarget) -> None:
    name = api.template(target.on("/", answer()))
    ids = [api.create(name), api.create(name)]
    api.all_ended(ids)
    page.goto(address)

    page.get_by_label("Template", exact=True).fill(name)
    page.get_by_label("State").select_option("done")
    page.get_by_role("button", name="Search").click()

    expect(page.locator("main").get_by_text("2 tasks", exact=True)).to_be_visible()
    assert page.url == f"{address}#/tasks?state=done&name={name}"
    page.reload()
    expect(page.get_by_role("row")).to_have_count(3)
    page.get_by_role("row").filter(has_text=ids[0]).get_by_role("link").click()
    expect(state(page)).to_have_text("done")
    page.go_back()
    page.get_by_role("button", name="Clear").click()
    expect(page).to_have_url(f"{address}#/tasks")


def test_failures_are_counted_by_template_and_replayed(page: Page, address: str, api: Api, target: HttpTarget) -> None:
    name = api.template(target.on("/", answer(500, b'"broken"')), retry={"maxAttempts": 1})
    for task_id in [api.create(name) for _ in range(3)]:
        api.failed(task_id)
    target.on("/", answer())
    page.goto(f"{address}#/failed?hours=1")
    line = page.get_by_role("table", name="Failed tasks").get_by_role("row").filter(has_text=name)
    expect(line).to_contain_text("3")
    expect(line).to_contain_text('the target answered 500: "broken"')

    line.get_by_role("button", name="Replay all").click()
    expect(page.get_by_role("dialog")).to_contain_text("3 tasks will start again")
    confirm(page, "Replay them")

    expect(line).to_contain_text("3 tasks replayed.")
    line.get_by_role("link", name=name).click()
    page.wait_for_url(f"{address}#/tasks?state=failed&name={name}")
    expect(page.get_by_text("No task matches")).to_be_visible()


def test_something_is_opened_by_its_id(page: Page, address: str, api: Api, target: HttpTarget) -> None:
    name = api.template(target.on("/", answer()))
    task_id, list_id = api.create(name), a_list(api, [name])
    page.goto(address)
    for wanted, kind in ((task_id, "task"), (list_id, "list"), (f"{list_id}.0.0", "task")):
        page.get_by_label("Id of a task or a list").fill(f" {wanted} ")
        page.get_by_role("button", name="Open").click()
        page.wait_for_url(f"{address}#/{kind}/{wanted}")
        expect(page.locator(".identifier")).to_contain_text(wanted)
    expect(page.get_by_text("Part of the list")).to_be_visible()

    for wanted, kind in ((task_id, "task"), (list_id, "list")):
        page.goto(f"{address}#{wanted}")
        page.wait_for_url(f"{address}#/{kind}/{wanted}")
    page.get_by_label("Id of a task or a list").fill("nothing")
    page.get_by_role("button", name="Open").click()

    expect(page.get_by_text("No task and no list has this id.")).to_be_visible()


def test_templates_are_written_and_no_edit_is_lost(page: Page, address: str, api: Api, target: HttpTarget) -> None:
    url, name = target.url("/"), "written on the page"
    page.goto(f"{address}#/template/task")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Template, as JSON").fill('{"url": "not a url", "method": "POST"}')
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").filter(has_text="url")).to_be_visible()
    page.get_by_label("Template, as JSON").fill(json.dumps({"url": url, "method": "POST"}))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect(page.get_by_label("Template, as JSON")).to_have_value(re.compile(f'"url": "{url}"'))

    api.template(url, name=name, timeoutSeconds=7)
    page.get_by_label("Template, as JSON").fill(json.dumps({"url": url, "method": "GET"}))
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_text("The template has been changed since you opened it.")).to_be_visible()
    page.get_by_role("button", name="Discard changes").click()
    expect(page.get_by_label("Template, as JSON")).to_have_value(re.compile('"timeoutSeconds": 7'))
    page.get_by_label("Template, as JSON").fill(json.dumps({"url": url, "method": "GET"}))
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".notice.is-good")).to_be_visible()
    assert api.call("GET", "/v1/taskTemplates/written%20on%20the%20page").json()["method"] == "GET"


# -- for every reader


@pytest.fixture
def views(api: Api, target: HttpTarget) -> dict[str, str]:
    """The address of each view with something in it, and a text that shows that it has loaded."""
    failing = answer(500, b'"' + b"long words " * 30 + b"x" * 200 + b'"')
    bad = api.template(target.on("/bad", failing), retry={"maxAttempts": 2, "minDelaySeconds": 0, "maxDelaySeconds": 0})
    good = api.template(target.on("/good", answer(200, b'{"a": [1, 2]}')), name="a-rather-long-name-of-a-template-" * 2)
    failed, done = api.create(bad), api.create(good)
    list_id = a_list(api, [bad, good, good], [good])
    api.all_ended([failed, done])
    return {
        "#/tasks": good,
        "#/tasks?name=nothing": "No task matches",
        "#/lists": f"list-of-{bad}",
        "#/failed": "by template",
        f"#/task/{failed}": "Attempts",
        f"#/task/{done}": "Result",
        f"#/list/{list_id}": "Group 2 of 2",
        "#/templates/task": good,
        "#/templates/list": f"list-of-{bad}",
        f"#/template/task/{good}": "Save",
        "#/task/nothing": "Task is not found.",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_a_fault_that_axe_calls_serious(
    browser: Browser, address: str, views: dict[str, str], scheme: Any
) -> None:
    axe = Axe()
    # Colours are all that the schemes differ in.
    rules = {"runOnly": ["color-contrast"]} if scheme == "dark" else {}
    with visit(browser, color_scheme=scheme, viewport={"width": 360, "height": 740}) as visited:
        page = visited.page
        faults: dict[str, str] = {}
        page.goto(address)
        for view, text in views.items():
            page.evaluate("hash => location.hash = hash", view)
            expect(page.get_by_text(text).filter(visible=True).first).to_be_visible()
            # A narrow page stays narrow.
            assert page.evaluate("document.documentElement.scrollWidth") == 360, view
            faults |= _faults(axe, page, view, rules)
        page.get_by_role("button", name="Token").click()
        faults |= _faults(axe, page, "the token", rules)
    assert faults == {}


def _faults(axe: Axe, page: Page, view: str, rules: dict[str, list[str]]) -> dict[str, str]:
    found = axe.run(page, options={"resultTypes": ["violations"], **rules})
    serious = [it["id"] for it in found.response["violations"] if it["impact"] in ("serious", "critical")]
    return {f"{view}: {name}": found.generate_report(name) for name in serious}


def test_a_wide_screen_is_used_and_nothing_is_cut(browser: Browser, address: str, views: dict[str, str]) -> None:
    with visit(browser, viewport={"width": 1600, "height": 1000}) as visited:
        page = visited.page
        page.goto(address)
        for view, text in views.items():
            page.evaluate("hash => location.hash = hash", view)
            expect(page.get_by_text(text).filter(visible=True).first).to_be_visible()
            cut = "[...document.querySelectorAll('.table')].filter(it => it.scrollWidth > it.clientWidth).length"
            assert (page.evaluate("document.documentElement.scrollWidth"), page.evaluate(cut)) == (1600, 0), view


def test_all_of_it_works_with_the_keyboard(page: Page, address: str, api: Api, target: HttpTarget) -> None:
    name = api.template(target.on("/", answer(404)), acceptStatus=["2xx"])
    task_id = api.create(name)
    api.failed(task_id)
    target.on("/", answer())
    page.goto(f"{address}#/tasks?name={name}")
    expect(page.get_by_role("link", name=name)).to_be_visible()

    def press_until(there: Callable[[], bool], key: str = "Tab") -> None:
        for _ in range(30):
            page.keyboard.press(key)
            if there():
                return
        raise AssertionError(page.evaluate("document.activeElement.outerHTML"))

    def has_focus(text: str) -> Callable[[], bool]:
        return lambda: page.evaluate("document.activeElement.textContent") == text

    press_until(has_focus("Skip to the content"))
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    press_until(has_focus(name))
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_be_focused()
    expect(state(page)).to_have_text("failed")
    press_until(has_focus("Replay"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Leave it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Replay")).to_be_focused()
    page.keyboard.press("Enter")
    press_until(has_focus("Replay it"))
    page.keyboard.press("Enter")

    expect(state(page)).to_have_text("done")
    expect(page.locator("h1")).to_be_focused()
