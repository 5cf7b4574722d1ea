"""Which addresses are public, and what EGRESS_ALLOW opens beside them."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task_service.adapters.http.egress import Egress, is_public
from task_service.domain.url import Url

PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "52.95.110.1", "93.184.215.14", "223.255.255.255"),
    *("100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0"),
    *("172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.167.255.255", "192.169.0.0"),
    *("198.17.255.255", "198.20.0.0", "198.51.99.255", "203.0.112.255", "203.0.114.0"),
    *("2606:4700:4700::1111", "2a05:d014::1", "2001:200::1", "2001:4860:4860::8888", "2600::", "2003::1"),
    # The same as IPv6 sockets and IPv6-only networks write IPv4.
    *("::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "64:ff9b::808:808"),
]
NOT_PUBLIC = [
    *("0.0.0.0", "0.0.0.1", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255"),
    *("100.100.100.200", "127.0.0.0", "127.0.0.1", "127.1.2.3", "127.255.255.255"),
    *("169.254.0.1", "169.254.169.253", "169.254.169.254", "169.254.170.2", "169.254.255.255"),
    *("172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.9", "192.0.0.192", "192.0.0.255", "192.0.2.1"),
    *("192.88.99.1", "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.1"),
    *("203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.254", "255.255.255.255"),
    *("::", "::1", "::2", "fe80::1", "fe80::1%lo", "febf::1", "fec0::1", "feff::1", "fc00::1", "fd00:ec2::254"),
    *("ff00::1", "ff02::1", "ff0e::1", "100::1", "200::1", "1fff::1", "4000::1", "5f00::1", "2001:db8::1", "3fff::1"),
    *("2001:2::1", "2001:10::1", "2001:20::1", "2001:1::1"),
    # With IPv4 in it: mapped, compatible, translated, NAT64 (well-known and local), 6to4, Teredo, ISATAP.
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::ffff:192.168.1.1"),
    *("::127.0.0.1", "::8.8.8.8", "::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8"),
    *("64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::8.8.8.8", "64:ff9b::1:808:808"),
    *("2002:7f00:1::1", "2002:a9fe:a9fe::", "2002:808:808::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    *("2001::7f00:1", "fe80::5efe:127.0.0.1"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address(address: str) -> None:
    assert is_public(ip_address(address))
    assert Egress().permits("target.example", address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
    assert not Egress().permits("target.example", address)


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_is_public_that_python_knows_to_be_something_else(address: IPv4Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not (address.is_private or address.is_multicast or address.is_reserved or address.is_loopback)
        assert not (address.is_link_local or address.is_unspecified)


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_is_public_that_python_knows_to_be_something_else(address: IPv6Address) -> None:
    # Python has it that what carries IPv4 is reserved; the next test is about that.
    if is_public(address) and not (address.ipv4_mapped or address in IPv6Network("64:ff9b::/96")):
        assert address.is_global
        assert not (address.is_multicast or address.is_reserved or address.is_site_local)
        assert not (address.sixtofour or address.teredo)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_what_it_is_in_ipv6_too(address: IPv4Address) -> None:
    assert is_public(IPv6Address(f"::ffff:{address}")) == is_public(address)
    assert is_public(IPv6Address(f"64:ff9b::{address}")) == is_public(address)
    assert not is_public(IPv6Address(f"::{address}"))
    assert not is_public(IPv6Address((0x2002 << 112) | (int(address) << 80)))


@pytest.mark.parametrize(
    "address", ["", "localhost", "127.1", "2130706433", "0x7f000001", "1.1.1", "1.1.1.1:80", "[::1]"]
)
def test_what_is_no_address_is_not_connected_to(address: str) -> None:
    assert not Egress.from_text("0.0.0.0/0, ::/0").permits("target.example", address)


# -- what is opened

ALLOW = "10.1.0.0/16, 192.168.7.9,fd12::/16,[::1], Orders.Internal , *.svc.internal, bücher.internal,,"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("any.example", "10.1.2.3"),
        ("any.example", "192.168.7.9"),
        ("any.example", "fd12::1"),
        ("any.example", "::1"),
        ("any.example", "::ffff:10.1.2.3"),
        ("orders.internal", "10.9.9.9"),
        ("ORDERS.internal.", "127.0.0.1"),
        ("a.svc.internal", "10.9.9.9"),
        ("a.b.svc.internal.", "10.9.9.9"),
        ("xn--bcher-kva.internal", "10.9.9.9"),
    ],
)
def test_what_is_listed_is_open(host: str, address: str) -> None:
    assert Egress.from_text(ALLOW).permits(host, address)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("any.example", "10.2.0.1"),
        ("any.example", "192.168.7.8"),
        ("any.example", "127.0.0.1"),
        ("any.example", "::10.1.2.3"),
        ("any.example", "64:ff9b::10.1.2.3"),
        ("any.example", "2002:a01:203::"),
        ("svc.internal", "10.9.9.9"),
        ("evilsvc.internal", "10.9.9.9"),
        ("a.svc.internal.example", "10.9.9.9"),
        ("my-orders.internal", "10.9.9.9"),
        ("orders.internal.example", "10.9.9.9"),
        ("a.orders.internal", "10.9.9.9"),
        ("10.1.2.3", "127.0.0.1"),
    ],
)
def test_what_only_looks_like_it_is_not(host: str, address: str) -> None:
    assert not Egress.from_text(ALLOW).permits(host, address)


@pytest.mark.parametrize(
    ("entry", "opened", "not_opened"),
    [
        ("straße.internal", "straße.internal", "strasse.internal"),
        ("STRASSE.internal", "strasse.internal", "straße.internal"),
        ("xn--strae-oqa.internal", "Straße.internal", "strasse.internal"),
        ("*.faß.internal", "a.faß.internal", "a.fass.internal"),
        ("βόλος.internal", "ΒΌΛΟς.internal", "βόλοσ.internal"),
        ("bücher.internal", "BÜCHER.internal", "bucher.internal"),
        ("b\u00fccher.internal", "bu\u0308cher.internal", "bu.internal"),
        ("\uff4f\uff52ders.internal", "orders.internal", "order.internal"),
        ("orders。internal", "orders.internal.", "orders-internal"),
    ],
)
def test_a_name_is_the_same_in_the_list_and_in_a_url(entry: str, opened: str, not_opened: str) -> None:
    egress = Egress.from_text(entry)

    assert egress.permits(Url.parse(f"http://{opened}/").host, "10.0.0.1")
    assert not egress.permits(Url.parse(f"http://{not_opened}/").host, "10.0.0.1")


@pytest.mark.parametrize("text", ["", " ", ",", " , ,"])
def test_an_empty_list_opens_nothing(text: str) -> None:
    assert Egress.from_text(text) == Egress()


@pytest.mark.parametrize(
    "entry",
    [
        *("10.0.0.1/8", "10.0.0.0/33", "10.0.0", "127.1", "010.0.0.1", "1.2.3.4.5", "256.1.1.1", "2130706433"),
        *("0x7f000001", "0x7f.1", "::1/129", "[::1]:80", "host:80", "10.0.0.1:80", "http://host"),
        *(
            "*",
            "*.",
            "*.*.example",
            "a*.example",
            ".example",
            "a..b",
            "a b",
            "user@host",
            "-a.example",
            "a" * 64,
            "ü" * 64,
        ),
    ],
)
def test_an_entry_that_cannot_be_understood_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="EGRESS_ALLOW has") as caught:
        Egress.from_text(f"10.0.0.0/8, {entry}")

    assert repr(entry) in str(caught.value)
