"""The header block of a NATS message (https://github.com/nats-io/nats-architecture-and-design, ADR-4).

    NATS/1.0\r\n
    ce-id: 1\r\n
    content-type: application/json\r\n
    \r\n

The server knows the length of the block and does not read it, so a publisher can send any bytes there.
"""

from bridge.envelope import is_about_the_event

_VERSION = "NATS/1.0"
_END = "\r\n"
# As nats-py calls them: its requests look for the status of an answer.
_STATUS, _DESCRIPTION = "Status", "Description"


class MalformedHeaders(ValueError):
    """The header block breaks the rules; the message says which, without the publisher's words."""


def parse_headers(block: bytes) -> dict[str, str]:
    """The headers of a block, with the server's status and its description where there is one.

    If a name is repeated, the last value counts; a header of the event must not be repeated.
    Raises MalformedHeaders.
    """
    try:
        text = block.decode()
    except UnicodeDecodeError as error:
        raise MalformedHeaders(f"the header block is not UTF-8 at byte {error.start}") from None
    first, *lines = text.split(_END)
    if lines[-2:] != ["", ""]:
        raise MalformedHeaders("the header block does not end with an empty line")
    headers = _status(first)
    seen: set[str] = set()
    for number, line in enumerate(lines[:-2], 2):
        name, colon, value = line.partition(":")
        if not colon or not name or not all("!" <= character <= "~" for character in name):
            raise MalformedHeaders(f"line {number} of the header block is not a name, a colon and a value")
        if "\r" in value or "\n" in value or "\0" in value:
            raise MalformedHeaders(f"the value in line {number} of the header block has a control character")
        if is_about_the_event(name.lower()):
            if name.lower() in seen:
                raise MalformedHeaders(f"line {number} of the header block repeats a header of the event")
            seen.add(name.lower())
        headers[name] = value.strip(" \t")
    return headers


def _status(line: str) -> dict[str, str]:
    version, _, status = line.partition(" ")
    if version != _VERSION:
        raise MalformedHeaders(f"the header block does not begin with {_VERSION}")
    code, _, description = status.strip(" ").partition(" ")
    if not code:
        return {}
    if not (code.isascii() and code.isdigit()):
        raise MalformedHeaders("the status in the header block is not a number")
    return {_STATUS: code, **({_DESCRIPTION: description} if description else {})}
