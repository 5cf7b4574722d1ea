"""Digests, in hexadecimal."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from task_service.adapters.policies.functions.text import string


def digest(algorithm: str) -> Callable[[Any], str]:
    """crypto.md5 and its like."""
    return lambda text: hashlib.new(algorithm, string(text).encode(), usedforsecurity=False).hexdigest()


def mac(algorithm: str) -> Callable[[Any, Any], str]:
    """crypto.hmac.md5 and its like."""
    return lambda text, key: hmac.new(string(key).encode(), string(text).encode(), algorithm).hexdigest()


def macs_equal(left: Any, right: Any) -> bool:
    """Compare two authentication codes, in a time that does not tell where they differ."""
    return hmac.compare_digest(string(left).encode(), string(right).encode())
