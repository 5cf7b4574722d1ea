"""The client does not connect to addresses that are not public, in no notation and after no redirect."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest

from task_service.adapters.http.client import HttpClient
from task_service.adapters.http.connections import Address, Dialler
from task_service.adapters.http.egress import Egress, anywhere
from task_service.domain.call import CallRefused
from tests.support.behaviours import answer, redirect
from tests.support.builders import NOW
from tests.support.http_calls import call, refused
from tests.support.targets import HttpTarget

FENCED = "the target's address is not public, and EGRESS_ALLOW does not open it"
INVALID = "the URL, or one that the target redirects to, is not valid"


class Names:
    """A name server: each name has one answer after the other, the last one stays. Addresses need no answer."""

    def __init__(self, **names: list[list[str]]) -> None:
        self._names = {name.replace("_", "."): answers for name, answers in names.items()}
        self.asked: list[str] = []

    def add(self, name: str, *addresses: str) -> None:
        self._names[name] = [list(addresses)]

    def resolve(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append(host)
        name = host.lower().removesuffix(".")
        if name not in self._names:
            # As the system reads addresses, in all the notations that it knows; names are not asked for.
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        answers = self._names[name]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [found for address in addresses for found in socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)]


def names() -> Names:
    return Names(
        localhost=[["127.0.0.1"]],
        loopback_example=[["127.0.0.1"]],
        loopback6_example=[["::1"]],
        mapped_example=[["::ffff:127.0.0.1"]],
        private_example=[["10.0.0.1"]],
        metadata_internal=[["169.254.169.254"]],
        many_example=[["10.0.0.1", "127.0.0.1", "::1", "192.168.0.1"]],
    )


def client(allow: str, names: Names) -> HttpClient:
    return HttpClient(Dialler(permits=Egress.from_text(allow).permits, resolve=names.resolve), clock=lambda: NOW)


@pytest.fixture
def fenced() -> Iterator[HttpClient]:
    with closing(client("", names())) as fenced:
        yield fenced


@pytest.fixture
def open_to_target() -> Iterator[HttpClient]:
    """Open to where the target is, and to nothing else."""
    with closing(client("127.0.0.1", names())) as opened:
        yield opened


LEAD_TO_THE_TARGET = [
    "http://127.0.0.1:{port}/a",
    "http://localhost:{port}/a",
    "http://LOCALHOST:{port}/a",
    "http://localhost.:{port}/a",
    "http://loopback.example:{port}/a",
    "http://loopback.example.:{port}/a",
    "http://mapped.example:{port}/a",
    "http://many.example:{port}/a",
    "http://2130706433:{port}/a",
    "http://0x7f000001:{port}/a",
    "http://0X7F000001:{port}/a",
    "http://017700000001:{port}/a",
    "http://0177.0.0.1:{port}/a",
    "http://0x7f.0.0.1:{port}/a",
    "http://0x7f.1:{port}/a",
    "http://127.1:{port}/a",
    "http://127.0.1:{port}/a",
    "http://0000177.0.0.1:{port}/a",
    "http://[::ffff:127.0.0.1]:{port}/a",
    "http://[::ffff:7f00:1]:{port}/a",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/a",
    "http://0.0.0.0:{port}/a",
    "http://0:{port}/a",
    "http://good.example@127.0.0.1:{port}/a",
    "http://good.example:443@127.0.0.1:{port}/a",
    "http://user:secret@127.0.0.1:{port}/a?@good.example",
    "http://good.example%2F@127.0.0.1:{port}/a",
    "http://127.0.0.1:{port}/a#@good.example",
    "http://127.0.0.1:0{port}/a",
    "HTTP://127.0.0.1:{port}/a",
]


@pytest.mark.parametrize("url", LEAD_TO_THE_TARGET)
def test_a_loopback_address_in_disguise_is_refused(target: HttpTarget, fenced: HttpClient, url: str) -> None:
    target.on("/a", answer())

    refusal = refused(fenced, url.format(port=target.port))

    assert (refusal.reason, refusal.can_retry) == (FENCED, False)
    assert refusal.response_code is None
    assert target.connections == 0


@pytest.mark.parametrize("url", LEAD_TO_THE_TARGET)
def test_and_would_have_been_reached(target: HttpTarget, url: str) -> None:
    target.on("/a", answer())

    # Without a fence, to know that it was the fence.
    with closing(HttpClient(Dialler(permits=anywhere, resolve=names().resolve), clock=lambda: NOW)) as unfenced:
        assert call(unfenced, url.format(port=target.port)).status == 200
    assert target.connections == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/latest/meta-data/",
        "http://0xa9fea9fe/",
        "http://0251.0376.0251.0376/",
        "http://[::ffff:169.254.169.254]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[64:ff9b::169.254.169.254]/",
        "http://[2002:a9fe:a9fe::1]/",
        "http://[fd00:ec2::254]/latest/meta-data/",
        "http://169.254.170.2/v2/credentials",
        "http://metadata.internal/",
        "http://private.example/",
        "http://10.0.0.1/",
        "http://10.1/",
        "http://172.16.0.1/",
        "http://192.168.1.1:8080/",
        "http://100.64.0.1/",
        "http://198.18.0.1/",
        "http://192.0.0.192/",
        "http://224.0.0.1/",
        "http://240.0.0.1/",
        "http://255.255.255.255/",
        "https://127.0.0.1:{port}/a",
        "https://good.example@localhost:{port}/a",
        "http://127.255.255.254:{port}/a",
        "http://[::1]:{port}/a",
        "http://[0000:0000:0000:0000:0000:0000:0000:0001]:{port}/a",
        "http://loopback6.example:{port}/a",
        "http://[::]:{port}/a",
        "http://[::127.0.0.1]:{port}/a",
        "http://[64:ff9b::7f00:1]:{port}/a",
        "http://[2002:7f00:1::]:{port}/a",
        "http://[fe80::1]:{port}/a",
        "http://[fec0::1]/",
        "http://[fc00::1]/",
        "http://[ff02::1]/",
    ],
)
def test_what_is_not_public_is_refused(target: HttpTarget, fenced: HttpClient, url: str) -> None:
    target.on("/a", answer())
    with socket.create_server(("::1", target.port), family=socket.AF_INET6) as listener:
        listener.setblocking(False)

        refusal = refused(fenced, url.format(port=target.port))

        assert (refusal.reason, refusal.can_retry) == (FENCED, False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert target.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1%25lo]:{port}/a\\@good.example",
        # Full-width, circled and ideographic characters, which some take for the ASCII ones that they look like.
        "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11:{port}/a",
        "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460:{port}/a",
        "http://\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54:{port}/a",
        "http://127\u30020\u30020\u30021:{port}/a",
        "http://[fe80::1%25lo]:{port}/a",
        "http://[fe80::1%lo]:{port}/a",
        "http://127.0.0.1\\@good.example:{port}/a",
        "http://good.example\\@127.0.0.1:{port}/a",
        "http://127.0.0.1:{port}\\a",
        "http://127.0.0.1 :{port}/a",
        "http://127.0.0.1%00.good.example:{port}/a",
        "http://127.0.0.1%2e:{port}/a",
        "http://127.0.0.1\t:{port}/a",
        "http:127.0.0.1:{port}/a",
        "http:/127.0.0.1:{port}/a",
        "http:///127.0.0.1:{port}/a",
        "http:\\\\127.0.0.1:{port}\\a",
        "//127.0.0.1:{port}/a",
        "127.0.0.1:{port}/a",
        "localhost:{port}/a",
        "http://127.0.0.1.:{port}/a",
        "http://0x7f.0x0.0x0.0x1.:{port}/a",
        "http://4294967297:{port}/a",
        "http://127.0.0.1.nip.example:{port}/a",
        "http://\u0660\u0662.example:{port}/a",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/_a",
        "ftp://127.0.0.1:{port}/a",
        "dict://127.0.0.1:{port}/a",
        "unix:///var/run/docker.sock",
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
        "data:application/json,{{}}",
        "jar:http://127.0.0.1:{port}!/a",
        "ws://127.0.0.1:{port}/a",
    ],
)
def test_tricks_end_before_a_connection_too(target: HttpTarget, fenced: HttpClient, url: str) -> None:
    target.on("/a", answer())

    with pytest.raises(CallRefused):
        call(fenced, url.format(port=target.port))

    assert target.connections == 0


# -- names that change


def test_a_name_is_looked_up_once_for_check_and_connection(target: HttpTarget) -> None:
    changing = Names(changing_example=[["127.0.0.1"], ["127.0.0.2"]])
    target.on("/a", answer())
    with (
        socket.create_server(("127.0.0.2", target.port)) as other,
        closing(client("127.0.0.1", changing)) as opened,
    ):
        other.setblocking(False)
        url = f"http://changing.example:{target.port}/a"

        # The kept connection goes where it went.
        assert [call(opened, url).status, call(opened, url).status] == [200, 200]
        assert changing.asked == ["changing.example"]
        assert target.connections == 1

        # A new one is looked up anew, and checked anew.
        target.disconnect()
        assert refused(opened, url).reason == FENCED
        assert changing.asked == ["changing.example"] * 2
        with pytest.raises(BlockingIOError):
            other.accept()


def test_a_name_that_is_private_now_is_refused_now(target: HttpTarget) -> None:
    with closing(client("127.0.0.1", Names(changing_example=[["10.0.0.1"], ["127.0.0.1"]]))) as opened:
        url = f"http://changing.example:{target.port}/a"
        target.on("/a", answer())

        assert refused(opened, url).reason == FENCED
        assert call(opened, url).status == 200


def test_of_many_addresses_only_the_open_ones_are_tried(target: HttpTarget, open_to_target: HttpClient) -> None:
    target.on("/a", answer())

    assert call(open_to_target, f"http://many.example:{target.port}/a").status == 200


def test_an_open_name_is_open_and_its_address_is_not(target: HttpTarget) -> None:
    target.on("/a", answer())
    with closing(client("loopback.example", names())) as opened:
        assert call(opened, f"http://loopback.example:{target.port}/a").status == 200
        assert call(opened, f"http://loopback.example.:{target.port}/a").status == 200
        for host in ("127.0.0.1", "localhost", "mapped.example", "loopback.example@localhost"):
            assert refused(opened, f"http://{host}:{target.port}/a").reason == FENCED


@pytest.mark.parametrize(
    ("allow", "host"),
    [("straße.internal", "straße.internal"), ("*.straße.internal", "a.STRASSE.internal".replace("SS", "ẞ"))],
)
def test_a_name_beyond_ascii_is_opened_as_it_is_dialled(target: HttpTarget, allow: str, host: str) -> None:
    target.on("/a", answer())
    dialled = Names()
    dialled.add("xn--strae-oqa.internal", "127.0.0.1")
    dialled.add("a.xn--strae-oqa.internal", "127.0.0.1")
    dialled.add("strasse.internal", "127.0.0.1")
    with closing(client(allow, dialled)) as opened:
        assert call(opened, f"http://{host}:{target.port}/a").status == 200
        assert refused(opened, f"http://strasse.internal:{target.port}/a").reason == FENCED


# -- redirects


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
        "http://metadata.internal/",
        "http://2852039166/",
        "//169.254.169.254/",
        "http://[::1]:{port}/a",
        "http://[::ffff:169.254.169.254]/",
        "http://127.0.0.1@10.0.0.1/",
        "http://127.0.0.2:{port}/a",
        "https://0x7f.2:{port}/a",
    ],
)
@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_leads_nowhere_either(
    target: HttpTarget, open_to_target: HttpClient, location: str, status: int
) -> None:
    url = target.on("/from", redirect(location.format(port=target.port), status))

    refusal = refused(open_to_target, url, method="GET", body=None)

    assert (refusal.reason, refusal.can_retry) == (FENCED, False)
    assert len(target.calls) == 1


def test_a_redirect_after_a_redirect_is_checked(target: HttpTarget, open_to_target: HttpClient) -> None:
    target.on("/second", redirect("http://169.254.169.254/"))

    assert refused(open_to_target, target.on("/first", redirect("/second"))).reason == FENCED
    assert len(target.calls) == 2


@pytest.mark.parametrize("location", ["file:///etc/passwd", "gopher://127.0.0.1/", "data:,a"])
def test_a_redirect_to_another_scheme_is_refused(target: HttpTarget, open_to_target: HttpClient, location: str) -> None:
    refusal = refused(open_to_target, target.on("/from", redirect(location)))

    assert (refusal.reason, refusal.can_retry) == (INVALID, False)


# -- proxies


def test_a_proxy_of_the_environment_is_no_way_around(
    target: HttpTarget, fenced: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{target.port}")

    assert refused(fenced, "http://10.0.0.1/").reason == FENCED
    assert refused(fenced, "https://10.0.0.1/").reason == FENCED
    assert target.connections == 0


def test_the_fence_is_closed_by_default(target: HttpTarget) -> None:
    with closing(HttpClient(Dialler(permits=Egress().permits), clock=lambda: NOW)) as default:
        assert refused(default, target.on("/a", answer())).reason == FENCED
    assert target.connections == 0
