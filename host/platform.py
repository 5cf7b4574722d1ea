"""The platform of this process, made before its threads start."""

from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from host.settings import SettingsError
from task_service.adapters.postgres.migrate import check_schema, migrate
from task_service.domain.errors import Unavailable
from task_service.wiring.postgres import PostgresPlatform
from task_service.wiring.services import services

_ADDRESSES: Final = ("DATABASE_URL", "LISTEN_DATABASE_URL")


def platform() -> PostgresPlatform:
    """The ports of this process. Raises SettingsError."""
    made = services().platform
    if not isinstance(made, PostgresPlatform):
        raise SettingsError("DATABASE_URL is not set: postgresql://user@server/database is expected")
    for name, database in zip(_ADDRESSES, (made.database, made.listening), strict=True):
        if database is not None:
            _check_address(name, str(database.conninfo))
    # Each is made when it is first used; two threads must not make two of what has threads or connections itself.
    for each in (made.clock, made.notifier, made.listener, made.queue, made.task_reader):
        assert each is not None
    return made


def check_connection(platform: PostgresPlatform) -> None:
    """Return where the database lets this host in. Raises SettingsError with what libpq says, which has no password."""
    try:
        with platform.database.connect() as connection:
            encoding = connection.info.parameter_status("server_encoding")
    except psycopg.Error as error:
        said = str(error).strip().splitlines() or ["no reason is given"]
        raise SettingsError(f"the database of DATABASE_URL cannot be used: {said[0].strip()}") from error
    if encoding != "UTF8":
        # Others cannot hold every character, or do not know what one is.
        raise SettingsError(f"the database of DATABASE_URL has the encoding {encoding}; UTF8 is expected")


def migrated(platform: PostgresPlatform) -> list[str]:
    """Bring the schema up to date; returns the names of what was missing. Raises SettingsError and Unavailable."""
    check_connection(platform)
    try:
        return migrate(platform.database)
    except Unavailable as error:
        _check_rights(error)
        raise


def check_database(platform: PostgresPlatform) -> None:
    """Return where the database lets this host in and has the schema of this release. Raises SettingsError."""
    check_connection(platform)
    try:
        check_schema(platform.database)
    except Unavailable as error:
        _check_rights(error)
        raise SettingsError(
            f"the database of DATABASE_URL lacks the schema of this release; `python -m host migrate` does it ({error})"
        ) from error


def _check_rights(failure: Unavailable) -> None:
    """Return where a failure has another reason than a role that may not do what it has to. Raises SettingsError."""
    if isinstance(failure.__cause__, psycopg.errors.InsufficientPrivilege):
        said = failure.__cause__.diag.message_primary
        raise SettingsError(f"the role of DATABASE_URL lacks a right: {said}") from failure


def _check_address(name: str, address: str) -> None:
    try:
        given = conninfo_to_dict(address)
    except psycopg.ProgrammingError:
        # Not the text: it can have a password in it.
        raise SettingsError(f"{name} is not understood: postgresql://user@server/database is expected") from None
    # libpq ends a password at its first / or @, takes the rest for a server, and names that when it does not find it.
    servers = str(given.get("host", "")).split(",")
    ports = str(given.get("port", "")).split(",")
    # An @ at the beginning is that of an abstract socket.
    if any("@" in server[1:] for server in servers) or not all(port.isdecimal() for port in ports if port):
        raise SettingsError(
            f"{name} has no server that can be: in a password, every character but letters, digits and -._~ "
            "is written as % and two hexadecimal digits"
        )
