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


def malformed(event_id: str) -> dict[str, Published]:
    """What cannot be understood, by the beginning of the reason."""
    return {
        "the event is not JSON": (None, b"oops"),
        "the event is not JSON ": (None, b""),
        "the event is not JSON  ": (None, b"[" * 100_000),
        "the event is not JSON   ": ({"content-type": "application/cloudevents+avro"}, b"\x00\x01"),
        "the event is not a JSON object": (None, b"[]"),
        "the event is not a JSON object ": (None, b"null"),
        "the payload is not text in 'utf-8'": (None, b"\xff\xfe\xfd"),
        "the payload is not text in 'ebcdic-of-mars'": (
            {"content-type": "application/json; charset=ebcdic-of-mars"},
            structured(event_id)[1],
        ),
        "the payload is not text in 'base64'": (
            {"content-type": "application/json; charset=base64"},
            structured(event_id)[1],
        ),
        "specversion is 'None'": structured(event_id, specversion=None),
        "specversion is '0.2'": structured(event_id, specversion="0.2"),
        "specversion is '1'": structured(event_id, specversion=1),
        "source is missing": structured(event_id, source=None),
        "source is missing ": structured(event_id, source=7),
        "id is missing": structured(""),
        "type is missing": structured(event_id, type=None),
        "the event has both data and data_base64": structured(event_id, data_base64=base64_of(DATA)),
        "the data are not Base64": structured(event_id, data=None, data_base64="***"),
        "the data are not a Base64 string": structured(event_id, data=None, data_base64=7),
        "the data are not JSON": structured(event_id, data=None, data_base64=base64_of("oops")),
        "the data are 'text/plain', JSON is expected": binary(event_id, content_type="text/plain"),
        "the data are 'application/xml', JSON": structured(
            event_id, datacontenttype="application/xml", data=None, data_base64=base64_of("<a/>")
        ),
        "datacontentencoding is 'gzip'": structured(event_id, specversion="0.3", datacontentencoding="gzip"),
        "a batch of events": ({"content-type": "application/cloudevents-batch+json"}, b"[]"),
        "the header ce-source is not valid UTF-8": binary(event_id, ce_source="%C0%A0"),
        "source is not valid Unicode": structured(event_id, source="\ud800"),
        "data.key is not valid Unicode": structured(event_id, data={"key": "a\udfff"}),
        "the payload is not text in 'punycode'": (
            {"content-type": "application/json; charset=punycode"},
            structured(event_id)[1],
        ),
        "data.key is missing": structured(event_id, data={}),
        "data.key is missing ": structured(event_id, data=None),
        "data.key is missing  ": structured(event_id, data=DATA),
        "data.key is missing   ": structured(event_id, data={"key": 7}),
        "data.key is missing    ": structured(event_id, data={"key": None}),
        "data.key is missing     ": binary(event_id, b""),
        "data.key is not key": structured(event_id, data={"key": ",a,b"}),
        "data.key is not key ": structured(event_id, data={"key": "a,b,c,d"}),
        "data.key is not key  ": structured(event_id, data={"key": ""}),
    }
