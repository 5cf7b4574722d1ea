"""The host as a program.

    python -m host serve      the API and its documentation
    python -m host work       executor, events and failures function, and the removal of what has expired
    python -m host all        both
    python -m host migrate    bring the database's schema up to date, then end

Settings are in the environment; DATABASE_URL is the one that is needed. SIGTERM stops it in an orderly way.
"""

import argparse
import logging
import os
import sys
from typing import TYPE_CHECKING, Final

from host import ROOT

if TYPE_CHECKING:
    from host.settings import Settings

KINDS: Final = {"serve": ("api",), "work": ("worker",), "all": ("api", "worker")}


def main() -> int:
    """Run the command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m host", description="The functions on own servers.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="{serve,work,all,migrate}")
    commands.add_parser("serve", help="the API and its documentation")
    commands.add_parser("work", help="what the queues' messages ask for")
    commands.add_parser("all", help="both")
    commands.add_parser("migrate", help="bring the database's schema up to date")
    # Started by the first process, and by workers.
    commands.add_parser("api-process").add_argument("descriptor", type=int)
    commands.add_parser("worker-process")
    commands.add_parser("isolated-process").add_argument("descriptor", type=int)
    arguments = parser.parse_args()
    # The functions' library lies where the layer's build finds it.
    sys.path[:0] = [str(ROOT / "layers" / "core")]
    os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "task")

    from host.settings import Settings, SettingsError
    from task_service.domain.errors import Unavailable

    try:
        _run(arguments, Settings.from_environment(os.environ))
    except (SettingsError, ValueError, KeyError, Unavailable) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1 if isinstance(error, Unavailable) else 2
    return 0


def _run(arguments: argparse.Namespace, settings: "Settings") -> None:
    if arguments.command == "migrate":
        _migrate()
        return
    if arguments.command in KINDS:
        _supervise(settings, KINDS[arguments.command])
        return
    from host import heartbeat, telemetry

    heartbeat.end_with_first()
    telemetry.install()
    # They load the functions, which have to find the metrics of this process.
    if arguments.command == "api-process":
        from host import api

        api.run(settings, arguments.descriptor)
    elif arguments.command == "worker-process":
        from host import worker

        worker.run(settings)
    else:
        from host import isolation

        isolation.run(arguments.descriptor, settings.executor_seconds)


def _migrate() -> None:
    from host.platform import migrated, platform

    ports = platform()
    for name in migrated(ports):
        sys.stdout.write(f"applied {name}\n")
    ports.close()


def _supervise(settings: "Settings", kinds: tuple[str, ...]) -> None:
    from host import operations
    from host.platform import check_database, platform
    from host.supervisor import Supervisor
    from task_service.entrypoints.telemetry import logger

    # Made when it is imported, it writes the log of this process too.
    assert logger.service == os.environ["POWERTOOLS_SERVICE_NAME"]
    ports = platform()
    check_database(ports)
    Supervisor(settings=settings, kinds=kinds).run(lambda: operations.serve(ports, settings))
    ports.close()


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    sys.stdout.flush()
    # Python would wait for threads whose calls of a target have not ended.
    os._exit(code)
