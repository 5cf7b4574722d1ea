"""Cache events for tests, in every form in which they may be published."""

import base64
import json
from typing import Any

KEY = "did:web:example.com,Login,Administration"
SOURCE = "cache"

Published = tuple[dict[str, str] | None, bytes]
"""Headers and payload of a NATS message."""


def attributes(event_id: str, **changes: Any) -> dict[str, Any]:
    """The event that the cache service publishes, as a JSON object."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": "cache_set_event",
        "datacontenttype": "application/json",
        "time": "2026-11-24T12:00:00Z",
        "data": {"key": KEY},
    }
    event |= changes
    return {name: value for name, value in event.items() if value is not None}


def structured(event_id: str, **changes: Any) -> Published:
    """As the cache service publishes it: no headers."""
    return None, json.dumps(attributes(event_id, **changes)).encode()


def binary(event_id: str, payload: bytes | None = None, **headers: str) -> Published:
    """The attributes in headers, the data as payload; a header is named with underscores."""
    given = {
        "ce-specversion": "1.0",
        "ce-id": event_id,
        "ce-source": SOURCE,
        "ce-type": "cache_set_event",
        "content-type": "application/json",
    }
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return given, json.dumps({"key": KEY}).encode() if payload is None else payload


def base64_of(text: str, encoding: str = "utf-8") -> str:
    """Text as Base64."""
    return base64.b64encode(text.encode(encoding)).decode()


DATA = json.dumps({"key": KEY})


def every_mode(event_id: str) -> dict[str, Published]:
    """The same event in every form that has to be understood."""
    return {
        "structured": structured(event_id),
        "structured with its content type": (
            {"Content-Type": "application/cloudevents+json; charset=UTF-8"},
            structured(event_id)[1],
        ),
        "structured in another charset": (
            {"Content-Type": "application/cloudevents+json; charset=utf-16"},
            json.dumps(attributes(event_id)).encode("utf-16"),
        ),
        "structured with a byte order mark": (None, b"\xef\xbb\xbf" + structured(event_id)[1]),
        "structured, and attributes in headers too": (
            {**(binary(event_id)[0] or {}), "content-type": "application/cloudevents+json"},
            structured(event_id)[1],
        ),
        "data_base64": structured(event_id, data=None, data_base64=base64_of(DATA)),
        "data_base64 in another charset": structured(
            event_id,
            data=None,
            data_base64=base64_of(DATA, "utf-16"),
            datacontenttype="application/json; charset=utf-16",
        ),
        "no content type of the data": structured(event_id, datacontenttype=None),
        "null for what is not set": (
            None,
            json.dumps({**attributes(event_id), "data_base64": None, "subject": None}).encode(),
        ),
        "0.3": structured(event_id, specversion="0.3", time=None),
        "0.3 in Base64": structured(event_id, specversion="0.3", datacontentencoding="base64", data=base64_of(DATA)),
        "binary": binary(event_id),
        "binary without a content type": (
            {name: value for name, value in (binary(event_id)[0] or {}).items() if name != "content-type"},
            DATA.encode(),
        ),
        "binary, names in other letters": (
            {name.title(): value for name, value in (binary(event_id)[0] or {}).items()},
            DATA.encode(),
        ),
        "binary with a charset": binary(
            event_id, DATA.encode("utf-16"), content_type="application/json; charset=utf-16"
        ),
        "binary, the type of the data as an attribute": binary(
            event_id, content_type="", ce_datacontenttype="application/vnd.cache+json"
        ),
        "binary, quoted and percent-encoded": binary(event_id, ce_source='"c%61che"', ce_type="cache%5Fset_event"),
        "binary 0.3": binary(event_id, ce_specversion="0.3"),
        "binary 0.3 in Base64": binary(
            event_id,
            base64_of(DATA).encode(),
            ce_specversion="0.3",
            ce_datacontentencoding="base64",
        ),
    }


def twice(event_id: str, member: str, value: object) -> Published:
    """A structured event in which a member is there twice, with two values."""
    return None, structured(event_id)[1].replace(
        b"{", b'{"%s": %s, ' % (member.encode(), json.dumps(value).encode()), 1
    )


def malformed(event_id: str) -> dict[str, Published]:
    """What cannot be understood, by the beginning of the reason; spaces at its end tell cases apart."""
    return {
        **_no_event(event_id),
        **_attributes_at_fault(event_id),
        **_data_at_fault(event_id),
    }


def _no_event(event_id: str) -> dict[str, Published]:
    event = structured(event_id)[1]
    return {
        "the event is not JSON: Expecting value at line 1 column 1": (None, b"oops"),
        "the event is not JSON": (None, b""),
        "the event is not JSON: nested too deeply": (None, b"[" * 100_000),
        "the event is not JSON ": ({"content-type": "application/cloudevents+avro"}, b"\x00\x01"),
        "the event is not JSON: Extra data": (None, event + event),
        "the event is not JSON: NaN is not a JSON value": (None, event.replace(b'"2026-11-24T12:00:00Z"', b"NaN")),
        "the event is ambiguous: the member 'id' is there twice": twice(event_id, "id", "2"),
        "the event is ambiguous: the member 'id' is there twice ": twice(event_id, "id", event_id),
        "the event is ambiguous: the member 'i\\ud800' is there twice": (None, b'{"i\\ud800": 1, "i\\ud800": 1}'),
        "the event is ambiguous: the member 'data' is there twice": twice(event_id, "data", {"key": "other"}),
        "the event is ambiguous: the member 'key' is there twice": (
            None,
            event.replace(b'"data": {', b'"data": {"key": "other", '),
        ),
        "the event is ambiguous: a number has 5000 digits, at most 4300": (
            None,
            event.replace(b'"2026-11-24T12:00:00Z"', b"9" * 5_000),
        ),
        "the event is ambiguous: a number is larger": (None, event.replace(b'"2026-11-24T12:00:00Z"', b"1e999")),
        "the event is not a JSON object but an array; each message has one event": (None, b"[" + event + b"]"),
        "the event is not a JSON object but null": (None, b"null"),
        "the event is not a JSON object but a string": (None, json.dumps(event.decode()).encode()),
        "the event is not a JSON object but a boolean": (None, b"true"),
        "a batch of events, which NATS messages do not carry; one": (
            {"content-type": "application/cloudevents-batch+json"},
            b"[" + event + b"]",
        ),
        "the payload is not text in 'utf-8'": (None, b"\xff\xfe\xfd"),
        "the payload is not text in 'ebcdic-of-mars'": (
            {"content-type": "application/json; charset=ebcdic-of-mars"},
            event,
        ),
        "the payload is not text in 'base64'": ({"content-type": "application/json; charset=base64"}, event),
        "the payload is not text in 'punycode'": ({"content-type": "application/json; charset=punycode"}, event),
        "the payload is not text in": ({"content-type": "application/json; charset*=utf-8'en'utf-9"}, event),
    }


def _attributes_at_fault(event_id: str) -> dict[str, Published]:
    return {
        "specversion is missing": structured(event_id, specversion=None),
        "specversion is '0.2', '1.0' or '0.3' is expected": structured(event_id, specversion="0.2"),
        "specversion is '1'": structured(event_id, specversion="1"),
        "specversion is a number, a string is expected": structured(event_id, specversion=1),
        "specversion is a number, a string is expected ": structured(event_id, specversion=1.0),
        "specversion is missing ": structured(event_id, specversion=None, specVersion="1.0"),
        "specversion is empty": structured(event_id, specversion=""),
        "specversion is '1.0 '": binary(event_id, ce_specversion="1.0%20"),
        "source is missing": structured(event_id, source=None),
        "source is a number, a string is expected": structured(event_id, source=7),
        "source is an array, a string is expected": structured(event_id, source=["cache"]),
        "source is not valid Unicode": structured(event_id, source="\ud800"),
        "id is empty": structured(""),
        "id is a number, a string is expected": structured(event_id, id=7),
        "id is a boolean, a string is expected": structured(event_id, id=True),
        "id is not valid Unicode": structured(event_id, id="a\udfff"),
        "type is missing": structured(event_id, type=None),
        "type is an object, a string is expected": structured(event_id, type={}),
        "type is not valid Unicode": structured(event_id, type="\ud800"),
        "datacontenttype is not valid Unicode": structured(event_id, datacontenttype="application/json\ud800"),
        "datacontenttype is not valid Unicode ": structured(event_id, datacontenttype="\udc00"),
        "datacontenttype is not valid Unicode  ": structured(event_id, datacontenttype="text/plain; charset=\ud800"),
        "datacontenttype is a number, a string is expected": structured(event_id, datacontenttype=5),
        "datacontenttype is an array, a string is expected": structured(event_id, datacontenttype=["a"]),
        "datacontentencoding is 'gzip'": structured(event_id, specversion="0.3", datacontentencoding="gzip"),
        "the header ce-source is not valid UTF-8": binary(event_id, ce_source="%C0%A0"),
        "id is missing": ({name: value for name, value in (binary("")[0] or {}).items() if name != "ce-id"}, b"{}"),
    }


def _data_at_fault(event_id: str) -> dict[str, Published]:
    return {
        "the event has both data and data_base64": structured(event_id, data_base64=base64_of(DATA)),
        "the data are not Base64": structured(event_id, data=None, data_base64="***"),
        "the data are not Base64 ": structured(event_id, data=None, data_base64="\ud800"),
        "the data are not a Base64 string but a number": structured(event_id, data=None, data_base64=7),
        "the data are not JSON: Expecting value at line 1": structured(
            event_id, data=None, data_base64=base64_of("oops")
        ),
        "the data are ambiguous: the member 'key' is there twice": structured(
            event_id, data=None, data_base64=base64_of('{"key": "a", "key": "b"}')
        ),
        "the data are ambiguous: the member 'key' is there twice ": binary(event_id, b'{"key": "a", "key": "b"}'),
        "the data are 'text/plain', JSON is expected": binary(event_id, content_type="text/plain"),
        "the data are 'application/xml', JSON": structured(
            event_id, datacontenttype="application/xml", data=None, data_base64=base64_of("<a/>")
        ),
        "data.key is not valid Unicode": structured(event_id, data={"key": "a\udfff"}),
        "data.key is missing": structured(event_id, data={}),
        "data.key is missing: the event has no data": structured(event_id, data=None),
        "the data are a string, an object with the member key": structured(event_id, data=DATA),
        "the data are an array, an object": structured(event_id, data=[{"key": KEY}]),
        "data.key is a number, a string is expected": structured(event_id, data={"key": 7}),
        "data.key is missing ": structured(event_id, data={"key": None}),
        "data.key is missing: the event has no data ": binary(event_id, b""),
        "data.key is not key[,namespace[,scope]]: the key is empty": structured(event_id, data={"key": ",a,b"}),
        "data.key is not key[,namespace[,scope]]: it has 4 parts": structured(event_id, data={"key": "a,b,c,d"}),
        "data.key is not key[,namespace[,scope]]: the key is empty ": structured(event_id, data={"key": ""}),
    }
