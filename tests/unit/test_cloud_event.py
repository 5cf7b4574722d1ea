"""Reading CloudEvents: every mode and version, and what cannot be read."""

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.envelope import envelope
from task_service.domain.cloud_event import CloudEvent, MalformedEvent, from_envelope
from task_service.domain.event_task import CacheEntry, EventTask
from tests.support.events import KEY, every_mode, malformed, structured


@pytest.mark.parametrize("mode", every_mode("1"))
def test_an_event_is_the_same_in_every_mode(mode: str) -> None:
    event = from_envelope(envelope(*every_mode("1")[mode]))
    assert event == CloudEvent(source="cache", id="1", type="cache_set_event", data={"key": KEY})
    assert CacheEntry.of(event) == CacheEntry(key="did:web:example.com", namespace="Login", scope="Administration")


@pytest.mark.parametrize("reason", malformed("1"))
def test_what_cannot_be_understood_is_refused_with_its_reason(reason: str) -> None:
    with pytest.raises(MalformedEvent) as refusal:
        CacheEntry.of(from_envelope(envelope(*malformed("1")[reason])))
    assert str(refusal.value).startswith(reason.strip())


@pytest.mark.parametrize("message", ["", "oops", "[]", "{}", '{"data": 7}', '{"dataBase64": 7}', '{"dataBase64": "%"}'])
def test_a_message_that_the_bridge_has_not_written_is_refused(message: str) -> None:
    with pytest.raises(MalformedEvent):
        from_envelope(message)


@pytest.mark.parametrize(
    ("key", "entry"),
    [
        ("a", CacheEntry(key="a")),
        ("a,b", CacheEntry(key="a", namespace="b")),
        ("a,b,c", CacheEntry(key="a", namespace="b", scope="c")),
        ("a,,c", CacheEntry(key="a", scope="c")),
        ("a,,", CacheEntry(key="a")),
        (" a , b", CacheEntry(key=" a ", namespace=" b")),
        ("a b", CacheEntry(key="a b")),
        (" ", CacheEntry(key=" ")),
        ("a\tb\n,\u00a0", CacheEntry(key="a\tb\n", namespace="\u00a0")),
    ],
)
def test_a_key_has_up_to_three_parts(key: str, entry: CacheEntry) -> None:
    assert CacheEntry.of(from_envelope(envelope(*structured("1", data={"key": key})))) == entry


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["\ud800", "1.0", "0.3"]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)
content_types = st.text(max_size=30) | st.text(max_size=10).map(lambda text: f"application/json; charset{text}")


@settings(max_examples=500)
@given(
    headers=st.dictionaries(
        st.sampled_from(["ce-id", "ce-source", "ce-type", "ce-specversion", "ce-datacontenttype", "ce-x"]),
        st.text(max_size=20) | st.sampled_from(["1.0", "%ff", "\ud800%41", '"\\']) | json_values,
    ),
    content_type=content_types | json_values,
    payload=st.binary(max_size=40) | json_values.map(lambda value: json.dumps(value).encode()),
)
def test_whatever_comes_is_understood_or_malformed(headers: dict[str, Any], content_type: Any, payload: bytes) -> None:
    message = json.dumps(
        {"headers": {**headers, "content-type": content_type}, "dataBase64": base64.b64encode(payload).decode()}
    )
    with suppress(MalformedEvent):
        CacheEntry.of(from_envelope(message))


@settings(max_examples=500)
@given(
    changes=st.dictionaries(
        st.sampled_from(["specversion", "id", "source", "type", "datacontentencoding", "data", "data_base64", "time"]),
        json_values,
        max_size=3,
    ),
    content_type=content_types | json_values,
)
def test_whatever_an_attribute_is_the_event_is_understood_or_malformed(
    changes: dict[str, Any], content_type: Any
) -> None:
    with suppress(MalformedEvent):
        CacheEntry.of(from_envelope(envelope(*structured("1", **changes, datacontenttype=content_type))))


def test_what_travels_is_ascii_and_comes_back_unchanged() -> None:
    payload = json.dumps({**json.loads(structured("ü\u0000\uffff😀")[1])}, ensure_ascii=False).encode()
    text = envelope(None, payload)
    assert text.isascii()
    assert from_envelope(text).id == "ü\u0000\uffff😀"


def test_only_headers_about_the_event_travel() -> None:
    text = envelope({"ce-id": "1", "Authorization": "secret", "Nats-Msg-Id": "2"}, b"\xff")
    assert json.loads(text) == {"headers": {"ce-id": "1"}, "dataBase64": "/w=="}


class TestTaskIds:
    """The id of the task that an event makes."""

    def task_id(self, *, source: str = "cache", event_id: str = "1", key: str = "a", task: str = "t") -> str:
        event = CloudEvent(source=source, id=event_id, type="cache_set_event", data=None)
        return EventTask(entry=CacheEntry(key=key), task_name=task).task_id(event)

    def test_is_the_same_for_each_delivery(self) -> None:
        assert self.task_id() == self.task_id()

    def test_is_the_same_after_the_event_task_names_another_task(self) -> None:
        assert self.task_id() == self.task_id(task="other")

    def test_differs_with_source_id_and_entry(self) -> None:
        others = {self.task_id(source="c"), self.task_id(event_id="2"), self.task_id(key="b")}
        # The border between source and id counts.
        others |= {self.task_id(source="cache1", event_id=""), self.task_id(source="", event_id="cache1")}
        assert len(others | {self.task_id()}) == 6
