"""The head of an answer: lines that are none cost no other line, and its size is limited generously."""

import pytest

from task_service.adapters.http.client import HttpClient
from task_service.adapters.http.head import BROKEN, MAX_BYTES, MAX_LINES
from tests.support.behaviours import raw, raw_and_stay
from tests.support.http_calls import call, refused
from tests.support.targets import HttpTarget

OK = b"HTTP/1.1 200 OK\r\n"

ODD_LINES: dict[str, bytes] = {
    "has a space before its colon": b"X-Frame-Options : S",
    "has tabs before its colon": b"X-Frame-Options\t\t: S",
    "has no colon": b"Set-Cookie",
    "is a sentence": b"this is no header",
    "has no name": b": value",
    "has an empty name": b" : value",
    "has a space in its name": b"X Frame Options: S",
    "has a NUL in its name": b"X-\0: a",
    "has a NUL in its value": b"X-A: a\0b",
    "has a control character in its name": b"X-\x01A: a",
    "has a bare carriage return": b"X-A: a\rX-B: b",
    "is continued": b"X-A: a\r\n b\r\n\tc",
    "has bytes beyond ASCII in its name": "X-Größe: 1".encode(),
    "has bytes beyond ASCII in its value": b"X-A: \xff\xfe\x85",
    "looks like an envelope of mail": b"From someone Thu Jan  1 12:00:00 2026",
    "looks like a status": b"HTTP/1.1 200 OK",
}


@pytest.mark.parametrize("line", ODD_LINES)
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_line_that_is_odd_costs_no_other_line(target: HttpTarget, client: HttpClient, line: str, end: bytes) -> None:
    lines = [b"HTTP/1.1 429 Busy", ODD_LINES[line], b"Retry-After: 7", b"Content-Length: 7", b"", b'"later"']
    # The connection stays open: without its Content-Length, the answer would never end.
    url = target.on("/a", raw_and_stay(end.join(lines)))

    answered = call(client, url, budget=2)

    assert (answered.status, answered.result, answered.retry_after) == (429, '"later"', "7")


@pytest.mark.parametrize("line", ODD_LINES)
def test_a_redirect_after_an_odd_line_is_followed(target: HttpTarget, client: HttpClient, line: str) -> None:
    head = b"\r\n".join([b"HTTP/1.1 302 Found", ODD_LINES[line], b"Location: /to", b"", b""])
    target.on("/to", raw(OK + b"Content-Length: 1\r\n\r\n7"))

    assert call(client, target.on("/from", raw(head))).result == "7"


def test_an_odd_line_may_be_the_first_that_is_continued(target: HttpTarget, client: HttpClient) -> None:
    url = target.on(
        "/a", raw_and_stay(OK + b" continues nothing\r\nno header\r\n nor this\r\nContent-Length: 1\r\n\r\n7")
    )

    assert call(client, url, budget=2).result == "7"


@pytest.mark.parametrize("colon", [b" :", b"\t:", b"  :  "])
def test_white_space_before_a_colon_is_no_part_of_the_name(
    target: HttpTarget, client: HttpClient, colon: bytes
) -> None:
    chunked = raw_and_stay(OK + b"Transfer-Encoding" + colon + b"chunked\r\n\r\n1\r\n7\r\n0\r\n\r\n")
    assert call(client, target.on("/a", chunked), budget=2).result == "7"

    measured = raw_and_stay(OK + b"Content-Length" + colon + b"1\r\n\r\n7")
    assert call(client, target.on("/a", measured), budget=2).result == "7"


@pytest.mark.parametrize(
    "line", [b"Transfer-Encoding chunked", b"Content-Encoding\0: gzip", b"\x01content-length:1", b"content-length"]
)
def test_a_malformed_line_without_which_the_body_cannot_be_read_is_the_reason(
    target: HttpTarget, client: HttpClient, line: bytes
) -> None:
    refusal = refused(client, target.on("/a", raw(OK + line + b"\r\n\r\n7")))

    assert refusal.reason == "the target's answer has a malformed header line about its length or coding"
    assert (refusal.can_retry, refusal.response_code) == (False, 200)


# -- limits


@pytest.mark.parametrize(
    "lines",
    [
        [b"X-%d: 1" % n for n in range(100)],
        [b"Set-Cookie: a%d=b" % n for n in range(MAX_LINES - 2)],
        [b"X-Long: " + b"a" * 70_000],
        [b"X-Long: " + b"a" * 120_000, b"X-Longer: " + b"a" * 130_000],
    ],
    ids=["100 lines", "498 lines", "70,000 bytes", "250,000 bytes"],
)
def test_a_large_head_is_read(target: HttpTarget, client: HttpClient, lines: list[bytes]) -> None:
    head = b"\r\n".join([OK.strip(), *lines, b"X-End: 1", b"Content-Length: 1", b"", b""])

    assert call(client, target.on("/a", raw_and_stay(head + b"7")), budget=2).result == "7"


TOO_LONG = f"the header of the target's answer is larger than {MAX_BYTES} bytes"
TOO_MANY = f"the header of the target's answer has more than {MAX_LINES} lines"


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (OK + b"".join(b"X-%d: 1\r\n" % n for n in range(MAX_LINES + 1)) + b"\r\n", TOO_MANY),
        (OK + b"X: 1\r\n" * 100_000, TOO_MANY),
        (OK + b"X-Long: " + b"a" * 5_000_000, TOO_LONG),
        (OK + (b"X-Long: " + b"a" * 100_000 + b"\r\n") * 3 + b"\r\n", TOO_LONG),
        (b"HTTP/1.1 200 " + b"a" * 5_000_000, TOO_LONG),
        (b"HTTP/1.1 103 Early Hints\r\nLink: " + b"a" * 5_000_000, TOO_LONG),
    ],
    ids=["501 lines", "100,000 lines", "a line of 5 MB", "three of 100,000 bytes", "a long status", "a long interim"],
)
def test_a_head_beyond_the_limits_fails_at_once_and_says_so(
    target: HttpTarget, client: HttpClient, head: bytes, reason: str
) -> None:
    refusal = refused(client, target.on("/a", raw(head)))

    assert (refusal.reason, refusal.can_retry) == (reason, False)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 20\r\n\r\n", b"\r\nHTTP/1.1 200\r\n\r\n", b"HTTP/2 200\r\n\r\n"])
def test_a_head_that_is_none_is_tried_again(target: HttpTarget, client: HttpClient, head: bytes) -> None:
    refusal = refused(client, target.on("/a", raw(head)))

    assert refusal.can_retry
    assert refusal.reason == (BROKEN if head else "the target closed the connection without an answer")
