"""The bridge without its network: settings, buffer, and moving events until the queue has them."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from bridge.buffer import Buffer, Event
from bridge.envelope import MAX_BYTES
from bridge.forwarder import Forwarder
from bridge.metrics import Metrics
from bridge.queue import Refusal
from bridge.settings import Settings, SettingsError
from bridge.source import FLUSH_SECONDS

NEEDED = {"EVENT_QUEUE_URL": "http://127.0.0.1:9/q"}
DOWN = Refusal("ServiceUnavailable")
WITHIN_SECONDS = 5


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is a coroutine, as one that is called."""

    @wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))

    return run


@dataclass
class Heard:
    """A delivery that remembers what it is told; core NATS where it can give nothing back."""

    can_give_back: bool = True
    words: list[str] = field(default_factory=list)

    async def accept(self) -> None:
        self.words.append("accepted")

    async def give_back(self, seconds: float) -> bool:
        if self.can_give_back:
            self.words.append("given back")
        return self.can_give_back

    async def drop(self) -> None:
        self.words.append("dropped")


@dataclass
class ScriptedQueue:
    """A queue that refuses as it is told."""

    refuse: Callable[[str], Refusal | None] = lambda body: None
    requests: list[list[str]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    async def send(self, bodies: Sequence[str]) -> list[Refusal | None]:
        await asyncio.sleep(0)
        self.requests.append(list(bodies))
        refusals = [self.refuse(body) for body in bodies]
        self.taken += [body for body, refusal in zip(bodies, refusals, strict=True) if refusal is None]
        return refusals


class Bridge:
    """Buffer and forwarder on a scripted queue."""

    def __init__(self, queue: ScriptedQueue, *, max_events: int = 1_000, max_bytes: int = 10_000_000) -> None:
        self.metrics = Metrics()
        self.buffer = Buffer(max_events=max_events, max_bytes=max_bytes)
        self.forwarder = Forwarder(self.buffer, queue, self.metrics)

    def dropped(self, reason: str) -> float:
        return self.metrics.registry.get_sample_value("bridge_events_dropped_total", {"reason": reason}) or 0

    async def run_until_empty(self) -> None:
        running = asyncio.create_task(self.forwarder.run())
        try:
            await asyncio.wait_for(self.buffer.empty(), WITHIN_SECONDS)
        finally:
            running.cancel()
            await asyncio.wait({running})


@in_a_loop
async def test_whatever_waits_goes_out_together_ten_at_a_time() -> None:
    queue = ScriptedQueue()
    bridge = Bridge(queue)
    heard = [Heard() for _ in range(25)]
    for number, delivery in enumerate(heard):
        await bridge.forwarder.receive(str(number), delivery)

    await bridge.run_until_empty()

    assert sorted(map(len, queue.requests)) == [5, 10, 10]
    assert sorted(queue.taken, key=int) == [str(number) for number in range(25)]
    assert all(delivery.words == ["accepted"] for delivery in heard)


@in_a_loop
async def test_a_request_is_never_larger_than_sqs_takes() -> None:
    queue = ScriptedQueue()
    bridge = Bridge(queue)
    for _ in range(6):
        await bridge.forwarder.receive("x" * 100_000, Heard())
    await bridge.run_until_empty()
    assert [len(bodies) for bodies in queue.requests] == [2, 2, 2]


@in_a_loop
async def test_what_is_larger_than_sqs_takes_is_dropped_and_counted() -> None:
    queue = ScriptedQueue()
    bridge, fits, too_large = Bridge(queue), Heard(), Heard()
    await bridge.forwarder.receive("x" * MAX_BYTES, fits)
    await bridge.forwarder.receive("x" * (MAX_BYTES + 1), too_large)
    await bridge.run_until_empty()
    assert (fits.words, too_large.words) == (["accepted"], ["dropped"])
    assert bridge.dropped("too_large") == 1


@in_a_loop
async def test_only_what_the_queue_has_is_acknowledged() -> None:
    queue = ScriptedQueue(refuse=lambda body: DOWN if body in "37" else None)
    bridge = Bridge(queue)
    heard = [Heard() for _ in range(10)]
    for number, delivery in enumerate(heard):
        await bridge.forwarder.receive(str(number), delivery)
    await bridge.run_until_empty()
    assert [number for number, delivery in enumerate(heard) if delivery.words == ["given back"]] == [3, 7]
    assert len(queue.taken) == 8


@in_a_loop
async def test_core_nats_cannot_take_it_back_so_it_is_sent_until_it_is_taken() -> None:
    left = {"a": 2, "b": 0}

    def refuse(body: str) -> Refusal | None:
        left[body] -= 1
        return DOWN if left[body] >= 0 else None

    queue = ScriptedQueue(refuse=refuse)
    bridge, heard = Bridge(queue), Heard(can_give_back=False)
    await bridge.forwarder.receive("a", heard)
    await bridge.forwarder.receive("b", heard)
    await bridge.run_until_empty()
    assert queue.requests == [["a", "b"], ["a"], ["a"]]
    assert heard.words == ["accepted", "accepted"]


@in_a_loop
async def test_what_the_queue_will_never_take_is_dropped_and_holds_up_nothing() -> None:
    queue = ScriptedQueue(refuse=lambda body: Refusal("InvalidMessageContents", True) if body == "a" else None)
    bridge, bad, good = Bridge(queue), Heard(can_give_back=False), Heard()
    await bridge.forwarder.receive("a", bad)
    await bridge.forwarder.receive("b", good)
    await bridge.run_until_empty()
    assert (bad.words, good.words) == (["dropped"], ["accepted"])
    assert bridge.dropped("refused_by_queue") == 1


@pytest.mark.parametrize("bound", [{"max_events": 3}, {"max_bytes": 3}])
@in_a_loop
async def test_beyond_its_bound_core_events_are_lost_and_counted(bound: dict[str, int]) -> None:
    bridge = Bridge(ScriptedQueue(), **bound)
    heard = [Heard(can_give_back=False) for _ in range(5)]
    for delivery in heard:
        await bridge.forwarder.receive("x", delivery)
    assert [delivery.words for delivery in heard] == [[], [], [], ["dropped"], ["dropped"]]
    assert bridge.dropped("buffer_full") == 2
    await bridge.run_until_empty()
    assert [delivery.words for delivery in heard[:3]] == [["accepted"]] * 3
    # There is room again.
    await bridge.forwarder.receive("x", heard[3])
    assert bridge.dropped("buffer_full") == 2


@in_a_loop
async def test_beyond_its_bound_jetstream_events_go_back() -> None:
    bridge, heard = Bridge(ScriptedQueue(), max_events=1), Heard()
    await bridge.forwarder.receive("x", Heard())
    await bridge.forwarder.receive("x", heard)
    assert heard.words == ["given back"]
    assert bridge.dropped("buffer_full") == 0


@in_a_loop
async def test_while_the_queue_refuses_jetstream_keeps_all_but_a_few() -> None:
    queue = ScriptedQueue(refuse=lambda body: DOWN)
    bridge = Bridge(queue)
    await bridge.forwarder.receive("first", Heard())
    await bridge.run_until_empty()
    heard = [Heard() for _ in range(100)]
    for delivery in heard:
        await bridge.forwarder.receive("x", delivery)
    assert sum(delivery.words == ["given back"] for delivery in heard) == 60


@pytest.mark.parametrize(("can_give_back", "lost"), [(True, 0), (False, 12)])
@in_a_loop
async def test_stopped_while_the_queue_refuses_it_says_what_is_lost(can_give_back: bool, lost: int) -> None:
    asked = asyncio.Event()

    def refuse(body: str) -> Refusal | None:
        asked.set()
        return DOWN

    bridge = Bridge(ScriptedQueue(refuse=refuse))
    heard = [Heard(can_give_back=can_give_back) for _ in range(12)]
    for delivery in heard:
        await bridge.forwarder.receive("x", delivery)
    running = asyncio.create_task(bridge.forwarder.run())
    await asyncio.wait_for(asked.wait(), WITHIN_SECONDS)
    running.cancel()
    await asyncio.wait({running})
    await bridge.forwarder.give_up()
    assert bridge.dropped("stopped") == lost
    assert all(delivery.words[-1:] == (["given back"] if can_give_back else []) for delivery in heard)
    assert len(bridge.buffer) == 0


@in_a_loop
async def test_an_event_that_arrives_alone_does_not_wait_for_company() -> None:
    queue = ScriptedQueue()
    bridge = Bridge(queue)
    running = asyncio.create_task(bridge.forwarder.run())
    await asyncio.sleep(0)
    assert bridge.buffer.offer(Event("x", Heard()))
    for _ in range(5):
        await asyncio.sleep(0)
    assert queue.taken == ["x"]
    running.cancel()
    await asyncio.wait({running})


class TestSettings:
    """What can be set."""

    def test_what_is_not_set_has_a_default(self) -> None:
        settings = Settings.from_environment({**NEEDED, "NATS_STREAM": ""})
        assert settings == Settings(queue_url=NEEDED["EVENT_QUEUE_URL"])
        assert (settings.nats.subject, settings.nats.stream) == ("external", None)
        # `docker stop` kills after ten seconds.
        assert settings.stop_seconds + FLUSH_SECONDS < 10

    def test_what_is_set_is_used(self, tmp_path: Path) -> None:
        ca = tmp_path / "ca.pem"
        ca.write_text("-")
        settings = Settings.from_environment(
            NEEDED
            | {
                "NATS_ADDR": "nats:4222, tls://other:4222",
                "NATS_SUBJECT": "events.>",
                "NATS_STREAM": "s",
                "NATS_USER": "me",
                "NATS_PASSWORD": "hidden",
                "NATS_TLS_CA": str(ca),
                "BRIDGE_PORT": "9",
                "LOG_LEVEL": "debug",
            }
        )
        assert settings.nats.servers == ("nats://nats:4222", "tls://other:4222")
        assert (settings.nats.subject, settings.nats.stream, settings.nats.user) == ("events.>", "s", "me")
        assert (settings.port, settings.log_level) == (9, "DEBUG")
        assert "hidden" not in repr(settings)

    @pytest.mark.parametrize(
        ("given", "fault"),
        [
            ({"EVENT_QUEUE_URL": ""}, "EVENT_QUEUE_URL is not set"),
            ({"NATS_ADDR": "http://secret@host"}, "NATS_ADDR is not an address"),
            ({"NATS_ADDR": "nats://host:99999999"}, "NATS_ADDR is not an address"),
            ({"NATS_SUBJECT": "a b"}, "NATS_SUBJECT is 'a b'"),
            ({"NATS_USER": "me"}, "NATS_USER and NATS_PASSWORD belong together"),
            ({"NATS_TOKEN": "t", "NATS_USER": "u", "NATS_PASSWORD": "p"}, "NATS_USER and NATS_TOKEN are set"),
            ({"NATS_CREDS_FILE": "/nowhere"}, "NATS_CREDS_FILE is '/nowhere', which is no file"),
            ({"BRIDGE_PORT": "x"}, "BRIDGE_PORT is 'x'"),
            ({"BRIDGE_BUFFER_EVENTS": "0"}, "BRIDGE_BUFFER_EVENTS is '0'; a number from 1"),
            ({"BRIDGE_STOP_SECONDS": "inf"}, "BRIDGE_STOP_SECONDS is 'inf'"),
            ({"LOG_LEVEL": "loud"}, "LOG_LEVEL is 'LOUD'"),
        ],
    )
    def test_what_cannot_be_understood_is_named_without_secrets(self, given: dict[str, str], fault: str) -> None:
        with pytest.raises(SettingsError) as refusal:
            Settings.from_environment(NEEDED | given)
        assert fault in str(refusal.value)
        assert "secret" not in str(refusal.value)


def test_the_requirements_are_those_of_the_local_cloud() -> None:
    folder = Path(__file__).parents[2]
    pins = [
        dict(line.split("==") for line in (folder / path).read_text().splitlines() if "==" in line)
        for path in ("functions/bridge/requirements.txt", "layers/core/requirements.txt", "requirements/local.txt")
    ]
    differing = {name for one in pins for name in one if len({pin[name] for pin in pins if name in pin}) > 1}
    assert not differing, sorted(differing)
