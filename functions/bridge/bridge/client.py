"""A NATS client that no message can stop.

nats-py's client ends its read loop at a message that it cannot parse, and calls itself connected ever after: JetStream
delivers the message again after each new connection, and nothing behind it arrives. The server passes on
header blocks that break the rules, and subjects and replies with any bytes but spaces. So this client splits the
protocol's lines as the server writes them, marks a message whose header block breaks the rules, and connects anew
should its read loop end all the same.
"""

import asyncio
import json
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error, ProtocolError
from nats.protocol.parser import AWAITING_CONTROL_LINE, AWAITING_MSG_PAYLOAD, Parser

from bridge.headers import MalformedHeaders, parse_headers

_END = b"\r\n"
MAX_LINE_BYTES = 1_048_576
"""The longest line that is accepted. INFO, which names all servers of a cluster, is shorter."""


class DescribedError(Error):
    """A fault whose class describes it."""

    def __str__(self) -> str:
        return self.__doc__ or ""


class ReadLoopEndedError(DescribedError):
    """The client has stopped reading."""


class BadHeaders(dict[str, str]):
    """Stands in the place of headers that break the rules."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault


class EventClient(Client):
    """Delivers each message that the server sends, with `BadHeaders` where its header block breaks the rules."""

    def __init__(self) -> None:
        super().__init__()
        self._ps = LineParser(self)

    async def check(self, seconds: float) -> None:
        """Make a round trip to the server. Raises TimeoutError, ReadLoopEndedError and the connection's faults."""
        tasks = (self._reading_task, self._flusher_task)
        # Without them nats-py's flush returns at once, as if all was well.
        if self.is_connected and any(task is None or task.done() for task in tasks):
            raise ReadLoopEndedError
        await self.flush(seconds)  # type: ignore[arg-type]

    async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
        if not headers:
            return None
        try:
            return parse_headers(headers)
        except MalformedHeaders as error:
            return BadHeaders(str(error))

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        return self.msg_class(
            # The server's own subjects are UTF-8; a publisher's may be anything.
            subject=subject.decode(errors="replace"),
            reply=reply.decode(errors="replace"),
            data=data,
            headers=headers,
            _client=self,
            _sid=sid,
        )

    async def _read_loop(self) -> None:
        await super()._read_loop()
        # An exception that nats-py does not expect is logged there, and no more.
        if self.is_connected and self._reading_task is asyncio.current_task():
            await self._process_op_err(ReadLoopEndedError())


class LineParser(Parser):
    """Splits the server's bytes into lines and payloads; a subject or a reply may have any bytes but spaces.

    https://docs.nats.io/reference/reference-protocols/nats-protocol
    """

    nc: Any

    async def parse(self, data: bytes = b"") -> None:
        """Take the next bytes, and hand on each message that is complete. Raises ProtocolError."""
        self.buf.extend(data)
        while await (self._take_line() if self.state == AWAITING_CONTROL_LINE else self._take_payload()):
            pass

    async def _take_line(self) -> bool:
        end = self.buf.find(_END)
        if end < 0:
            if len(self.buf) > MAX_LINE_BYTES:
                raise ProtocolError("nats: the line does not end")
            return False
        line = bytes(self.buf[:end])
        del self.buf[: end + len(_END)]
        verb, _, rest = line.partition(b" ")
        match verb.upper():
            case b"MSG":
                self._expect_payload(rest.split(b" "), sizes=1)
            case b"HMSG":
                self._expect_payload(rest.split(b" "), sizes=2)
            case b"PING":
                await self.nc._process_ping()
            case b"PONG":
                await self.nc._process_pong()
            case b"-ERR":
                await self.nc._process_err(rest.decode(errors="replace").strip().lower())
            case b"INFO":
                await self.nc._process_info(_info(rest))
            case b"+OK":
                pass
            case _:
                raise ProtocolError("nats: the line is of no known kind")
        return True

    def _expect_payload(self, words: list[bytes], *, sizes: int) -> None:
        """Read `subject sid [reply] [header size] size`; a publisher chooses the subject and the reply."""
        words = [word for word in words if word]
        named, numbers = words[:-sizes], words[-sizes:]
        if len(named) not in (2, 3) or not all(map(bytes.isdigit, [*named[1:2], *numbers])):
            raise ProtocolError("nats: the line of a message has other words")
        self.msg_arg = {"subject": named[0], "sid": int(named[1]), "reply": named[2] if len(named) == 3 else b""}
        self.needed = int(numbers[-1])
        self.header_needed = int(numbers[0]) if sizes == 2 else 0
        if self.header_needed > self.needed:
            raise ProtocolError("nats: the headers are longer than their message")
        self.state = AWAITING_MSG_PAYLOAD

    async def _take_payload(self) -> bool:
        if len(self.buf) < self.needed + len(_END):
            return False
        headers, payload = bytes(self.buf[: self.header_needed]), bytes(self.buf[self.header_needed : self.needed])
        del self.buf[: self.needed + len(_END)]
        self.state = AWAITING_CONTROL_LINE
        await self.nc._process_msg(
            self.msg_arg["sid"], self.msg_arg["subject"], self.msg_arg["reply"], payload, headers or None
        )
        return True


def _info(text: bytes) -> dict[str, Any]:
    try:
        info = json.loads(text)
    except (ValueError, RecursionError):
        info = None
    if not isinstance(info, dict):
        raise ProtocolError("nats: what the server says of itself is not a JSON object")
    return info
