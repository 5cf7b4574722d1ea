"""Networks and addresses, without any look at the network itself."""

import ipaddress
from collections.abc import Iterable
from typing import Any

from task_service.adapters.policies.faults import Refused
from task_service.adapters.policies.functions.text import string

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def contains(network: Any, other: Any) -> bool:
    """Tell if a network has an address or all of another network."""
    outer, inner = _network(network, "/"), _network(other)
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def intersects(left: Any, right: Any) -> bool:
    """Tell if two networks have an address in common."""
    return _network(left, "/").overlaps(_network(right, "/"))


def is_valid(network: Any) -> bool:
    """Tell if a value is a network."""
    try:
        return isinstance(network, str) and _network(network, "/") is not None
    except Refused:
        if "%" in network or "::ffff:" in network.lower():
            raise
        return False


def merge(networks: Any) -> Any:
    """The fewest networks with the same addresses."""
    if not isinstance(networks, list | set):
        raise Refused("net.cidr_merge needs an array or a set")
    # Go takes a class for an address alone.
    found = [_network(network, "/") for network in networks]
    merged: list[Network] = []
    for version in (4, 6):
        merged += ipaddress.collapse_addresses(network for network in found if network.version == version)  # type: ignore[type-var]
    return {str(network) for network in merged}


def matches(networks: Any, others: Any) -> Any:
    """The pairs of places at which a network has the other."""
    return {
        (place, other_place)
        for place, network in _places(networks)
        for other_place, other in _places(others)
        if contains(network, other)
    }


def _places(values: Any) -> Iterable[tuple[Any, str]]:
    """Texts by what names them: themselves in a set, or a place, or a name. An array has its text first."""
    if isinstance(values, str):
        return [(values, values)]
    if isinstance(values, set):
        return [(_first(value), _first(value)) for value in values]
    if isinstance(values, list):
        return [(place, _first(value)) for place, value in enumerate(values)]
    if isinstance(values, dict):
        return [(name, _first(value)) for name, value in values.items()]
    raise Refused("a string, an array, an object or a set is needed here")


def _first(value: Any) -> str:
    return string(value[0] if isinstance(value, list) and value else value)


def _network(text: Any, needed: str = "") -> Network:
    """A network, or an address as one. Raises Refused."""
    if needed not in string(text) or "%" in text or "::ffff:" in text.lower():
        raise Refused(f"{text[:60]!r} is not a network that can be used here")
    try:
        address, _, length = text.partition("/")
        if "/" in text and not (length.isdecimal() and length.isascii() and str(int(length)) == length):
            raise ValueError(text)
        # Go keeps an address of IPv4 in one of IPv6; such are refused above.
        return ipaddress.ip_network(f"{ipaddress.ip_address(address)}/{length}" if length else address, strict=False)
    except ValueError:
        raise Refused(f"{text[:60]!r} is not a network or an address") from None
