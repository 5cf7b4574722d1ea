"""URLs and hosts that can be called, and why others cannot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task_service.domain.url import Url, ascii_host


@pytest.mark.parametrize(
    ("text", "origin", "target"),
    [
        ("http://host", "http://host", "/"),
        ("HTTPS://Host.Example:443/A", "https://host.example", "/A"),
        ("http://host:443/", "http://host:443", "/"),
        ("http://host:/", "http://host", "/"),
        ("http://host:0080/", "http://host", "/"),
        ("http://[2001:DB8::1]:8080/a?b#c", "http://[2001:db8::1]:8080", "/a?b"),
        ("http://straße.example/ß", "http://xn--strae-oqa.example", "/%C3%9F"),
        ("http://host./", "http://host.", "/"),
        ("http://a_b.example/", "http://a_b.example", "/"),
        ("http://127.1/", "http://127.1", "/"),
    ],
)
def test_a_url_that_can_be_called(text: str, origin: str, target: str) -> None:
    url = Url.parse(text)

    assert (url.origin, url.target) == (origin, target)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the scheme is missing"),
        ("host/a", "the scheme is missing"),
        ("//host/a", "the scheme is missing"),
        ("ftp://host/", "the scheme 'ftp' is not supported"),
        ("host:80/a", "the scheme 'host' is not supported"),
        ("http:host", "the host is missing"),
        ("http:///a", "the host is missing"),
        ("http://:80/", "the host is missing"),
        ("http://user@/", "the host is missing"),
        ("http://a..b/", "'a..b' is not the name of a host"),
        ("http://.a/", "'.a' is not the name of a host"),
        ("http://a../", "'a..' is not the name of a host"),
        ("http://*.a/", "'*.a' is not the name of a host"),
        ("http://-a.b/", "'-a.b' is not the name of a host"),
        ("http://a%2eb/", "'a%2eb' is not the name of a host"),
        ("http://" + "a" * 64 + ".b/", "is not the name of a host; parts of 1 to 63 letters"),
        ("http://" + ".".join(["a" * 50] * 6) + "/", "253 characters together"),
        ("http://" + "ü" * 60 + ".b/", "is not the name of a host"),
        ("http://ü..b/", "is not the name of a host"),
        ("http://℀.example/", "is not the name of a host"),
        ("http://256.1.1.1/", "neither the name of a host nor an IPv4 address"),
        ("http://1.2.3.4.5/", "neither the name of a host nor an IPv4 address"),
        ("http://127.0.0.1./", "neither the name of a host nor an IPv4 address"),
        ("http://a.0x7f/", "neither the name of a host nor an IPv4 address"),
        ("http://08.1.1.1/", "neither the name of a host nor an IPv4 address"),
        ("http://4294967296/", "neither the name of a host nor an IPv4 address"),
        ("http://" + "9" * 5000 + "/", "is not the name of a host"),
        ("http://[::1/", "is not a host with a port"),
        ("http://[::1]a/", "is not a host with a port"),
        ("http://[::g]/", "'::g' is not an IPv6 address"),
        ("http://[fe80::1%25eth0]/", "is not an IPv6 address"),
        ("http://a:b:c/", "is not a host with a port"),
        ("http://a:b/", "the port 'b' is not a number"),
        ("http://a:-1/", "the port '-1' is not a number"),
        ("http://a:1_0/", "the port '1_0' is not a number"),
        ("http://a:٣/", "the port '٣' is not a number"),
        ("http://a:0/", "port 0 cannot be called"),
        ("http://a:65536/", "Port out of range"),
        ("http://a:" + "9" * 5000 + "/", "Port out of range"),
        ("http://a b/", "white space and control characters"),
        ("http://a/\u00a0", "white space and control characters"),
        ("http://a/\u200b", "white space and control characters"),
        ("http://a/\ud800", "white space and control characters"),
        ("http://a/\n", "white space and control characters"),
        ("http://a/100%", "a % without two hexadecimal digits after it is not part of a URL, %25 is"),
        ("http://a/?%4", "a % without two hexadecimal digits"),
        ("http://a/?%zz", "a % without two hexadecimal digits"),
        ("http://a/{b}", "the character { is not part of a URL, %7B is"),
        ("http://a/?b|c", "the character | is not part of a URL, %7C is"),
        ("http://a/b\\c", "the character \\ is not part of a URL, %5C is"),
        ('http://a/"', 'the character " is not part of a URL, %22 is'),
        ("http://a/<b>", "the character < is not part of a URL, %3C is"),
        ("http://a/^", "the character ^ is not part of a URL, %5E is"),
        ("http://a/`", "the character ` is not part of a URL, %60 is"),
        ("http://a\\b/", "is not the name of a host"),
        ("http://a@b@c/", "the user or password has characters that have to be percent-encoded"),
        ("http://us[er@c/", "the user or password has characters that have to be percent-encoded"),
        ("http://u%zz@c/", "the user or password has characters that have to be percent-encoded"),
        ("http://u%3Aser:p@c/", "nor is a colon part of a user"),
        ("http://user:%0a@c/", "control characters are not part of a user or password"),
    ],
)
def test_a_url_that_cannot_be_called(text: str, fault: str) -> None:
    with pytest.raises(ValueError) as caught:
        Url.parse(text)

    assert fault in str(caught.value)


@given(st.text())
def test_a_url_that_is_accepted_is_sent_as_it_is(text: str) -> None:
    try:
        url = Url.parse(f"http://host/{text}")
    except ValueError:
        return
    written = f"/{text}".partition("#")[0]
    assert url.target.isascii() and url.target.isprintable() and " " not in url.target
    if written.isascii():
        assert url.target == written


@given(st.text(min_size=1))
def test_a_host_that_is_accepted_has_one_form(name: str) -> None:
    try:
        host = ascii_host(name)
    except ValueError:
        return
    assert host.isascii()
    assert ascii_host(host) == host
    assert ascii_host(host.upper()) == host


@given(st.text(st.characters(max_codepoint=255)))
def test_a_location_can_be_sent_or_is_refused(location: str) -> None:
    try:
        url = Url.parse("http://host:81/a/b?c").resolve(location)
    except ValueError:
        return
    assert Url.parse(f"{url.origin}{url.target}") == url
