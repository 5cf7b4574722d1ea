"""Swagger UI, the document and the status page as files: what API Gateway asks for, and what it is answered."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import openapi as powertools_openapi

from task_service.entrypoints.docs.site import PAGE, STATUS, Site
from tests.support.gateway import headers_of
from tests.unit.test_api import World

pytestmark = pytest.mark.usefixtures("gateway")

DOCUMENT = {"openapi": "3.1.0", "info": {"title": "Ü", "version": "1"}}
FILES = {
    "": "text/html; charset=utf-8",
    "initializer.js": "text/javascript; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "openapi.json": "application/json",
}
STATUS_FILES = {
    "": "text/html; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
TYPES = {f"/swagger-ui/{name}": kind for name, kind in FILES.items()} | {
    f"/status/{name}": kind for name, kind in STATUS_FILES.items()
}


def ask(path: str, method: str = "GET", *, site: Site | None = None, **headers: str) -> Any:
    """The answer to a request for this path, matched as API Gateway does."""
    _, folder, *rest = path.split("/")
    name = "/".join(rest).strip("/")
    event = {
        "httpMethod": method,
        "path": path,
        "resource": f"/{folder}/{{proxy+}}" if name else f"/{folder}",
        "pathParameters": {"proxy": name} if name else None,
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
    }
    response = (site or Site(lambda: DOCUMENT)).resolve(World.gateway(event), None)
    return SimpleNamespace(status=response["statusCode"], headers=headers_of(response), text=response["body"])


@pytest.mark.parametrize(("path", "content_type"), list(TYPES.items()))
def test_every_file_is_served(path: str, content_type: str) -> None:
    answer = ask(path)

    assert (answer.status, answer.headers["Content-Type"]) == (200, content_type)
    assert answer.text


def test_the_document_is_what_it_is_given() -> None:
    assert json.loads(ask("/swagger-ui/openapi.json").text) == DOCUMENT


def test_the_document_is_made_when_it_is_first_asked_for_and_once() -> None:
    made = []

    def document() -> dict[str, Any]:
        made.append(1)
        return DOCUMENT

    site = Site(document)
    ask("/swagger-ui/", site=site)
    assert not made
    ask("/swagger-ui/openapi.json", site=site)
    ask("/swagger-ui/openapi.json", site=site)
    assert len(made) == 1


def test_the_page_needs_its_own_folder_only() -> None:
    page, script = ((PAGE / name).read_text() for name in ("index.html", "initializer.js"))

    assert "//" not in page.replace("<!--", "").replace("-->", "")
    assert "://" not in script
    assert "style=" not in page
    assert "<script>" not in page


def test_the_status_page_needs_its_own_folder_only() -> None:
    files = {path.name: path.read_text() for path in STATUS.iterdir()}
    page = files.pop("index.html")
    assert "//" not in page
    assert "style=" not in page
    assert re.findall(r" on[a-z]+=|<script>|<style", page) == []
    assert set(re.findall(r'(?:src|href)="([^"#]+)"', page)) == {"icon.svg", "style.css", "app.js", "../swagger-ui/"}
    for name, text in files.items():
        # A namespace is a name; what follows // in a module is a comment.
        addresses = set(re.findall(r"https?://[^\"\s]+", text)) - {"http://www.w3.org/2000/svg"}
        assert addresses <= {"https://target.example/path"}, name
        assert set(re.findall(r'from "\./([^"]+)"', text)) <= files.keys(), name
        assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|localStorage", text) == [], (
            name
        )


def test_the_library_is_the_one_that_is_installed() -> None:
    bundle = Path(powertools_openapi.__path__[0], "swagger_ui", "swagger-ui-bundle.min.js")

    assert ask("/swagger-ui/swagger-ui-bundle.js").text == bundle.read_text(encoding="utf-8")


def test_what_lambda_carries_is_enough_for_every_file() -> None:
    for path in TYPES:
        assert len(json.dumps(ask(path).text)) < 6_000_000


@pytest.mark.parametrize("folder", ["swagger-ui", "status"])
def test_without_the_slash_the_page_is_one_step_further(folder: str) -> None:
    answer = ask(f"/{folder}")

    assert (answer.status, answer.headers["Location"], answer.text) == (308, f"{folder}/", "")


@pytest.mark.parametrize("path", ["/swagger-ui/", "/base/swagger-ui/"])
def test_where_the_api_is_does_not_matter(path: str) -> None:
    event = {"httpMethod": "GET", "path": path, "resource": "/swagger-ui", "pathParameters": None, "headers": None}

    assert Site(lambda: DOCUMENT).resolve(event, None)["statusCode"] == 200


@pytest.mark.parametrize("path", TYPES)
def test_what_is_there_already_is_not_sent_again(path: str) -> None:
    first = ask(path)
    tag = first.headers["ETag"]

    for header in (tag, f"W/{tag}", f'"other", {tag}'):
        again = ask(path, If_None_Match=header)
        assert (again.status, again.text, again.headers["ETag"]) == (304, "", tag)
    assert ask(path, If_None_Match='"other"').status == 200


def test_what_is_ours_is_asked_for_each_time_and_the_library_once_a_day() -> None:
    assert ask("/status/app.js").headers["Cache-Control"] == "no-cache"
    assert ask("/swagger-ui/openapi.json").headers["Cache-Control"] == "no-cache"
    assert ask("/swagger-ui/swagger-ui.css").headers["Cache-Control"] == "public, max-age=86400"


@pytest.mark.parametrize("path", ["/swagger-ui/", "/swagger-ui/openapi.json", "/swagger-ui", "/swagger-ui/nothing"])
def test_browsers_are_told_to_load_nothing_from_elsewhere(path: str) -> None:
    headers = ask(path).headers

    assert headers["Content-Security-Policy"].startswith("default-src 'self'; ")
    assert "http" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/status/", "/status/app.js", "/status", "/status/nothing"])
def test_the_status_page_takes_nothing_for_markup_or_a_script_that_is_not_its_own(path: str) -> None:
    headers = ask(path).headers

    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS", "DELETE"])
@pytest.mark.parametrize("path", ["/swagger-ui", "/swagger-ui/", "/swagger-ui/openapi.json", "/status/app.js"])
def test_a_wrong_method_is_405_with_what_is_allowed(method: str, path: str) -> None:
    answer = ask(path, method)

    assert (answer.status, answer.headers["Allow"]) == (405, "GET")
    assert json.loads(answer.text)["status"] == 405


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "path",
    [
        *("/swagger-ui/nothing", "/swagger-ui/openapi.json/", "/swagger-ui/index.html", "/swagger-ui/../site.py"),
        *("/status/nothing", "/status/app.js/", "/status/index.html", "/status/../site.py", "/status/openapi.json"),
    ],
)
def test_an_unknown_file_is_404(method: str, path: str) -> None:
    answer = ask(path, method)

    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/json")
    assert json.loads(answer.text)["kind"] == 5
