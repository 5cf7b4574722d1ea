"""A NATS operator with one account and one user: a server's configuration, and the user's credentials file."""

import base64
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import nkeys  # type: ignore[import-untyped]

UNLIMITED = {"subs": -1, "conn": -1, "leaf": -1, "imports": -1, "exports": -1, "data": -1, "payload": -1}
OPERATOR, ACCOUNT, USER = nkeys.PREFIX_BYTE_OPERATOR, nkeys.PREFIX_BYTE_ACCOUNT, nkeys.PREFIX_BYTE_USER


def credentials(folder: Path) -> tuple[Path, Path]:
    """The server's configuration file and the user's credentials file."""
    operator, account, user = (_key(prefix) for prefix in (OPERATOR, ACCOUNT, USER))
    account_jwt = _jwt(account, operator, {"type": "account", "limits": UNLIMITED})
    user_jwt = _jwt(user, account, {"type": "user", "subs": -1, "data": -1, "payload": -1})
    configuration = folder / "operator.conf"
    configuration.write_text(
        f"operator: {_jwt(operator, operator, {'type': 'operator'})}\n"
        f"resolver: MEMORY\nresolver_preload: {{ {_name(account)}: {account_jwt} }}\n"
    )
    file = folder / "user.creds"
    file.write_text(
        f"-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
    )
    return configuration, file


def _key(prefix: int) -> Any:
    return nkeys.from_seed(nkeys.encode_seed(os.urandom(32), prefix))


def _name(key: Any) -> str:
    name: str = key.public_key.decode()
    return name


def _jwt(subject: Any, issuer: Any, claims: dict[str, Any]) -> str:
    body = {
        "iat": int(time.time()),
        "iss": _name(issuer),
        "name": claims["type"],
        "sub": _name(subject),
        "nats": {"version": 2, **claims},
    }
    body["jti"] = base64.b32encode(hashlib.sha256(json.dumps(body).encode()).digest()).decode().rstrip("=")
    signed = f"{_encoded({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_encoded(body)}"
    return f"{signed}.{_text(issuer.sign(signed.encode()))}"


def _encoded(value: object) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
