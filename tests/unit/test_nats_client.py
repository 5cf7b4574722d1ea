"""The bridge's NATS client: lines and payloads in whatever pieces they come, header blocks, a read loop that ends."""

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.errors import ProtocolError

from bridge.client import MAX_LINE_BYTES, EventClient, LineParser
from bridge.headers import MalformedHeaders, parse_headers
from tests.support.nats import NatsServer, publish
from tests.unit.test_bridge import in_a_loop


class Heard:
    """Remembers what a parser hands on."""

    def __init__(self) -> None:
        self.words: list[Any] = []

    async def _process_msg(self, *message: Any) -> None:
        self.words.append(message)

    async def _process_ping(self) -> None:
        self.words.append("ping")

    async def _process_pong(self) -> None:
        self.words.append("pong")

    async def _process_err(self, text: str) -> None:
        self.words.append(text)

    async def _process_info(self, info: dict[str, Any]) -> None:
        self.words.append(info)


SENT = (
    b"PING\r\nPONG\r\n+OK\r\nINFO {\"a\": [1]} \r\n-ERR 'Permissions Violation for x'\r\nping\r\n-ERR\r\n"
    b"MSG a 1 0\r\n\r\nMSG a\x0b\xff 12 re\x0bply 4\r\n\r\nMS\r\nHMSG a 1 2 5\r\nhhabc\r\nHMSG a 1 r 0 3\r\nabc\r\n"
    b"HMSG a 1 3 3\r\nhhh\r\nMSG a 1  3\r\nabc\r\n"
)
UNDERSTOOD = [
    "ping",
    "pong",
    {"a": [1]},
    "'permissions violation for x'",
    "ping",
    "",
    (1, b"a", b"", b"", None),
    (12, b"a\x0b\xff", b"re\x0bply", b"\r\nMS", None),
    (1, b"a", b"", b"abc", b"hh"),
    (1, b"a", b"r", b"abc", None),
    (1, b"a", b"", b"", b"hhh"),
    (1, b"a", b"", b"abc", None),
]


@given(st.lists(st.integers(0, len(SENT)), max_size=20))
def test_what_the_server_sends_is_understood_in_whatever_pieces_it_comes(cuts: list[int]) -> None:
    heard = Heard()
    parser = LineParser(heard)
    borders = [0, *sorted(cuts), len(SENT)]

    async def feed() -> None:
        for start, end in pairwise(borders):
            await parser.parse(SENT[start:end])

    asyncio.run(feed())

    assert heard.words == UNDERSTOOD
    assert not parser.buf


@pytest.mark.parametrize(
    "line",
    [
        b"HELLO\r\n",
        b"\r\n",
        b"MSG\r\n",
        b"MSG a 1\r\n",
        b"MSG a b 1\r\n",
        b"MSG a 1 r s 1\r\n",
        b"MSG a 1 -1\r\n",
        b"MSG a \xc2\xb2 1\r\n",
        b"HMSG a 1 3\r\n",
        b"HMSG a 1 4 3\r\n",
        b"INFO\r\n",
        b"INFO []\r\n",
        b"INFO {\r\n",
        b"INFO " + b"[" * 100_000 + b"\r\n",
        b"\xff" * (MAX_LINE_BYTES + 1),
    ],
)
@in_a_loop
async def test_what_no_server_sends_is_a_fault_of_the_protocol(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        await LineParser(Heard()).parse(line)


@pytest.mark.parametrize(
    ("block", "headers"),
    [
        (b"NATS/1.0\r\n\r\n", {}),
        (b"NATS/1.0 \r\n\r\n", {}),
        (b"NATS/1.0\r\na: 1\r\n\r\n", {"a": "1"}),
        (b"NATS/1.0\r\nce-id:1\r\nB:\t x:y \r\n\r\n", {"ce-id": "1", "B": "x:y"}),
        (b"NATS/1.0\r\na:\r\n\r\n", {"a": ""}),
        (b"NATS/1.0\r\na: 1\r\na: 2\r\n\r\n", {"a": "2"}),
        ("NATS/1.0\r\na: ü😀\r\n\r\n".encode(), {"a": "ü😀"}),
        (b"NATS/1.0 503\r\n\r\n", {"Status": "503"}),
        (b"NATS/1.0 404 No Messages\r\n\r\n", {"Status": "404", "Description": "No Messages"}),
        (
            b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 2\r\n\r\n",
            {"Status": "100", "Description": "Idle Heartbeat", "Nats-Last-Consumer": "2"},
        ),
    ],
)
def test_a_header_block_is_read(block: bytes, headers: dict[str, str]) -> None:
    assert parse_headers(block) == headers


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda rest: b"NATS/1.0\r\n" + rest + b"\r\n\r\n"))
def test_any_header_block_is_read_or_refused(block: bytes) -> None:
    try:
        parse_headers(block)
    except MalformedHeaders as fault:
        assert "header block" in str(fault)


@in_a_loop
async def test_a_client_whose_read_loop_ends_connects_anew(tmp_path: Path) -> None:
    with NatsServer(tmp_path) as server:
        reconnected, arrived = asyncio.Event(), asyncio.Event()
        faults = [RuntimeError("nats-py does not expect this")]

        class FailingOnce(EventClient):
            async def _process_msg(self, *message: Any) -> None:
                if faults:
                    raise faults.pop()
                await super()._process_msg(*message)

        async def on_reconnect() -> None:
            reconnected.set()

        async def on_message(_: object) -> None:
            arrived.set()

        client = FailingOnce()
        await client.connect(server.url, reconnect_time_wait=0.01, reconnected_cb=on_reconnect)  # type: ignore[arg-type]
        await client.subscribe("external", cb=on_message)
        await client.flush()

        await asyncio.to_thread(publish, server.url, [(None, b"1")])
        await asyncio.wait_for(reconnected.wait(), 10)
        await client.flush()
        await asyncio.to_thread(publish, server.url, [(None, b"2")])
        await asyncio.wait_for(arrived.wait(), 10)
        await client.close()
