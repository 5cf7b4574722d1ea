"""URLs that the service can call exactly as they are written.

A URL goes out byte for byte, because it may be signed: nothing in its path and query is decoded, completed or
normalised. What RFC 3986 does not allow in a URL is refused when a template is written. Two things are transcribed,
because no other form can travel: characters beyond ASCII become percent-encoded UTF-8 (RFC 3987, 3.1), and the name of
a host takes its ASCII form (`ascii_host`).
"""

import base64
import re
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urljoin

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_AUTHORITY: Final = re.compile(r"//([^/?#]*)(.*)", re.DOTALL)
_SAFE: Final = r"A-Za-z0-9\-._~!$&'()*+,;=:@/?\[\]"
"""What stands for itself in a path or query (RFC 3986, 3.3 and 3.4); brackets too, as all clients send them."""
_NOT_SENDABLE: Final = re.compile(rf"%(?![0-9A-Fa-f]{{2}})|[^{_SAFE}%\x80-\U0010ffff]")
_BEYOND_ASCII: Final = re.compile(r"[^\x00-\x7f]+")
_USER: Final = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:]|[^\x00-\x7f]|%[0-9A-Fa-f]{2})*")
_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")
_PLACE: Final = re.compile(r"(\[.*\]|[^:\[\]]*)(?::([^:]*))?")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MAX_NAME: Final = 253


@dataclass(frozen=True, kw_only=True, slots=True)
class Url:
    """An HTTP URL, in the parts in which it is sent."""

    scheme: str
    """http or https."""
    host: str
    """A name in ASCII and lower case, or an address; an IPv6 address without its brackets."""
    port: int
    target: str
    """Path and query, as they are sent."""
    credentials: bytes = field(default=b"", repr=False)
    """User and password, with a colon between them; empty where the URL has none."""

    @classmethod
    @lru_cache(maxsize=256)
    def parse(cls, text: str) -> "Url":
        """The URL that `text` is. Raises ValueError, which says what is wrong with it."""
        if any(character.isspace() or not character.isprintable() for character in text):
            raise ValueError("white space and control characters are not part of a URL")
        url = cls._of(text)
        wrong = _NOT_SENDABLE.search(url.target)
        if wrong and wrong[0] == "%":
            raise ValueError("a % without two hexadecimal digits after it is not part of a URL, %25 is")
        if wrong:
            raise ValueError(f"the character {wrong[0]} is not part of a URL, {quote(wrong[0], safe='')} is")
        return url

    def resolve(self, location: str) -> "Url":
        """The URL that a redirect's Location means, seen from this URL. Raises ValueError.

        `location` has one character for each byte (ISO 8859-1). What cannot be sent is percent-encoded, as all clients
        do with a Location; the rest stays as it is. User and password are left out: they are the target's words.
        """
        text = location.encode("latin-1").decode("utf-8", "surrogateescape")
        if _SCHEME.fullmatch(text) is None:
            text = urljoin(f"{self.origin}{self.target}", text)
        url = self._of(text)
        target = _NOT_SENDABLE.sub(lambda wrong: quote(wrong[0], safe=""), url.target)
        return Url(scheme=url.scheme, host=url.host, port=url.port, target=target)

    @classmethod
    def _of(cls, text: str) -> "Url":
        """The URL, whose target may still have characters that cannot be sent."""
        found = _SCHEME.fullmatch(text)
        if found is None:
            raise ValueError("the scheme is missing")
        scheme = found[1].lower()
        if scheme not in _DEFAULT_PORTS:
            raise ValueError(f"the scheme {found[1]!r} is not supported")
        split = _AUTHORITY.fullmatch(found[2])
        authority, tail = split.groups() if split else ("", "")
        user, _, place = authority.rpartition("@")
        host, port = _host_and_port(place)
        target = tail.partition("#")[0]
        return cls(
            scheme=scheme,
            host=host,
            port=port or _DEFAULT_PORTS[scheme],
            target=_ascii(target if target.startswith("/") else f"/{target}"),
            credentials=_credentials(user),
        )

    @property
    def authority(self) -> str:
        """Host and port, as the Host header has them: a port that the scheme implies is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port (RFC 6454)."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authorization(self) -> str | None:
        """The Authorization header of its user and password (RFC 7617); None: it has none."""
        return f"Basic {base64.b64encode(self.credentials).decode()}" if self.credentials else None


def ascii_host(name: str) -> str:
    """The one form in which the name of a host is compared, looked up and connected to. Raises ValueError.

    Names beyond ASCII are transcribed by IDNA 2008, after the mapping of UTS 46: `Straße.internal` becomes
    `xn--strae-oqa.internal`, which is another host than `strasse.internal`.
    """
    if not name.isascii():
        # Its tables are large, and most names are ASCII.
        import idna

        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise ValueError(f"{name!r} is not the name of a host: {error}") from None
    name = name.lower()
    labels = name.removesuffix(".").split(".")
    if len(name.removesuffix(".")) > _MAX_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(
            f"{name!r} is not the name of a host; parts of 1 to 63 letters, digits, hyphens and underscores are "
            f"allowed, {_MAX_NAME} characters together"
        )
    if _NUMBER.fullmatch(labels[-1]) and not _is_ipv4(name.split(".")):
        raise ValueError(f"{name!r} is neither the name of a host nor an IPv4 address")
    return name


def _host_and_port(place: str) -> tuple[str, int | None]:
    found = _PLACE.fullmatch(place)
    if found is None:
        raise ValueError(f"{place!r} is not a host with a port")
    host, port = found.groups()
    if not host:
        raise ValueError("the host is missing")
    return (_ipv6(host[1:-1]) if host.startswith("[") else ascii_host(host)), _port(port)


def _port(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"the port {text!r} is not a number")
    # Longer numbers would take Python long to read.
    port = int(text) if len(text) < 20 else 65_536
    if port == 0:
        raise ValueError("port 0 cannot be called")
    if port > 65_535:
        raise ValueError("Port out of range 0-65535")
    return port


def _ipv6(text: str) -> str:
    try:
        # A zone names an interface of this machine.
        if "%" in text:
            raise AddressValueError("a zone is not allowed")
        IPv6Address(text)
    except AddressValueError:
        raise ValueError(f"{text!r} is not an IPv6 address") from None
    return text.lower()


def _is_ipv4(parts: list[str]) -> bool:
    """Whether the system reads these parts as an IPv4 address, in one of the notations of inet_aton(3)."""
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return False
    try:
        numbers = [_inet_number(part) for part in parts]
    except ValueError:
        return False
    return all(number < 256 for number in numbers[:-1]) and numbers[-1] < 256 ** (5 - len(numbers))


def _inet_number(text: str) -> int:
    if text.startswith("0x"):
        return int(text[2:], 16)
    return int(text, 8 if text.startswith("0") else 10) if len(text) < 20 else 2**32


def _credentials(user: str) -> bytes:
    """User and password as bytes: percent-encoded ones are the bytes that they stand for, others are UTF-8."""
    if _USER.fullmatch(user) is None:
        raise ValueError("the user or password has characters that have to be percent-encoded")
    name, _, _ = user.partition(":")
    credentials = unquote_to_bytes(_ascii(user))
    if _CONTROL.search(credentials) or b":" in unquote_to_bytes(_ascii(name)):
        raise ValueError("control characters are not part of a user or password, nor is a colon part of a user")
    if credentials and ":" not in user:
        credentials += b":"
    return credentials if credentials != b":" else b""


def _ascii(text: str) -> str:
    """The text, with everything beyond ASCII as percent-encoded UTF-8."""
    return _BEYOND_ASCII.sub(lambda found: quote(found[0].encode("utf-8", "surrogateescape"), safe=""), text)
