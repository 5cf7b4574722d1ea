"""Secrets in Secrets Manager, or in the Parameter Store of Systems Manager."""

from collections.abc import Callable
from typing import Any, Final

from task_service.adapters.aws import client as aws
from task_service.domain.errors import Unavailable

ClientOf = Callable[[str], Any]
"""Makes the client of an AWS service."""


class AwsSecret:
    """A secret. The first call reads it; it is then kept until `forget`."""

    def __init__(self, store: str, name: str, client: ClientOf) -> None:
        """`store` is secretsmanager or ssm."""
        self._read = _READERS[store]
        self._store = store
        self._name = name
        self._client = client
        self._value: str | None = None

    def __call__(self) -> str:
        """The secret. Raises Unavailable."""
        if self._value is None:
            self._value = self._read(self._client(self._store), self._name)
        return self._value

    def forget(self) -> None:
        """Read the secret again at the next call, because it may have changed."""
        self._value = None


def _from_secrets_manager(client: Any, name: str) -> str:
    answer = aws.request(client.get_secret_value, SecretId=name)
    if "SecretString" not in answer:
        raise Unavailable("secretsmanager: the secret is no text")
    return str(answer["SecretString"])


def _from_parameter_store(client: Any, name: str) -> str:
    return str(aws.request(client.get_parameter, Name=name, WithDecryption=True)["Parameter"]["Value"])


_READERS: Final[dict[str, Callable[[Any, str], str]]] = {
    "secretsmanager": _from_secrets_manager,
    "ssm": _from_parameter_store,
}
