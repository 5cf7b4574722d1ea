"""A real browser, which keeps what it is asked to load and what it complains of."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """A page, and what has happened on it."""

    page: Page
    requested: list[str] = field(default_factory=list)
    """The addresses of all requests."""
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of the console, uncaught exceptions, requests without an answer."""


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(browser: Browser | None = None, **options: Any) -> Iterator[Visit]:
    """An empty page, of a browser that no other test uses unless one is given; `options` are those of a context."""
    if browser is None:
        with launched() as own, visit(own, **options) as visited:
            yield visited
        return
    context = browser.new_context(**options)
    try:
        yield _visit(context.new_page())
    finally:
        context.close()


def _visit(page: Page) -> Visit:
    visit = Visit(page=page)
    page.on("request", lambda request: visit.requested.append(request.url))
    page.on("requestfailed", lambda request: visit.complaints.append(f"failed: {request.url}"))
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.on(
        "console",
        lambda message: visit.complaints.append(message.text) if message.type in ("error", "warning") else None,
    )
    return visit


def chromium() -> str:
    """The path of the browser. Raises RuntimeError where there is none."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise RuntimeError("no Chromium is found: bash tests/browser.sh")
    return found
