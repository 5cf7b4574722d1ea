"""Where the credentials come from, and when they are fetched again."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from task_service.adapters.aws.credentials import Credentials, Keys, Source
from task_service.domain.errors import Unavailable
from tests.support.serving import Serving

LAMBDA = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}


def keys(number: int) -> Keys:
    return Keys(access_key=f"key-{number}", secret_key="s", token="t")


class Found:
    """Finds other keys each time."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Source:
        self.times += 1
        found = keys(self.times)
        return lambda: found


# -- the environment


def test_those_of_lambda_are_in_the_environment() -> None:
    found = Credentials(environment=LAMBDA).current()
    assert found == Keys(access_key="a", secret_key="s", token="t")


def test_those_of_a_user_have_no_token() -> None:
    environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}
    assert Credentials(environment=environment).current().token is None


def test_refused_ones_are_looked_for_again() -> None:
    environment = dict(LAMBDA)
    credentials = Credentials(environment=environment)
    refused = credentials.current()
    environment["AWS_SESSION_TOKEN"] = "new"

    assert credentials.current() == refused
    credentials.renew(refused)
    assert credentials.current().token == "new"


def test_many_threads_whose_keys_are_refused_fetch_new_ones_once() -> None:
    find = Found()
    credentials = Credentials(environment={}, find=find)
    refused = credentials.current()
    together = threading.Barrier(10)

    def renew(_: int) -> Keys:
        together.wait(10)
        credentials.renew(refused)
        return credentials.current()

    with ThreadPoolExecutor(10) as threads:
        found = list(threads.map(renew, range(10)))

    assert (found, find.times) == ([keys(2)] * 10, 2)


def test_nothing_secret_is_shown() -> None:
    credentials = Credentials(environment={**LAMBDA, "AWS_SECRET_ACCESS_KEY": "hidden", "AWS_SESSION_TOKEN": "hidden"})
    assert "hidden" not in repr((credentials, credentials.current()))


@pytest.mark.parametrize("token", ["a\r\nx-evil: 1", "é", "\0"])
def test_what_is_no_header_line_is_not_sent(token: str) -> None:
    with pytest.raises(Unavailable, match="printable ASCII") as refusal:
        Credentials(environment={**LAMBDA, "AWS_SESSION_TOKEN": token}).current()
    assert token not in str(refusal.value)


def test_botocore_is_only_imported_where_the_environment_has_none() -> None:
    script = """
import sys
from task_service.adapters.aws.credentials import Credentials
from task_service.adapters.aws.wire import connect
credentials = Credentials()
connect("sqs", credentials=credentials)
credentials.current()
print([name for name in sys.modules if name.startswith("botocore")])
"""
    environment = {**LAMBDA, "AWS_REGION": "eu-central-1", "PYTHONPATH": "layers/core"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- what botocore finds


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials anywhere."""
    for name in LAMBDA:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


class Role(Serving):
    """The address at which a container gets the credentials of its role, and a web identity's are exchanged."""

    def __init__(self) -> None:
        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), self._handler()))
        self.asked = 0
        self.lasts = timedelta(hours=1)
        self.is_broken = False

    def document(self) -> dict[str, str]:
        self.asked += 1
        expiration = (datetime.now(UTC) + self.lasts).strftime("%Y-%m-%dT%H:%M:%SZ")
        key = f"key-{self.asked}"
        return {"AccessKeyId": key, "SecretAccessKey": "s", "Token": "t", "Expiration": expiration}

    def _handler(role) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._say(json.dumps(role.document()))

            def do_POST(self) -> None:
                assert b"WebIdentityToken=identity" in self.rfile.read(int(self.headers["Content-Length"]))
                found = role.document()
                found["SessionToken"] = found.pop("Token")
                lines = "".join(f"<{name}>{value}</{name}>" for name, value in found.items())
                name = "AssumeRoleWithWebIdentity"
                self._say(
                    f"<{name}Response><{name}Result><Credentials>{lines}</Credentials>"
                    f"<AssumedRoleUser><Arn>a</Arn><AssumedRoleId>a</AssumedRoleId></AssumedRoleUser>"
                    f"</{name}Result></{name}Response>"
                )

            def _say(self, text: str) -> None:
                self.send_response(403 if role.is_broken else 200)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        return Handler


@pytest.fixture
def role(nothing: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Role]:
    """A container's role."""
    with Role() as role:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", role.url)
        yield role


def test_those_of_a_containers_role_are_fetched_once(role: Role) -> None:
    credentials = Credentials()
    assert [credentials.current(), credentials.current()] == [keys(1)] * 2
    assert role.asked == 1


def test_they_are_replaced_some_minutes_before_they_expire(role: Role) -> None:
    credentials, role.lasts = Credentials(), timedelta(minutes=9)
    assert credentials.current() == keys(2), "botocore looks at them when it has fetched them"
    assert credentials.current() == keys(3)


def test_refused_ones_of_a_role_are_fetched_again(role: Role) -> None:
    credentials = Credentials()
    credentials.renew(credentials.current())
    assert credentials.current() == keys(2)


def test_a_role_that_cannot_be_had_is_not_available(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    role.is_broken = True
    with pytest.raises(Unavailable, match="aws: no credentials, CredentialRetrievalError"):
        Credentials().current()


def test_those_of_a_web_identity_are_exchanged(nothing: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("identity")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/task-service")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with Role() as role:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", role.url)
        assert Credentials().current() == keys(1)


def test_those_of_a_profile_are_read(nothing: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[there]\naws_access_key_id = key-1\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_PROFILE", "there")
    assert Credentials().current() == Keys(access_key="key-1", secret_key="s")


def test_a_profile_that_does_not_exist_is_not_available(nothing: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    with pytest.raises(Unavailable, match="aws: no credentials, ProfileNotFound"):
        Credentials().current()


def test_where_there_are_none_nothing_is_available(nothing: None) -> None:
    with pytest.raises(Unavailable, match="aws: no credentials"):
        Credentials().current()
