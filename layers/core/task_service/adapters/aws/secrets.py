"""Secrets in Secrets Manager, or in the Parameter Store of Systems Manager."""

from collections.abc import Callable
from typing import Any

from task_service.adapters.aws import client as aws
from task_service.domain.errors import Unavailable

ClientOf = Callable[[str], Any]
"""Makes the client of an AWS service."""


class AwsSecret:
    """A secret. The first call reads it; it is then kept until `forget`."""

    def __init__(self, store: str, name: str, client: ClientOf) -> None:
        """`store` is secretsmanager or ssm."""
        self._store = store
        self._name = name
        self._client = client
        self._value: str | None = None

    def __call__(self) -> str:
        """The secret. Raises Unavailable."""
        if self._value is None:
            self._value = self._read(self._client(self._store))
        return self._value

    def forget(self) -> None:
        """Read the secret again at the next call, because it may have changed."""
        self._value = None

    def _read(self, client: Any) -> str:
        if self._store == "ssm":
            answer = aws.request(client.get_parameter, Name=self._name, WithDecryption=True)
            return str(answer["Parameter"]["Value"])
        answer = aws.request(client.get_secret_value, SecretId=self._name)
        if "SecretString" not in answer:
            raise Unavailable("secretsmanager: the secret is no text")
        return str(answer["SecretString"])
