"""Plain HTTP requests to this machine, whatever proxy the environment names."""

import urllib.error
import urllib.request
from collections.abc import Mapping

from local.errors import LocalCloudError, RefusedError

TIMEOUT_SECONDS = 30
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> bytes:
    """The body of the answer, which has to be a good one."""
    request = urllib.request.Request(
        url, data=body, method=method, headers={"Content-Type": "application/json", **(headers or {})}
    )
    try:
        with _direct.open(request, timeout=TIMEOUT_SECONDS) as answer:
            said: bytes = answer.read()
            return said
    except urllib.error.HTTPError as error:
        reason = error.read().decode("utf-8", "replace")
        raise RefusedError(method, url, error.code, reason) from error
    except OSError as error:
        raise LocalCloudError(f"{method} {url} is not answered: {error}") from error


def answers(url: str) -> bool:
    """Whether a server answers here."""
    try:
        call("GET", url)
    except LocalCloudError:
        return False
    return True
