"""Where the service is and who asks: from options, the environment, and a file of profiles.

    [default]
    url = "https://tasks.example.com"
    token = "…"

An option is stronger than the environment, and that is stronger than the file. The token of a profile is sent to the
URL of that profile only.
"""

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from taskctl.errors import WrongUse
from taskctl.hostile import plain, without_credentials

LOCAL_URL: Final = "http://127.0.0.1:8082"
"""Where `make run` serves."""
DEFAULT_PROFILE: Final = "default"

_MEMBERS: Final = ("url", "token", "ca_file", "nats", "subject")
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
"""RFC 6750, 2.1."""
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Where the service is, and who asks."""

    url: str = LOCAL_URL
    """Without a slash at its end."""
    token: str | None = field(default=None, repr=False)
    """Bearer token; None: requests go without one."""
    ca_file: str | None = None
    """Certificates in PEM that TLS connections trust; None: the public authorities."""
    nats: str | None = field(default=None, repr=False)
    """Address of the NATS server to which events are published."""
    subject: str = "external"
    """NATS subject to which events are published."""

    @property
    def shows_token(self) -> bool:
        """Whether the token travels in the open."""
        address = urlsplit(self.url)
        return self.token is not None and address.scheme == "http" and address.hostname not in _LOOPBACK


def connection(
    *,
    url: str | None = None,
    token: str | None = None,
    ca_file: str | None = None,
    profile: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Connection:
    """The connection that options (None: not given), the environment and the file of profiles make. Raises WrongUse."""
    chosen = _profile(profiles_file(environment), profile or environment.get("TASKCTL_PROFILE") or None)
    found_url = _checked_url(url or environment.get("TASKCTL_URL") or chosen.get("url") or LOCAL_URL)
    given_token = token or environment.get("TASKCTL_TOKEN") or None
    if given_token is None and "token" in chosen and found_url == _checked_url(chosen.get("url") or LOCAL_URL):
        given_token = chosen["token"]
    return Connection(
        url=found_url,
        token=None if given_token is None else _checked_token(given_token),
        ca_file=_checked_file(ca_file or environment.get("TASKCTL_CA_FILE") or chosen.get("ca_file")),
        nats=environment.get("NATS_ADDR") or chosen.get("nats"),
        subject=environment.get("NATS_SUBJECT") or chosen.get("subject") or "external",
    )


def profiles_file(environment: Mapping[str, str]) -> Path:
    """The file of profiles."""
    if named := environment.get("TASKCTL_CONFIG"):
        return Path(named)
    folder = environment.get("XDG_CONFIG_HOME")
    return (Path(folder) if folder else Path.home() / ".config") / "taskctl" / "profiles.toml"


def _profile(path: Path, name: str | None) -> Mapping[str, str]:
    """The members of a profile; without a name the default one, which may be missing. Raises WrongUse."""
    profiles = _profiles(path)
    members = profiles.get(name or DEFAULT_PROFILE)
    if members is None:
        if name is not None:
            known = ", ".join(plain(known) for known in profiles) or "none"
            raise WrongUse(f"there is no profile {plain(name)} in {path}", f"the profiles there are: {known}")
        return {}
    if not isinstance(members, dict):
        raise WrongUse(
            f"{path}: {plain(name or DEFAULT_PROFILE)} is not a table", 'write [default] and below it url = "…"'
        )
    for member, value in members.items():
        if member not in _MEMBERS or not isinstance(value, str):
            raise WrongUse(
                f"{path}: {plain(member)} is not a member of a profile, or no string",
                f"the members are {', '.join(_MEMBERS)}",
            )
    return members


def _profiles(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            details = os.fstat(file.fileno())
            profiles = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise WrongUse(
            f"{path} cannot be read: {error.strerror}", "make it readable for you only (chmod 600)"
        ) from None
    except ValueError:
        # What the parser says may quote the line, and with it a token.
        raise WrongUse(f"{path} is not TOML in UTF-8", 'write [default] and below it url = "…"') from None
    has_secrets = any({"token", "nats"} & set(members) for members in profiles.values() if isinstance(members, dict))
    if has_secrets and os.name == "posix":
        if details.st_uid not in (os.getuid(), 0):
            raise WrongUse(f"{path} belongs to another user", "copy it to a file of your own")
        if details.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise WrongUse(f"{path} has a token and is open to other users", f"run chmod 600 {path}")
    return profiles


def _checked_url(url: str) -> str:
    try:
        address = urlsplit(url.strip())
        is_whole = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        is_whole = False
    if not is_whole or not url.strip().isprintable() or address.query or address.fragment:
        raise WrongUse(
            f"the URL {plain(without_credentials(url))!r} cannot be used", "give one such as https://tasks.example.com"
        )
    if address.username is not None or address.password is not None:
        raise WrongUse("the URL has a user or a password in it", "give the token with TASKCTL_TOKEN or a profile")
    return url.strip().rstrip("/")


def _checked_token(token: str) -> str:
    if not _TOKEN.fullmatch(token.strip()):
        raise WrongUse("the token is no bearer token", "give it alone, without 'Bearer' and without line ends in it")
    return token.strip()


def _checked_file(path: str | None) -> str | None:
    if path is not None and not Path(path).is_file():
        raise WrongUse(f"there is no file of certificates at {plain(path)}", "name a file in PEM with --ca-file")
    return path
