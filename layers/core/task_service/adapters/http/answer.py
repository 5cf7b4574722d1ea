"""An answer whose head has come. The client reads or discards its body, then keeps or closes its connection."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Self

from task_service.adapters.http.body import Framing, framing_of, read_body
from task_service.adapters.http.decoding import decoded
from task_service.adapters.http.head import Head
from task_service.adapters.http.stream import Stream
from task_service.domain.call import CallRefused

_DISCARDED: Final = 64 * 1024
_DISCARD_SECONDS: Final = 0.2
"""The most bytes and seconds that discarding a body may take; opening another connection costs about as much."""


class Answer:
    """The answer to a request. As a context manager it closes the connection unless that is kept."""

    def __init__(self, head: Head, method: str, stream: Stream, *, keep: Callable[[], None]) -> None:
        self.head = head
        self._method = method
        self._stream = stream
        self._keep = keep
        self._is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_over:
            self._stream.close()

    def read(self, most: int) -> bytes:
        """The body, complete and decoded. Raises CallRefused, also where it has more than `most` bytes."""
        framing = framing_of(self.head, self._method)
        if framing.length == 0:
            self._end(framing)
            return b""
        codings = [*self.head.items("content-encoding"), *framing.codings]
        body = b"".join(_limited(decoded(_limited(read_body(self._stream, framing), most), codings), most))
        self._end(framing)
        return body

    def discard(self) -> None:
        """Read the body away if that is cheap, so that the connection can be kept. Its faults do not matter."""
        try:
            framing = framing_of(self.head, self._method)
            if framing.ends_with_the_connection:
                return
            self._stream.budget = self._stream.budget.at_most(_DISCARD_SECONDS)
            for _ in _limited(read_body(self._stream, framing), _DISCARDED):
                pass
        except (CallRefused, OSError):
            return
        self._end(framing)

    def _end(self, framing: Framing) -> None:
        self._is_over = True
        if self._stream.cut_off is None and _persists(self.head, framing):
            self._keep()
        else:
            self._stream.close()


def _limited(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise CallRefused(f"the target answered with more than {most} bytes", can_retry=False)
        yield chunk


def _persists(head: Head, framing: Framing) -> bool:
    """Tell if the connection can be used again after the answer (RFC 9112, 6.1, 6.3 and 9.3)."""
    if framing.ends_with_the_connection:
        return False
    if framing.is_chunked and (head.minor == 0 or head.first("content-length") is not None):
        # What such a target means by the one or the other is not sure.
        return False
    options = head.items("connection")
    return "close" not in options and (head.minor > 0 or "keep-alive" in options)
