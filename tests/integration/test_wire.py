"""The client of DynamoDB and SQS, against a server that really does what may go wrong."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from task_service.adapters.aws import connection
from task_service.adapters.aws.credentials import Credentials
from task_service.adapters.aws.patience import IMPATIENT, PATIENT, Patience
from task_service.adapters.aws.wire import ConditionFailed, WireClient, connect
from task_service.domain.errors import Unavailable
from tests.support.aws_server import (
    Answering,
    AwsServer,
    Line,
    Request,
    closed,
    good,
    head,
    raw,
    refused,
    reset,
    silent,
)
from tests.support.certificates import self_signed

QUICK = replace(PATIENT, answer_seconds=0.3)
"""For what takes as long as the client waits."""
ITEM = {"Item": {"pk": {"S": "a"}}}


@pytest.fixture
def aws() -> Iterator[AwsServer]:
    with AwsServer() as server:
        yield server


class Calls:
    """A client, and the pauses that it makes; they take no time."""

    def __init__(self, aws: AwsServer, patience: Patience = PATIENT, service: str = "dynamodb") -> None:
        self.environment = aws.environment
        credentials = Credentials(environment=self.environment)
        self.client = connect(service, credentials=credentials, patience=patience, environment=self.environment)
        self.pauses: list[float] = []
        self.client.pause = self.pauses.append
        self.client.draw = lambda: 1.0

    def get(self) -> dict[str, Any]:
        """An operation."""
        return self.client.call("GetItem", TableName="t", Key={"pk": {"S": "a"}})


def operations(aws: AwsServer) -> list[str]:
    return [request.operation for request in aws.requests]


# -- a call


def test_a_call_is_a_signed_post_of_its_parameters(aws: AwsServer) -> None:
    aws.answers(good(ITEM))

    output = Calls(aws).client.call("PutItem", TableName="t", Item={"text": {"S": "ü\ud800😀\x00"}})

    [request] = aws.requests
    assert output == ITEM
    assert (request.service, request.operation) == ("dynamodb", "PutItem")
    assert request.parameters == {"TableName": "t", "Item": {"text": {"S": "ü\ud800😀\x00"}}}
    assert request.headers["User-Agent"].startswith("task-service/")


def test_a_message_carries_the_trace_by_which_lambda_counts_rounds(
    aws: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, table = Calls(aws, service="sqs").client, Calls(aws)
    queue.call("SendMessage", MessageBody="1")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=1:a:2\r\nx-evil: 1")
    queue.call("SendMessage", MessageBody="2")
    table.get()

    traces = [request.headers["X-Amzn-Trace-Id"] for request in aws.requests]
    assert traces == [None, "Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=1:a:2%0D%0Ax-evil:%201", None]


def test_calls_share_a_connection(aws: AwsServer) -> None:
    calls = Calls(aws)
    for _ in range(5):
        calls.get()
    assert [request.connection for request in aws.requests] == [1] * 5


def test_threads_share_a_client(aws: AwsServer) -> None:
    def echo(line: Line, request: Request) -> None:
        good({"Attributes": request.parameters["Key"]})(line, request)

    calls, together = Calls(aws), threading.Barrier(10)
    aws.answers(*[echo] * 200)

    def ask(thread: int) -> list[Any]:
        together.wait(10)
        return [calls.client.call("GetItem", Key=f"{thread}-{number}")["Attributes"] for number in range(20)]

    with ThreadPoolExecutor(10) as threads:
        found = list(threads.map(ask, range(10)))

    assert found == [[f"{thread}-{number}" for number in range(20)] for thread in range(10)]
    assert aws.connections <= 10


def test_a_connection_that_the_service_says_it_closes_is_not_used_again(aws: AwsServer) -> None:
    aws.answers(raw(200, b"{}", Connection="close"))
    calls = Calls(aws)
    calls.get()
    calls.get()
    assert [request.connection for request in aws.requests] == [1, 2]


def test_an_answer_may_come_in_chunks(aws: AwsServer) -> None:
    def chunked(line: Line, request: Request) -> None:
        line.send(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"Ite\r\n7\r\nm": {}}\r\n0\r\n\r\n')

    aws.answers(chunked)
    calls = Calls(aws)
    assert calls.get() == {"Item": {}}
    calls.get()
    assert [request.connection for request in aws.requests] == [1, 1]


def test_an_operation_without_output_may_answer_with_nothing(aws: AwsServer) -> None:
    aws.answers(raw(200, b""))
    assert Calls(aws, service="sqs").client.call("ChangeMessageVisibility", VisibilityTimeout=0) == {}


def test_a_secured_connection_needs_a_certificate_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_tls, certificate = self_signed(tmp_path)
    connection.trusted.cache_clear()
    try:
        with AwsServer(tls=server_tls) as aws:
            with pytest.raises(Unavailable, match="dynamodb: SSLCertVerificationError"):
                Calls(aws).get()
            assert aws.requests == []

            monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
            connection.trusted.cache_clear()
            calls = Calls(aws)
            calls.get()
            aws.close_connections()
            calls.get()
            assert (calls.pauses, len(aws.requests)) == ([], 2)
    finally:
        connection.trusted.cache_clear()


# -- refusals


def test_a_condition_that_fails_comes_with_the_record(aws: AwsServer) -> None:
    aws.answers(refused("ConditionalCheckFailedException", Item={"pk": {"S": "a"}}))
    with pytest.raises(ConditionFailed) as refusal:
        Calls(aws).get()
    assert refusal.value.item == {"pk": {"S": "a"}}
    assert len(aws.requests) == 1


def test_a_condition_may_fail_without_a_record(aws: AwsServer) -> None:
    aws.answers(refused("ConditionalCheckFailedException"))
    with pytest.raises(ConditionFailed) as refusal:
        Calls(aws).get()
    assert refusal.value.item is None


def test_a_request_that_is_never_valid_is_no_outage(aws: AwsServer) -> None:
    aws.answers(refused("ValidationException"))
    with pytest.raises(ValueError, match="dynamodb refused GetItem as not valid"):
        Calls(aws).get()
    assert len(aws.requests) == 1


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException"])
def test_what_would_be_refused_again_is_not_repeated(aws: AwsServer, code: str) -> None:
    aws.answers(refused(code))
    with pytest.raises(Unavailable, match=f"^dynamodb: {code}$"):
        Calls(aws).get()
    assert len(aws.requests) == 1


@pytest.mark.parametrize(
    ("fault", "pauses"),
    [
        (refused("ProvisionedThroughputExceededException"), [0.5, 1.0]),
        (refused("ThrottlingException"), [0.5, 1.0]),
        (refused("RequestLimitExceeded"), [0.5, 1.0]),
        (refused("RequestThrottled", status=403), [0.5, 1.0]),
        (refused("Whatever", status=429), [0.5, 1.0]),
        (refused("InternalServerError", status=500), [0.05, 0.1]),
        (refused("ServiceUnavailable", status=503), [0.05, 0.1]),
        (raw(502, b"<html>bad gateway</html>"), [0.05, 0.1]),
    ],
)
def test_throttling_and_faults_of_the_service_are_repeated_with_longer_pauses(
    aws: AwsServer, fault: Answering, pauses: list[float]
) -> None:
    calls = Calls(aws)
    aws.answers(fault, fault, good(ITEM))
    assert calls.get() == ITEM
    assert calls.pauses == pauses
    assert {request.body for request in aws.requests} == {aws.requests[0].body}

    aws.answers(fault, fault, fault)
    with pytest.raises(Unavailable, match=r"^dynamodb: "):
        calls.get()
    assert len(aws.requests) == 6


def test_pauses_differ_from_client_to_client(aws: AwsServer) -> None:
    calls, drawn = Calls(aws), iter([0.25, 0.75])
    calls.client.draw = lambda: next(drawn)
    aws.answers(refused("A", status=500), refused("A", status=500))
    calls.get()
    assert calls.pauses == [0.25 * 0.05, 0.75 * 0.1]


def test_an_impatient_client_tries_once(aws: AwsServer) -> None:
    calls = Calls(aws, IMPATIENT)
    aws.answers(refused("InternalServerError", status=500))
    with pytest.raises(Unavailable, match="InternalServerError"):
        calls.get()
    assert (len(aws.requests), calls.pauses) == (1, [])


@pytest.mark.parametrize("code", ["<b>", "a b", "", "x" * 300 + "!", 7, None, {"a": 1}])
def test_a_code_that_is_none_is_not_repeated_to_others(aws: AwsServer, code: Any) -> None:
    aws.answers(raw(400, json.dumps({"__type": code}).encode()))
    with pytest.raises(Unavailable) as refusal:
        Calls(aws).get()
    assert str(refusal.value) in ("dynamodb: status 400", "dynamodb: None")


# -- answers that are none


RUBBISH: dict[str, Answering] = {
    "HTML": raw(200, b"<html>welcome</html>"),
    "nothing": raw(200, b""),
    "truncated JSON": raw(200, b'{"Item": {"pk"'),
    "a list": raw(200, b"[]"),
    "nested too deeply": raw(200, b'{"a":' + b"[" * 100_000),
    "no text": raw(200, b"\xff\xfe\x00"),
    "another checksum": raw(200, b"{}", x_amz_crc32="1"),
    "no checksum": raw(200, b"{}", x_amz_crc32="none"),
    "a body of unknown length": raw(200, b"{}", Content_Length="none"),
    "another protocol": lambda line, _: line.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "too many headers": lambda line, _: line.send(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n"),
    "a header that is too long": lambda line, _: line.send(b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000 + b"\r\n\r\n"),
    "an error in HTML": raw(404, b"<html>not found</html>"),
}


@pytest.mark.parametrize("what", RUBBISH)
def test_rubbish_is_asked_for_again_and_then_not_available(aws: AwsServer, what: str) -> None:
    calls = Calls(aws, QUICK)
    aws.answers(RUBBISH[what], good(ITEM))
    assert calls.get() == ITEM

    aws.answers(*[RUBBISH[what]] * 3)
    with pytest.raises(Unavailable, match=r"^dynamodb: "):
        calls.get()
    assert len(aws.requests) == 5
    assert calls.get() == {}, "the next call is not met by what is left"


def test_an_answer_that_is_too_large_is_not_read(aws: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LARGEST_ANSWER", 100)
    aws.answers(raw(200, b" " * 98 + b"{}"), *[raw(200, b" " * 99 + b"{}")] * 3)
    calls = Calls(aws)
    assert calls.get() == {}
    with pytest.raises(Unavailable, match="HTTPException"):
        calls.get()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    answer=st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=100).map(lambda rest: b"HTTP/1.1 200 OK\r\n" + rest),
        st.tuples(st.integers(100, 999), st.binary(max_size=100)).map(
            lambda parts: b"HTTP/1.1 %d So\r\nContent-Length: %d\r\n\r\n%s" % (parts[0], len(parts[1]), parts[1])
        ),
    )
)
def test_whatever_comes_is_an_output_or_unavailable(aws: AwsServer, answer: bytes) -> None:
    def say(line: Line, request: Request) -> None:
        line.send(answer)
        line.close()

    aws.answers(say)
    client = Calls(aws, IMPATIENT).client
    try:
        assert isinstance(client.call("GetItem"), dict)
    except Unavailable as refusal:
        assert str(refusal).isprintable()
    finally:
        client.close()


# -- connections that break


def cut(line: Line, request: Request) -> None:
    """Half of an answer, and the connection is closed."""
    body = json.dumps(ITEM).encode()
    line.send(head(line.server, 200, body) + body[:5])
    line.close()


def torn(line: Line, request: Request) -> None:
    """Half of an answer, and the connection is reset."""
    body = json.dumps(ITEM).encode()
    line.send(head(line.server, 200, body) + body[:5])
    line.reset()


def beheaded(line: Line, request: Request) -> None:
    """Half of the headers, and the connection is closed."""
    line.send(b"HTTP/1.1 200 OK\r\nContent-Le")
    line.close()


@pytest.mark.parametrize("fault", [closed, reset, cut, torn, beheaded])
def test_an_answer_that_breaks_off_is_asked_for_again(aws: AwsServer, fault: Answering) -> None:
    calls = Calls(aws)
    aws.answers(fault, good(ITEM))
    assert calls.get() == ITEM
    assert (calls.pauses, aws.connections) == ([0.05], 2)

    aws.answers(*[fault] * 4)
    with pytest.raises(Unavailable, match=r"^dynamodb: "):
        calls.get()


@pytest.mark.parametrize("fault", [silent, lambda line, _: drip(line)])
def test_an_answer_that_takes_too_long_is_asked_for_again(aws: AwsServer, fault: Answering) -> None:
    calls = Calls(aws, QUICK)
    aws.answers(fault, good(ITEM))
    started = time.monotonic()
    assert calls.get() == ITEM
    assert 0.3 <= time.monotonic() - started < 3

    aws.answers(*[fault] * 3)
    with pytest.raises(Unavailable, match=r"^dynamodb: TimeoutError$"):
        calls.get()


def drip(line: Line) -> None:
    """One byte after the other, each soon enough."""
    for byte in b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 50:
        line.send(bytes([byte]))
        line.wait(0.05)


def test_a_service_that_is_not_there_is_not_available(aws: AwsServer) -> None:
    calls = Calls(aws)
    aws.__exit__(None, None, None)
    with pytest.raises(Unavailable, match=r"^dynamodb: ConnectionRefusedError$"):
        calls.get()
    assert calls.pauses == [0.05, 0.1]


# -- what cannot be repeated


@pytest.mark.parametrize("fault", [closed, reset, refused("InternalServerError", status=500), raw(200, b"rubbish")])
def test_a_write_without_conditions_is_not_repeated(aws: AwsServer, fault: Answering) -> None:
    calls = Calls(aws)
    calls.get()
    aws.answers(fault)

    with pytest.raises(Unavailable, match=r"^dynamodb: "):
        calls.client.call("BatchWriteItem", RequestItems={"tasks": []})

    assert len(aws.requests) == 2


def test_a_write_without_conditions_is_repeated_if_it_was_refused_as_too_many(aws: AwsServer) -> None:
    calls = Calls(aws)
    aws.answers(refused("ThrottlingException"), good({"UnprocessedItems": {}}))

    assert calls.client.call("BatchWriteItem", RequestItems={"tasks": []}) == {"UnprocessedItems": {}}

    assert calls.pauses == [0.5]


# -- connections that died while they were idle


@pytest.mark.parametrize("patience", [PATIENT, IMPATIENT])
def test_a_connection_that_was_closed_between_requests_is_replaced_at_once(aws: AwsServer, patience: Patience) -> None:
    calls = Calls(aws, patience)
    calls.get()
    aws.close_connections()

    calls.get()

    assert (len(aws.requests), aws.connections, calls.pauses) == (2, 2, [])


@pytest.mark.parametrize("fault", [closed, reset])
def test_one_that_is_closed_as_the_request_comes_is_replaced_at_once(aws: AwsServer, fault: Answering) -> None:
    calls = Calls(aws, IMPATIENT)
    aws.answers(good(), fault, good(ITEM))
    calls.get()

    assert calls.get() == ITEM

    assert ([request.connection for request in aws.requests], calls.pauses) == ([1, 1, 2], [])


def test_many_that_were_closed_are_replaced_as_they_are_needed(aws: AwsServer) -> None:
    calls, together = Calls(aws, IMPATIENT), threading.Barrier(5)

    def meet(line: Line, request: Request) -> None:
        together.wait(10)
        good()(line, request)

    with ThreadPoolExecutor(5) as threads:
        aws.answers(*[meet] * 5)
        list(threads.map(lambda _: calls.get(), range(5)))
        aws.close_connections()
        aws.answers(*[meet] * 5)
        list(threads.map(lambda _: calls.get(), range(5)))

    assert (aws.connections, len(aws.requests)) == (10, 10)


def test_a_connection_that_has_been_idle_for_long_is_not_used_again(
    aws: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(aws)
    calls.get()
    monkeypatch.setattr(connection, "LONGEST_IDLE_SECONDS", 0.0)
    calls.get()
    assert [request.connection for request in aws.requests] == [1, 2]


def test_after_silence_no_other_kept_connection_is_tried(aws: AwsServer) -> None:
    calls, together = Calls(aws, QUICK), threading.Barrier(3)

    def meet(line: Line, request: Request) -> None:
        together.wait(10)
        good()(line, request)

    aws.answers(meet, meet, meet)
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda _: calls.get(), range(3)))
    aws.answers(silent, good(ITEM))

    assert calls.get() == ITEM

    assert (aws.requests[-1].connection, len(aws.requests)) == (4, 5)


PROCESS = """
import sys
from task_service.adapters.aws.credentials import Credentials
from task_service.adapters.aws.wire import connect

client = connect("sqs", credentials=Credentials())
for line in sys.stdin:
    print(client.call("SendMessage", QueueUrl="q", MessageBody=line.strip()), flush=True)
"""


class Process:
    """A process with a client, which sends a message for every line and can be frozen, as Lambda does."""

    def __init__(self, aws: AwsServer) -> None:
        environment = {**aws.environment, "PYTHONPATH": "layers/core", "PATH": os.environ["PATH"]}
        command = [sys.executable, "-c", PROCESS]
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin and self._process.stdout
        self._in, self._out = self._process.stdin, self._process.stdout

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, message: str) -> None:
        """Have it send a message."""
        print(message, file=self._in, flush=True)

    def answer(self) -> str:
        """What the service answered."""
        return self._out.readline().strip()

    def freeze(self) -> None:
        """Stop it; returns once it has stopped."""
        os.kill(self._process.pid, signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self._process.pid, signal.SIGCONT)


def test_a_process_that_was_frozen_sends_each_message_once(aws: AwsServer) -> None:
    with Process(aws) as process:
        process.ask("1")
        assert process.answer() == "{}"
        process.freeze()
        aws.close_connections()
        process.ask("2")
        process.thaw()
        assert process.answer() == "{}"
        process.freeze()
        process.thaw()
        process.ask("3")
        assert process.answer() == "{}"

    assert [request.parameters["MessageBody"] for request in aws.requests] == ["1", "2", "3"]
    assert [request.connection for request in aws.requests] == [1, 2, 2]


def test_a_process_that_is_frozen_as_its_request_is_answered_reads_the_answer_later(aws: AwsServer) -> None:
    frozen = threading.Event()

    def answer_the_frozen(line: Line, request: Request) -> None:
        assert frozen.wait(10)
        good({"MessageId": "a"})(line, request)
        line.close()

    aws.answers(answer_the_frozen)
    with Process(aws) as process:
        process.ask("1")
        aws.wait_for(1)
        process.freeze()
        frozen.set()
        process.thaw()
        assert process.answer() == "{'MessageId': 'a'}"
        process.ask("2")
        assert process.answer() == "{}"

    assert [request.parameters["MessageBody"] for request in aws.requests] == ["1", "2"]


def test_a_process_that_loses_its_answer_while_it_is_frozen_asks_again(aws: AwsServer) -> None:
    frozen = threading.Event()

    def reset_the_frozen(line: Line, request: Request) -> None:
        assert frozen.wait(10)
        line.reset()

    aws.answers(reset_the_frozen, good({"MessageId": "a"}))
    with Process(aws) as process:
        process.ask("1")
        aws.wait_for(1)
        process.freeze()
        frozen.set()
        process.thaw()
        assert process.answer() == "{'MessageId': 'a'}"

    # Twice: a message may come twice, the executor claims its task once.
    assert [request.parameters["MessageBody"] for request in aws.requests] == ["1", "1"]


# -- credentials and clocks


def test_expired_credentials_are_renewed_once(aws: AwsServer) -> None:
    calls = Calls(aws, IMPATIENT)
    calls.get()
    aws.expired = {"token"}
    calls.environment["AWS_SESSION_TOKEN"] = "new"

    calls.get()
    calls.get()

    assert [request.headers["X-Amz-Security-Token"] for request in aws.requests] == ["token", "token", "new", "new"]


def test_credentials_that_are_still_expired_are_not_available(aws: AwsServer) -> None:
    calls = Calls(aws)
    aws.expired = {"token"}
    with pytest.raises(Unavailable, match=r"^dynamodb: ExpiredTokenException$"):
        calls.get()
    assert len(aws.requests) == 2


@pytest.mark.parametrize("offset", [-3_600, 3_600, 86_400 * 400])
def test_a_clock_that_is_wrong_is_corrected_once(aws: AwsServer, offset: float) -> None:
    calls = Calls(aws, IMPATIENT)
    aws.clock_offset = offset
    calls.get()
    calls.get()
    assert len(aws.requests) == 3

    aws.clock_offset = 0
    calls.get()
    assert len(aws.requests) == 5, "and again when it has been put right"


def test_a_service_whose_time_is_never_right_is_not_available(aws: AwsServer) -> None:
    def never(line: Line, request: Request) -> None:
        aws.clock_offset += 1_000
        refused("InvalidSignatureException")(line, request)

    aws.answers(*[never] * 5)
    with pytest.raises(Unavailable, match="InvalidSignatureException"):
        Calls(aws).get()
    assert len(aws.requests) == 2


@pytest.mark.parametrize(
    "date",
    [
        "yesterday",
        "",
        "Thu, 99 Foo 2026 00:00:00 GMT",
        "Tue, 01 Jan 1600 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2300",
        "Thu, 26 Nov 2026 00:00:00 +99999999999999",
    ],
)
def test_a_date_that_is_none_corrects_nothing(aws: AwsServer, date: str) -> None:
    aws.answers(raw(400, b'{"__type": "InvalidSignatureException"}', Date=date))
    with pytest.raises(Unavailable, match="InvalidSignatureException"):
        Calls(aws).get()
    assert len(aws.requests) == 1


def test_a_signature_that_is_wrong_for_another_reason_is_not_repeated(aws: AwsServer) -> None:
    aws.answers(refused("InvalidSignatureException"))
    with pytest.raises(Unavailable, match="InvalidSignatureException"):
        Calls(aws).get()
    assert len(aws.requests) == 1


def test_nothing_secret_is_said(aws: AwsServer) -> None:
    calls = Calls(aws)
    aws.answers(refused("AccessDeniedException", message="hidden"))
    with pytest.raises(Unavailable) as refusal:
        calls.client.call("PutItem", Item="payload")
    said = repr((refusal.value, refusal.value.__cause__, calls.client, calls.client.credentials))
    assert not {"hidden", "payload", "token", "secret"} & set(said.replace("'", " ").replace(":", " ").split())


def test_a_client_that_is_dropped_closes_its_connections(aws: AwsServer) -> None:
    calls = Calls(aws)
    calls.get()
    client: WireClient | None = calls.client
    del calls, client
    # An unclosed socket would be a warning, which fails the test.


def test_every_operation_that_the_adapters_call_is_known_to_bear_repeating() -> None:
    from task_service.adapters.aws import wire

    called = {
        part.split('"')[1]
        for path in Path(wire.__file__).parent.rglob("*.py")
        for part in path.read_text().split(".call(")[1:]
        if part.lstrip().startswith('"')
    }
    said = str(wire.__doc__).split("Not here")[0]
    assert len(called) == 12
    assert {operation for operation in called if operation not in said} == set()
