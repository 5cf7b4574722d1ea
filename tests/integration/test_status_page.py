"""The status page in a real browser, in front of an API whose answers a test makes up."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.browser import Visit, launched, visit
from tests.support.status_page import ADDRESS, MadeUp, problem, says

pytestmark = pytest.mark.slow

TOKEN: Final = "a-token.of-three.parts_~+/="

PENDING: Final = {
    "id": "t",
    "name": "made-up",
    "status": "pending",
    "attempts": 1,
    "responseCode": None,
    "createdAt": "2026-11-26T08:00:00.000Z",
    "startedAt": "2026-11-26T08:00:00.100Z",
    "finishedAt": None,
    "error": None,
    "history": [],
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        expect.set_options(timeout=15_000)
        yield browser


@pytest.fixture
def visited(browser: Browser) -> Iterator[Visit]:
    with visit(browser) as visited:
        yield visited


@pytest.fixture
def page(visited: Visit) -> Page:
    return visited.page


def state(page: Page) -> Any:
    """The large badge of a task or a list."""
    return page.locator(".state .badge")


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (problem(401, "a bearer token is required"), "This service asks for a token. Enter a bearer token"),
        (
            problem(403, "the token lacks the scope"),
            "This is not allowed: the token lacks the scope. Ask the operator.",
        ),
        (problem(429, "Too Many Requests"), "The service has too many requests at the moment. Wait a little"),
        (problem(500, "internal error"), "The service has a problem: internal error (error e-1). Try again"),
        (says(502, "<html>Bad Gateway"), "The service has a problem: status 502. Try again in a moment."),
        (says(200, "<html>Hello"), "The answer (status 200) is not one of the task service. Check the address"),
        (says(200, "null"), "The answer (status 200) is not one of the task service. Check the address"),
        (says(200, {"hello": 1}), "The answer (status 200) is not one of the task service. Check the address"),
        (lambda route: route.abort("connectionrefused"), "The service cannot be reached. Check the network"),
    ],
    ids=["401", "403", "429", "500", "502", "HTML", "null", "another object", "no network"],
)
def test_an_error_is_a_sentence_and_the_next_step(page: Page, broken: Callable[[Route], None], sentence: str) -> None:
    MadeUp(page, broken)
    for view in ("#/task/t", "#/list/l"):
        page.goto(ADDRESS + view)
        expect(page.locator("main")).to_contain_text(sentence)


def test_an_answer_that_cannot_be_drawn_is_told_as_one(page: Page) -> None:
    MadeUp(page, says(200, {"status": "done", "groups": 4}))
    page.goto(f"{ADDRESS}#/list/l")
    expect(page.locator("main")).to_contain_text("The answer of the service cannot be understood. Reload the page")


def test_the_token_stays_in_the_tab(visited: Visit, browser: Browser) -> None:
    page = visited.page
    api = MadeUp(page, problem(401, "a bearer token is required"))
    page.goto(f"{ADDRESS}#/task/t")
    page.get_by_role("button", name="Enter a token").click()
    page.get_by_label("Bearer token").fill("two words")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("A token is one word")
    api.answer = says(200, {**PENDING, "status": "done"})

    page.get_by_label("Bearer token").fill(f"Bearer {TOKEN}\n")
    page.keyboard.press("Enter")

    expect(state(page)).to_have_text("done")
    assert api.asked[-1][1] == f"Bearer {TOKEN}"
    page.reload()
    expect(state(page)).to_have_text("done")
    stored = page.evaluate(
        "[JSON.stringify(sessionStorage), JSON.stringify(localStorage), document.cookie, location.href]"
    )
    assert TOKEN in stored[0]
    assert not any(TOKEN in text for text in [*stored[1:], *visited.requested])
    assert {token for _, token in api.files} == {None}
    with visit(browser) as another:
        other = MadeUp(another.page, says(200, PENDING))
        another.page.goto(f"{ADDRESS}#/task/t")
        expect(state(another.page)).to_have_text("pending")
        assert {token for _, token in other.asked} == {None}
    page.get_by_role("button", name="Token set").click()
    page.get_by_role("button", name="Forget the token").click()
    expect(page.get_by_role("button", name="Token", exact=True)).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


POLL: Final = """
async ([outcomes, pace]) => {
  const { poll } = await import("./poll.js");
  const at = [], reports = [];
  const look = async () => {
    const outcome = outcomes[Math.min(at.length, outcomes.length - 1)];
    at.push(performance.now());
    if (outcome === "fails") throw Object.assign(new Error(outcome), { isFinal: false });
    if (outcome === "refused") throw Object.assign(new Error(outcome), { isFinal: true });
    return outcome;
  };
  await poll({ look, report: (state) => reports.push(state), signal: new AbortController().signal, pace });
  return { waits: at.slice(1).map((time, index) => time - at[index]), last: reports.at(-1) };
}
"""
PACE: Final = {"fastest": 10, "slowest": 80, "slowestAfterFailure": 100, "mostFailures": 4, "longest": 700}


@pytest.mark.parametrize(
    ("outcomes", "last", "least", "most"),
    [
        (["changed", "same", "same", "done"], "done", 3, 3),
        # 10, 15, 22, 34, 51, 76, 80, 80, … milliseconds, until 700 have passed.
        (["same"], "tired", 4, 13),
        (["changed"], "tired", 5, 70),
        (["fails"], "stopped", 3, 3),
        (["fails", "same", "fails", "fails", "same", "done"], "done", 5, 5),
        (["refused"], "stopped", 0, 0),
    ],
)
def test_looking_again_slows_down_and_ends(page: Page, outcomes: list[str], last: str, least: int, most: int) -> None:
    MadeUp(page, says(200, {}))
    # The module alone: nothing else looks.
    page.goto(f"{ADDRESS}poll.js")
    polled = page.evaluate(POLL.replace("./poll.js", f"{ADDRESS}poll.js"), [outcomes, PACE])
    assert polled["last"] == last
    assert least <= len(polled["waits"]) <= most, polled
    if outcomes == ["same"]:
        assert polled["waits"][-1] >= 2 * polled["waits"][0]


def test_a_hidden_tab_stops_looking_and_goes_on_when_it_is_shown(page: Page) -> None:
    page.clock.install()
    api = MadeUp(page, says(200, PENDING))
    page.goto(f"{ADDRESS}#/task/t")
    expect(state(page)).to_have_text("pending")
    hide(page, hidden=True)
    page.clock.run_for(20_000)
    expect(page.locator("main")).to_contain_text("Paused while the tab is hidden")
    looked = len(api.asked)

    page.clock.run_for(3_600_000)

    assert len(api.asked) == looked
    api.answer = says(200, {**PENDING, "status": "done"})
    hide(page, hidden=False)
    expect(state(page)).to_have_text("done")


def hide(page: Page, *, hidden: bool) -> None:
    """Tell the page that its tab is hidden, or shown."""
    page.evaluate(
        "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


def test_a_service_that_is_away_for_a_while_is_found_again(page: Page) -> None:
    page.clock.install()
    api = MadeUp(page, says(200, PENDING))
    page.goto(f"{ADDRESS}#/task/t")
    expect(state(page)).to_have_text("pending")
    api.answer = lambda route: route.abort("connectionrefused")
    page.clock.run_for(2_000)
    expect(page.locator("main")).to_contain_text("The service cannot be reached.")
    expect(state(page)).to_have_text("pending")

    api.answer = says(200, {**PENDING, "status": "done"})
    page.clock.run_for(30_000)

    expect(state(page)).to_have_text("done")
    expect(page.locator("main")).not_to_contain_text("The service cannot be reached.")


def test_a_deployment_without_writing_says_so(page: Page) -> None:
    message = "templates cannot be written over HTTP in this deployment"
    MadeUp(
        page, lambda route: (problem(403, message) if route.request.method == "PUT" else says(200, {"url": "u"}))(route)
    )
    page.goto(f"{ADDRESS}#/template/task/t")
    page.get_by_label("Template, as JSON").fill("{}")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").filter(has_text=message)).to_contain_text(
        "where the deployment and the token allow"
    )


def test_hidden_values_of_headers_are_not_written_over_the_real_ones(page: Page) -> None:
    api = MadeUp(page, says(200, {"url": "u", "method": "GET", "headers": {"Authorization": "***"}}, ETag='"1"'))
    page.goto(f"{ADDRESS}#/template/task/t")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Values of headers are hidden from this token")).to_be_visible()
    assert len(api.asked) == 1
