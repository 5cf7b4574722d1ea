"""Messages that a publisher has malformed, and the bridge's health while they arrive."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.nats import Bridge

BLOCKS = {
    "one letter": b"X",
    "no version": b"ce-id: 1\r\n\r\n",
    "an older version": b"NATS/0.9\r\n\r\n",
    "the version and more": b"NATS/1.0x\r\n\r\n",
    "half of the version": b"NATS",
    "no end of a line": b"NATS/1.0",
    "one end of a line": b"NATS/1.0\r\n",
    "no empty line": b"NATS/1.0\r\nce-id: 1\r\n",
    "lines that end with a line feed": b"NATS/1.0\nce-id: 1\n\n",
    "bytes that are not UTF-8": b"NATS/1.0\r\nce-id: \xff\xfe\r\n\r\n",
    "a name that is not UTF-8": b"NATS/1.0\r\n\xff: 1\r\n\r\n",
    "no colon": b"NATS/1.0\r\nce-id\r\n\r\n",
    "no name": b"NATS/1.0\r\n: 1\r\n\r\n",
    "a space in a name": b"NATS/1.0\r\nce id: 1\r\n\r\n",
    "a line that goes on": b"NATS/1.0\r\nce-id: 1\r\n 2\r\n\r\n",
    "an empty line between": b"NATS/1.0\r\n\r\nce-id: 1\r\n\r\n",
    "a zero byte": b"NATS/1.0\r\nce-id: a\0b\r\n\r\n",
    "a status in words": b"NATS/1.0 \xc2\xb2\r\n\r\n",
    "a space": b" ",
    "zero bytes": b"\0" * 12,
    "a header of the event twice": b"NATS/1.0\r\nce-id: 1\r\nCe-Id: 2\r\n\r\n",
    "huge": b"x" * 900_000,
}
"""Header blocks of messages, by what is wrong with them."""

CHANGED = ("the version and more", "a status in words", "huge")
"""What JetStream stores without its header block, or not at all."""


@contextmanager
def always_well(bridge: Bridge) -> Iterator[list[int]]:
    """Ask for the bridge's health all the time; it has to be well each time. Gives the statuses so far."""
    ended, statuses, unwell = threading.Event(), list[int](), list[dict[str, object]]()

    def poll() -> None:
        while not ended.wait(0.02):
            status, body = bridge.health()
            statuses.append(status)
            if status != 200:
                unwell.append(body)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield statuses
    finally:
        ended.set()
        thread.join()
    assert unwell == []
