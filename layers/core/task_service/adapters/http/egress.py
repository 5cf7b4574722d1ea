"""Where tasks may go: to public addresses, and to what a deployment opens with EGRESS_ALLOW.

A template's author chooses the URL of a task, a target chooses where it redirects to, and the owner of a name chooses
its address. Each of them could try to reach the network that this service runs in. So the fence checks the address that
the client is about to connect to, and ignores how the URL writes it.

The tables below follow the registries of IANA
(https://www.iana.org/assignments/iana-ipv4-special-registry, https://www.iana.org/assignments/iana-ipv6-special-registry).
Python's `ipaddress` is not enough: its idea of a global address has changed between releases, and includes some
multicast and relay addresses.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from task_service.domain.url import ascii_host

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

_NOT_PUBLIC_IPV4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network; Linux connects 0.0.0.0 to itself
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers, and used by clouds for their own services
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, where clouds serve instance metadata and credentials
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays from IPv6 to IPv4, given up
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)

# All unicast addresses that IANA has given out. Outside of it are loopback (::1), the unspecified address (::),
# addresses with an IPv4 address at their end (::/96), local ones (fc00::/7, fe80::/10, fec0::/10), and
# multicast (ff00::/8).
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_IPV6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments; also Teredo (2001::/32), with an IPv4 address in it
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, with an IPv4 address in it, given up
        "3fff::/20",  # documentation
    )
)
# IPv4 as IPv6-only networks reach it: AWS's DNS answers so (DNS64). The IPv4 address at the end is what counts.
_NAT64: Final = IPv6Network("64:ff9b::/96")


def is_public(address: IpAddress) -> bool:
    """Tell if an address is reachable from the internet."""
    address = _unmapped(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_IPV4)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    return address in _GLOBAL_UNICAST and not any(address in network for network in _NOT_PUBLIC_IPV6)


def anywhere(host: str, address: str) -> bool:
    """Permit every address. For URLs that the operator sets."""
    return True


@dataclass(frozen=True, kw_only=True, slots=True)
class Egress:
    """The addresses and names that are open in addition to public addresses; by default none."""

    networks: tuple[IpNetwork, ...] = ()
    hosts: frozenset[str] = frozenset()
    """Open names. Their addresses are not checked."""
    domains: tuple[str, ...] = ()
    """Open domains, each with a dot in front: every name that ends with one of them is open."""

    @classmethod
    def from_text(cls, text: str) -> "Egress":
        """Read EGRESS_ALLOW: networks, addresses, names and *.domains, separated by commas. Raises ValueError."""
        networks: list[IpNetwork] = []
        hosts: list[str] = []
        domains: list[str] = []
        for entry in filter(None, (part.strip() for part in text.split(","))):
            if network := _network(entry):
                networks.append(network)
            elif entry.startswith("*."):
                domains.append("." + _checked_name(entry, entry[2:]))
            else:
                hosts.append(_checked_name(entry, entry))
        return cls(networks=tuple(networks), hosts=frozenset(hosts), domains=tuple(domains))

    def permits(self, host: str, address: str) -> bool:
        """Tell if the client may connect to an address of a host; `host` in the form of `ascii_host`."""
        try:
            ip = _unmapped(ip_address(address))
        except ValueError:
            # The system would look up a text that is no address once more.
            return False
        name = host.lower().removesuffix(".")
        if name in self.hosts or name.endswith(self.domains):
            return True
        return is_public(ip) or any(ip in network for network in self.networks)


_NAME: Final = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""A host's name, written in ASCII; its last part is no number, or it would be an address in some notation."""


def _checked_name(entry: str, text: str) -> str:
    try:
        name = ascii_host(text).removesuffix(".")
    except ValueError:
        name = ""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"EGRESS_ALLOW has {entry!r}: an address, a network (10.0.0.0/8), a name or *.name is expected"
        )
    return name


def _network(entry: str) -> IpNetwork | None:
    """The network, or the address as a network of one; None: it is neither. Raises ValueError, where it nearly is."""
    if re.fullmatch(r"[\d.]+(?:/.*)?|.*:.*", entry) is None:
        return None
    try:
        return ip_network(entry.removeprefix("[").removesuffix("]"))
    except ValueError as error:
        raise ValueError(f"EGRESS_ALLOW has {entry!r}: {error}") from None


def _unmapped(address: IpAddress) -> IpAddress:
    """The IPv4 address that an IPv6 socket connects to under ::ffff:0:0/96."""
    return getattr(address, "ipv4_mapped", None) or address
