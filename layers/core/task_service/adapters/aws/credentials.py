"""The credentials with which requests are signed."""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from task_service.domain.errors import Unavailable


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Keys:
    """An access key, its secret, and the session token of temporary ones. Raises Unavailable if they are no text."""

    access_key: str
    secret_key: str
    token: str | None = None

    def __post_init__(self) -> None:
        # They become header lines.
        if not all(text.isascii() and text.isprintable() for text in (self.access_key, self.token or "")):
            raise Unavailable("aws: the credentials are not printable ASCII")


Source = Callable[[], Keys]
"""Gives the keys that are valid now. Raises Unavailable."""


def find_with_botocore() -> Source:
    """The credentials that botocore finds; it replaces them some minutes before they expire. Raises Unavailable."""
    # 100 ms of import, which Lambda never needs.
    import botocore.session
    from botocore.exceptions import BotoCoreError

    def keys() -> Keys:
        try:
            found = credentials and credentials.get_frozen_credentials()
        except BotoCoreError as error:
            raise Unavailable(f"aws: no credentials, {type(error).__name__}") from error
        if not found or not found.access_key or not found.secret_key:
            raise Unavailable("aws: no credentials")
        return Keys(access_key=found.access_key, secret_key=found.secret_key, token=found.token)

    try:
        credentials = botocore.session.get_session().get_credentials()
    except BotoCoreError as error:
        raise Unavailable(f"aws: no credentials, {type(error).__name__}") from error
    return keys


@dataclass(kw_only=True, eq=False, repr=False)
class Credentials:
    """The credentials of this process, shared by its threads.

    Lambda puts them into the environment. Where they are not there, botocore looks for profiles, for the roles of
    containers and instances, and for web identities.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    find: Callable[[], Source] = find_with_botocore
    _source: Source | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def current(self) -> Keys:
        """The keys that are valid now. Raises Unavailable."""
        source = self._source
        if source is None:
            with self._lock:
                source = self._source = self._source or self._from_environment() or self.find()
        return source()

    def renew(self, refused: Keys) -> None:
        """Look for the credentials anew, unless another thread has done so since AWS refused these. Raises Unavailable.

        Those of the environment may be others by now; those of a role are fetched again.
        """
        with self._lock:
            if self._source is not None and self._source() == refused:
                self._source = None

    def _from_environment(self) -> Source | None:
        access_key, secret_key, token = (
            self.environment.get(f"AWS_{name}") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
        )
        if not access_key or not secret_key:
            return None
        keys = Keys(access_key=access_key, secret_key=secret_key, token=token or None)
        return lambda: keys
