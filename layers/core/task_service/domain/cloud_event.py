"""CloudEvents as they come out of the event queue: structured or binary mode, specversion 0.3 and 1.0.

See https://github.com/cloudevents/spec: spec.md, formats/json-format.md, bindings/nats-protocol-binding.md. The NATS
binding takes a message for binary mode unless its content type says otherwise; before message headers existed every
message was structured, and the cache service still sends none. So here a message is in binary mode if it has
`ce-` headers, and no content type of an event format.
"""

import base64
import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message as MimeHeaders
from typing import Any, Final
from urllib.parse import unquote

from task_service.domain import json_text, strict_json
from task_service.domain.trace import Trace

VERSIONS: Final = ("1.0", "0.3")
_CHARSETS: Final = frozenset(
    {"utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"}
    | {"ascii", "iso8859-1", "iso8859-15", "cp1252"}
)
"""Python's names of the charsets that are understood. It knows others, some of which are slow with hostile bytes."""


class MalformedEvent(ValueError):
    """The event cannot be understood; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CloudEvent:
    """An event; `source` and `id` together are its identity."""

    source: str
    id: str
    type: str
    data: Any
    """The parsed JSON, None where there is none."""
    trace: Trace | None = None
    """The trace in which it was published (the extension "distributed tracing"); None: in none."""


@dataclass(frozen=True, slots=True)
class _ContentType:
    """A media type and its charset."""

    media: str
    charset: str

    @classmethod
    def of(cls, name: str, value: object) -> "_ContentType":
        """The content type in an attribute or a header of that name; where it is empty or not set it is JSON."""
        text = "" if value is None else text_of(name, value)
        headers = MimeHeaders()
        headers["Content-Type"] = re.sub(r"\s", " ", text) or "application/json"
        return cls(headers.get_content_type(), str(headers.get_param("charset") or "utf-8"))

    @property
    def is_json(self) -> bool:
        return self.media.endswith(("/json", "+json"))

    def decode(self, payload: bytes) -> str:
        """Bytes of this type as text, without a byte order mark."""
        try:
            if codecs.lookup(self.charset).name in _CHARSETS:
                return payload.decode(self.charset).removeprefix("\ufeff")
        except (LookupError, ValueError):
            pass  # said below
        raise MalformedEvent(f"the payload is not text in {self.charset[:40]!r}")

    def parse(self, payload: bytes) -> Any:
        """Bytes of this type as JSON."""
        if not self.is_json:
            raise MalformedEvent(f"the data are {self.media[:80]!r}, JSON is expected")
        return _parse("the data are", self.decode(payload))


def from_envelope(text: str) -> CloudEvent:
    """The event in a message of the event queue. Raises MalformedEvent."""
    envelope = _parse("the message is", text)
    if not isinstance(envelope, dict):
        raise MalformedEvent("the message is not an envelope of the bridge")
    headers = {str(name).lower(): str(value) for name, value in _members(envelope.get("headers")).items()}
    payload = _payload(envelope)
    content_type = _ContentType.of("content-type", headers.get("content-type"))
    if content_type.media.startswith("application/cloudevents-batch"):
        raise MalformedEvent("a batch of events, which NATS messages do not carry; one event in each is expected")
    is_binary = any(name.startswith("ce-") for name in headers)
    if is_binary and not content_type.media.startswith("application/cloudevents"):
        return _binary(headers, payload)
    # JSON is the only format that is read; the parser refuses any other.
    return _structured(_parse("the event is", content_type.decode(payload)))


def _binary(headers: Mapping[str, str], payload: bytes) -> CloudEvent:
    attributes = {name.removeprefix("ce-"): value for name, value in headers.items() if name.startswith("ce-")}
    attributes = {name: _unquoted(name, value) for name, value in attributes.items()}
    # The NATS binding calls it ce-datacontenttype, the others content-type.
    name = "datacontenttype" if attributes.get("datacontenttype") else "content-type"
    content_type = _ContentType.of(name, attributes.get("datacontenttype") or headers.get("content-type"))
    if _is_encoded(attributes):
        payload = _from_base64(payload)
    return _event(attributes, content_type.parse(payload) if payload else None)


def _structured(event: Any) -> CloudEvent:
    if not isinstance(event, dict):
        raise MalformedEvent(f"the event is not a JSON object but {kind_of(event)}; each message has one event")
    content_type = _ContentType.of("datacontenttype", event.get("datacontenttype"))
    data, encoded = event.get("data"), event.get("data_base64")
    if data is not None and encoded is not None:
        raise MalformedEvent("the event has both data and data_base64")
    if data is not None and _is_encoded(event):
        data, encoded = None, data
    if encoded is not None:
        data = content_type.parse(_from_base64(encoded))
    return _event(event, data)


def _event(attributes: Mapping[str, Any], data: Any) -> CloudEvent:
    version, allowed = _text(attributes, "specversion"), " or ".join(map(repr, VERSIONS))
    if version not in VERSIONS:
        raise MalformedEvent(f"specversion is {version[:40]!r}, {allowed} is expected")
    source, event_id, kind = (_text(attributes, name) for name in ("source", "id", "type"))
    return CloudEvent(source=source, id=event_id, type=kind, data=data, trace=_trace(attributes))


def _trace(attributes: Mapping[str, Any]) -> Trace | None:
    """The trace of an event. One that is not valid is as good as none, as in a request."""
    traceparent, tracestate = (attributes.get(name) for name in ("traceparent", "tracestate"))
    if not isinstance(traceparent, str):
        return None
    return Trace.of(traceparent, tracestate if isinstance(tracestate, str) else None)


def _text(attributes: Mapping[str, Any], name: str) -> str:
    """An attribute that an event has to have."""
    text = text_of(name, attributes.get(name))
    if not text:
        raise MalformedEvent(f"{name} is empty")
    return text


def kind_of(value: object) -> str:
    """The name of a JSON value's type, with its article."""
    kinds = {
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        list: "an array",
        dict: "an object",
    }
    return kinds.get(type(value), "null")


def text_of(name: str, value: object) -> str:
    """The text that the value of that name is. Raises MalformedEvent.

    Half of a surrogate pair is refused: JSON can escape it, and nothing can store it.
    """
    if value is None:
        raise MalformedEvent(f"{name} is missing")
    if not isinstance(value, str):
        raise MalformedEvent(f"{name} is {kind_of(value)}, a string is expected")
    if not json_text.is_unicode(value):
        raise MalformedEvent(f"{name} is not valid Unicode")
    return value


def _is_encoded(attributes: Mapping[str, Any]) -> bool:
    """Whether the data are Base64: an attribute that 0.3 had, and 1.0 has no more."""
    encoding = attributes.get("datacontentencoding")
    if attributes.get("specversion") != "0.3" or not encoding:
        return False
    if str(encoding).lower() != "base64":
        raise MalformedEvent(f"datacontentencoding is {str(encoding)[:40]!r}, base64 is expected")
    return True


def _payload(envelope: Mapping[str, Any]) -> bytes:
    if isinstance(envelope.get("data"), str):
        return str(envelope["data"]).encode("utf-8", "surrogatepass")
    if "dataBase64" in envelope:
        return _from_base64(envelope["dataBase64"])
    raise MalformedEvent("the message is not an envelope of the bridge")


def _from_base64(text: object) -> bytes:
    if not isinstance(text, str | bytes):
        raise MalformedEvent("the data are not a Base64 string but " + kind_of(text))
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise MalformedEvent("the data are not Base64") from None


def _unquoted(name: str, value: str) -> str:
    """A header's value: double quotes are undone, and percent signs once."""
    if len(value) > 1 and value.startswith('"') and value.endswith('"'):
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    try:
        return unquote(value, errors="strict")
    except UnicodeError:
        raise MalformedEvent(f"the header ce-{name[:40]} is not valid UTF-8") from None


def _members(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _parse(noun: str, text: str) -> Any:
    """The value of a JSON text; `noun` begins the refusal."""
    try:
        return strict_json.loads(text)
    except strict_json.AmbiguousJson as error:
        raise MalformedEvent(f"{noun} ambiguous: {error}") from None
    except json_text.InvalidJson as error:
        raise MalformedEvent(f"{noun} not JSON: {error}") from None
