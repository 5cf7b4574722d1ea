"""Swagger UI and the document, through the local cloud: as files, and in a browser that tries the API out."""

import json
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import expect

from local.cloud import LocalCloud
from task_service.entrypoints.docs.openapi import openapi
from tests.support.api import Api
from tests.support.browser import Visit, visit

pytestmark = pytest.mark.slow

PATIENCE_MILLISECONDS = 60_000


@pytest.fixture(params=["the front", "the stage"])
def address(request: pytest.FixtureRequest, cloud: LocalCloud) -> str:
    """Where the API is: at the root, and under the stage's prefix."""
    return cloud.api_url if request.param == "the front" else cloud.gateway_url


def test_the_document_is_served_as_it_is_generated(api: Api) -> None:
    answer = api.call("GET", "/swagger-ui/openapi.json")

    assert answer.status == 200
    assert answer.json() == json.loads(json.dumps(openapi()))


def test_everything_that_the_page_needs_is_below_it(address: str) -> None:
    api, path = Api(address), urlsplit(address).path

    moved = api.call("GET", f"{path}/swagger-ui")
    page = urljoin(f"{path}/swagger-ui", moved.headers["Location"])

    assert (moved.status, page) == (308, f"{path}/swagger-ui/")
    assert api.call("GET", page).headers["Content-Type"] == "text/html; charset=utf-8"
    for name in ("initializer.js", "swagger-ui-bundle.js", "swagger-ui.css", "openapi.json"):
        answer = api.call("GET", urljoin(page, name))
        assert (answer.status, len(answer.body) > 100) == (200, True)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        again = api.call("GET", urljoin(page, name), headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "nothing", 404), ("GET", "openapi.json/", 404), ("HEAD", "", 405), ("POST", "openapi.json", 405)],
)
def test_what_is_not_there_is_told(api: Api, method: str, path: str, status: int) -> None:
    answer = api.call(method, f"/swagger-ui/{path}")

    assert answer.status == status
    assert answer.headers["Allow"] == ("GET" if status == 405 else None)
    if method != "HEAD":
        assert answer.json()["status"] == status


def test_a_task_is_created_and_its_result_read_from_the_page(address: str, api: Api) -> None:
    with visit() as visited:
        visited.page.set_default_timeout(PATIENCE_MILLISECONDS)
        visited.page.goto(f"{address}/swagger-ui/")

        created = tried(visited, "createTask", body='{"greeting": "from the page"}', taskName="hello")
        task_id = json.loads(created)["taskID"]
        api.done(task_id)
        result = tried(visited, "readTaskResult", taskID=task_id)

    assert json.loads(result)["body"] == {"greeting": "from the page"}
    assert f"{address}/v1/taskResult/{task_id}" in visited.requested
    assert [url for url in visited.requested if not url.startswith((f"{address}/", "data:"))] == []
    assert visited.complaints == []


def tried(visited: Visit, operation_id: str, *, body: str | None = None, **parameters: str) -> str:
    """What the page shows as the answer when an operation is tried out with these parameters."""
    operation = visited.page.locator(f"[id^='operations-'][id$='-{operation_id}']")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    for name, value in parameters.items():
        operation.locator(f"tr[data-param-name='{name}'] input").fill(value)
    if body is not None:
        operation.locator("textarea").fill(body)
    operation.get_by_role("button", name="Execute", exact=True).click()
    answer = operation.locator(".live-responses-table tr.response")
    expect(answer.locator(".response-col_status")).to_contain_text("200", timeout=PATIENCE_MILLISECONDS)
    return answer.locator(".highlight-code pre").first.inner_text()
