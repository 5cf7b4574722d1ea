"""The bridge with a real NATS server: what passes, who may, what it says, and how it stops."""

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bridge.envelope import envelope
from local.environment import PROJECT
from local.ports import HOST
from tests.integration.bridge.conftest import BOTH, DURABLE, StartBridge
from tests.support.certificates import self_signed
from tests.support.events import every_mode, structured
from tests.support.nats import Bridge, NatsServer, event_ids, publish
from tests.support.nats_credentials import credentials
from tests.support.sqs_server import SqsServer
from tests.support.waiting import wait_until


@BOTH
def test_events_pass_in_every_mode_as_they_are(
    server: NatsServer, sqs: SqsServer, start_bridge: StartBridge, mode: dict[str, str]
) -> None:
    bridge = start_bridge(**mode)
    events = list(every_mode("1").values())
    publish(server.url, events)
    sqs.wait_for(len(events))
    assert sorted(sqs.taken) == sorted(envelope(*event) for event in events)
    wait_until(lambda: bridge.metric("bridge_events_buffered") == 0)
    assert bridge.metric("bridge_events_received_total") == bridge.metric("bridge_events_sent_total") == len(events)


@BOTH
def test_two_bridges_share_the_events(
    server: NatsServer, sqs: SqsServer, start_bridge: StartBridge, mode: dict[str, str]
) -> None:
    bridges = [start_bridge(**mode), start_bridge(**mode)]
    ids = [str(number) for number in range(500)]
    publish(server.url, [structured(event_id) for event_id in ids])
    sqs.wait_for(len(ids))
    assert sorted(event_ids(sqs.taken)) == sorted(ids)
    wait_until(lambda: sum(bridge.metric("bridge_events_sent_total") for bridge in bridges) == len(ids))
    assert all(bridge.metric("bridge_events_sent_total") > 0 for bridge in bridges)


@BOTH
def test_only_the_subject_that_is_set_is_listened_to(
    server: NatsServer, sqs: SqsServer, start_bridge: StartBridge, mode: dict[str, str]
) -> None:
    start_bridge(**mode, NATS_SUBJECT="mine.>")
    publish(server.url, [structured("1")], "external")
    publish(server.url, [structured("2")], "mine.a")
    sqs.wait_for(1)
    assert event_ids(sqs.taken) == ["2"]


def test_what_jetstream_cannot_carry_further_is_not_delivered_for_ever(
    server: NatsServer, sqs: SqsServer, start_bridge: StartBridge
) -> None:
    bridge = start_bridge(**DURABLE)
    publish(server.url, [structured("x" * 300_000), structured("1")])
    sqs.wait_for(1)
    assert event_ids(sqs.taken) == ["1"]
    assert bridge.metric("bridge_events_dropped_total", reason="too_large") == 1
    # It is not there when the next bridge asks.
    assert bridge.stop() == 0
    again = start_bridge(**DURABLE)
    publish(server.url, [structured("2")])
    sqs.wait_for(2)
    assert again.metric("bridge_events_received_total") == 1


@BOTH
def test_a_stop_sends_and_acknowledges_what_is_there(
    server: NatsServer, sqs: SqsServer, start_bridge: StartBridge, mode: dict[str, str]
) -> None:
    bridge = start_bridge(**mode)
    sqs.fault = "refuse"
    ids = [str(number) for number in range(35)]
    publish(server.url, [structured(event_id) for event_id in ids])
    sqs.wait_for_requests(1)
    sqs.fault = None

    assert bridge.stop() == 0

    # JetStream may have had some back before; another bridge gets these, and no others.
    if mode:
        start_bridge(**mode)
    sqs.wait_for(len(ids))
    assert sorted(event_ids(sqs.taken)) == sorted(ids)


def test_a_stop_while_sqs_refuses_says_what_is_lost(
    server: NatsServer, sqs: SqsServer, start_bridge: StartBridge
) -> None:
    bridge = start_bridge(BRIDGE_STOP_SECONDS="0.2")
    sqs.fault = "refuse"
    publish(server.url, [structured(str(number)) for number in range(7)])
    sqs.wait_for_requests(1)
    assert bridge.stop() == 0
    lines = [json.loads(line) for line in bridge.log.splitlines()]
    assert {"events are lost: the queue takes none": 7}.items() <= {
        line["message"]: line.get("events") for line in lines
    }.items()


DOCKER_STOP_SECONDS = 10
"""After which `docker stop` kills a container, unless it is told otherwise."""


def test_a_stop_while_sqs_does_not_answer_ends_before_a_container_is_killed(
    server: NatsServer, start_bridge: StartBridge
) -> None:
    with socket.create_server((HOST, 0)) as silent:
        url = f"http://{HOST}:{silent.getsockname()[1]}"
        bridge = start_bridge(well=False, AWS_ENDPOINT_URL=url, EVENT_QUEUE_URL=f"{url}/1/events")
        wait_until(lambda: bridge.health()[1]["nats"]["delivers"])
        publish(server.url, [structured(str(number)) for number in range(7)])
        connection, _ = silent.accept()
        with connection:
            begun = time.monotonic()
            assert bridge.stop() == 0

    assert time.monotonic() - begun < DOCKER_STOP_SECONDS
    said = {line["message"]: line.get("events") for line in map(json.loads, bridge.log.splitlines())}
    assert said["events are lost: the queue takes none"] == 7
    assert "stopped" in said


def checked(bridge: Bridge) -> tuple[int, str]:
    """The exit code of the container's health check, and what it says."""
    check = subprocess.run(
        [sys.executable, "-m", "bridge.check"],
        cwd=PROJECT / "functions" / "bridge",
        # No proxy is there.
        env={"BRIDGE_PORT": str(bridge.port), "HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    return check.returncode, check.stderr


def test_the_health_check_asks_the_bridge_itself(start_bridge: StartBridge) -> None:
    bridge = start_bridge()
    assert checked(bridge) == (0, "")
    bridge.stop()
    code, said = checked(bridge)
    assert code == 1
    assert re.fullmatch(r"error: the bridge does not answer: .*\n", said)


def test_a_region_that_is_missing_is_named_in_one_line(tmp_path: Path) -> None:
    nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    bridge = Bridge(tmp_path, nothing, EVENT_QUEUE_URL="http://127.0.0.1:9/q")
    with pytest.raises(AssertionError):
        bridge.start()
    assert bridge.log == "error: AWS_REGION is not set: the region of the event queue\n"


def test_a_profile_that_is_missing_is_named_in_one_line(tmp_path: Path, sqs: SqsServer) -> None:
    bridge = Bridge(tmp_path, sqs.environment, AWS_PROFILE="unknown", AWS_CONFIG_FILE=os.devnull)
    with pytest.raises(AssertionError):
        bridge.start()
    assert re.fullmatch(r"error: the client of SQS cannot be made: .*unknown.*\n", bridge.log)


def test_a_setting_that_is_missing_is_named(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path, {"NATS_ADDR": "nats://secret@host:99999999"}, EVENT_QUEUE_URL="http://127.0.0.1:9/q")
    with pytest.raises(AssertionError, match="error: NATS_ADDR is not an address"):
        bridge.start()
    assert "secret" not in bridge.log


REFUSED = ("AuthorizationError", "SSLCertVerificationError", "SSLError")
"""Why a server does not let a stranger in. It may hang up before that has been read: then the next attempt tells."""


def test_a_subject_that_we_may_not_listen_to_is_a_fault(tmp_path: Path, sqs: SqsServer) -> None:
    configuration = tmp_path / "nats.conf"
    user = '{user: me, password: hidden, permissions: {subscribe: "other"}}'
    configuration.write_text(f"authorization: {{users: [{user}]}}")
    with (
        NatsServer(tmp_path, "-c", str(configuration)) as server,
        Bridge(tmp_path, sqs.environment, NATS_ADDR=server.url, NATS_USER="me", NATS_PASSWORD="hidden") as bridge,
    ):
        wait_until(lambda: bridge.health()[1]["nats"]["fault"] == "NotPermittedError")
        assert bridge.health()[0] == 503


class TestWhoMayConnect:
    """Users, tokens, credentials, TLS: with them events pass, without them the bridge says so and goes on trying."""

    def check(self, tmp_path: Path, sqs: SqsServer, server: NatsServer, sent: dict[str, Any], **right: str) -> None:
        with (
            server,
            Bridge(tmp_path, sqs.environment, **{"NATS_ADDR": server.url, **right}) as welcome,
            Bridge(tmp_path, sqs.environment, NATS_ADDR=server.url) as stranger,
        ):
            wait_until(welcome.is_well)
            publish(server.url, [structured("1")], **sent)
            sqs.wait_for(1)
            wait_until(lambda: stranger.health()[1]["nats"]["fault"] in REFUSED)
            status, body = stranger.health()
            assert (status, body["nats"]["delivers"]) == (503, False)
            for secret in ("hidden", "127.0.0.1"):
                assert secret not in json.dumps(body)
            assert "hidden" not in welcome.log + stranger.log

    def test_user_and_password(self, tmp_path: Path, sqs: SqsServer) -> None:
        server = NatsServer(tmp_path, "--user", "me", "--pass", "hidden")
        sent: dict[str, Any] = {"user": "me", "password": "hidden"}
        self.check(tmp_path, sqs, server, sent, NATS_USER="me", NATS_PASSWORD="hidden")

    def test_user_and_password_in_the_address(self, tmp_path: Path, sqs: SqsServer) -> None:
        server = NatsServer(tmp_path, "--user", "me", "--pass", "hidden")
        sent: dict[str, Any] = {"user": "me", "password": "hidden"}
        address = server.url.replace("://", "://me:hidden@")
        self.check(tmp_path, sqs, server, sent, NATS_ADDR=address)

    def test_token(self, tmp_path: Path, sqs: SqsServer) -> None:
        server = NatsServer(tmp_path, "--auth", "hidden")
        self.check(tmp_path, sqs, server, {"token": "hidden"}, NATS_TOKEN="hidden")

    def test_credentials_file(self, tmp_path: Path, sqs: SqsServer) -> None:
        configuration, file = credentials(tmp_path)
        server = NatsServer(tmp_path, "-c", str(configuration), stores=False)
        self.check(tmp_path, sqs, server, {"user_credentials": str(file)}, NATS_CREDS_FILE=str(file))

    def test_tls(self, tmp_path: Path, sqs: SqsServer) -> None:
        _, certificate = self_signed(tmp_path)
        key = tmp_path / "key.pem"
        server = NatsServer(tmp_path, "--tls", "--tlscert", str(certificate), "--tlskey", str(key))
        trusting = ssl.create_default_context(cafile=certificate)
        self.check(tmp_path, sqs, server, {"tls": trusting}, NATS_TLS_CA=str(certificate))

    def test_tls_with_a_certificate_of_the_bridge(self, tmp_path: Path, sqs: SqsServer) -> None:
        _, certificate = self_signed(tmp_path)
        key = tmp_path / "key.pem"
        server = NatsServer(
            tmp_path,
            "--tlsverify",
            "--tlscert",
            str(certificate),
            "--tlskey",
            str(key),
            "--tlscacert",
            str(certificate),
        )
        trusting = ssl.create_default_context(cafile=certificate)
        trusting.load_cert_chain(certificate, key)
        files = {"NATS_TLS_CA": str(certificate), "NATS_TLS_CERT": str(certificate), "NATS_TLS_KEY": str(key)}
        self.check(tmp_path, sqs, server, {"tls": trusting}, **files)
