"""AWS's Signature Version 4 of a POST request without a query.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hmac
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256

from task_service.adapters.aws.credentials import Keys


def authorization(
    keys: Keys, *, path: str, headers: Mapping[str, str], body: bytes, region: str, service: str, moment: str
) -> str:
    """The Authorization header for a request with these headers, which are in the order of their lower-case names.

    `moment` is the time in the header `x-amz-date`.
    """
    names, day = ";".join(headers), moment[:8]
    lines = ["POST", path, "", *(f"{name}:{value}" for name, value in headers.items()), "", names]
    canonical = "\n".join([*lines, sha256(body).hexdigest()])
    scope = f"{day}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    signature = _hmac(_signing_key(keys.secret_key, day, region, service), text).hex()
    return f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"


@lru_cache(maxsize=8)
def _signing_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    """The key of a day, which several requests are signed with."""
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
