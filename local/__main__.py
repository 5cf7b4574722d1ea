"""The local cloud at the terminal.

    python -m local run       start it, with template.yaml deployed, until Ctrl-C
    python -m local deploy    deploy template.yaml into the running local cloud, or into what AWS_ENDPOINT_URL names
    python -m local serve     start the service as own servers run it, on PostgreSQL, until Ctrl-C
    python -m local sam-local write what `sam local` needs to run the built functions on the running local cloud

TASK_PORT, CLOUD_PORT, TARGET_PORT, NATS_PORT and BRIDGE_PORT choose the ports; LISTEN_HOST is a second address at which
the AWS services and the demo target answer, for containers. Any other setting of the service
(LOG_LEVEL, ...) overrides the template's parameter of that name; NATS_SUBJECT is the bridge's, OAUTH_CLIENT_SECRET goes
into the cloud's Secrets Manager.

`serve` takes TASK_PORT, METRICS_PORT, TARGET_PORT, NATS_PORT, BRIDGE_PORT, and each setting of own servers by its name;
DATABASE_URL names a server to use instead of one of its own.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from botocore.exceptions import BotoCoreError, ClientError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from local.aws import Endpoint
from local.client import answers
from local.cloud import LocalCloud
from local.deployment import deploy, prepare
from local.environment import PROJECT
from local.errors import LocalCloudError
from local.own_server import OwnServer
from local.ports import HOST, Ports, parse_host
from local.sam_local import FROM_CONTAINERS, prepare_sam_local
from local.service import LocalService

CHECK_SECONDS = 0.5
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stop(BaseException):
    """The program is asked to end."""


def main() -> int:
    """Run the command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m local", description="The local cloud.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, does, meaning in (
        ("run", run, "start it, deploy template.yaml, serve until Ctrl-C"),
        ("deploy", deploy_once, "template.yaml into the running cloud, or what AWS_ENDPOINT_URL names"),
        ("serve", serve, "start it as own servers run it, on PostgreSQL, until Ctrl-C"),
        ("sam-local", write_for_sam, "write what `sam local` needs to run the functions on the running cloud"),
    ):
        commands.add_parser(name, help=meaning).set_defaults(does=does)
    command = parser.parse_args().does
    for number in STOPPING:
        signal.signal(number, _stop)
    try:
        command()
    except (LocalCloudError, BotoCoreError, ClientError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except _Stop:
        print("\nStopped.")
        return 0 if command in (run, serve) else 130
    return 0


def run() -> None:
    """Serve until stopped."""
    begun = time.monotonic()
    cloud = LocalCloud(ports=Ports.from_environment(os.environ), listen_host=_listen_host(), settings=os.environ)
    try:
        cloud.start()
        print("Starting the local cloud; the first time, this builds the layer ...", flush=True)
        cloud.load()
        print(_ready(cloud, time.monotonic() - begun), flush=True)
        _supervise(cloud)
    finally:
        cloud.stop()


def serve() -> None:
    """Serve on PostgreSQL until stopped."""
    begun = time.monotonic()
    server = OwnServer(ports=Ports.from_environment(os.environ), settings=os.environ)
    try:
        print("Starting PostgreSQL and the host ...", flush=True)
        server.start()
        server.load()
        print(_ready(server, time.monotonic() - begun), flush=True)
        _supervise(server)
    finally:
        server.stop()


def _supervise(service: LocalService) -> NoReturn:
    while True:
        for line in service.supervise():
            print(line, flush=True)
        time.sleep(CHECK_SECONDS)


def deploy_once() -> None:
    """Deploy, and say where the API is."""
    named = os.environ.get("AWS_ENDPOINT_URL")
    ports = Ports.from_environment(os.environ)
    endpoint = Endpoint.from_environment(named) if named else Endpoint(url=f"http://{HOST}:{ports.cloud}")
    # MiniStack has it too.
    if not answers(f"{endpoint.url}/_localstack/health"):
        raise LocalCloudError(
            f"no cloud answers at {endpoint.url}: `make run` starts one, AWS_ENDPOINT_URL names another"
        )
    directory = PROJECT / ".local"
    directory.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="task-service-") as temporary:
        prepared = prepare(log=directory / "build.log", temporary=Path(temporary))
        deployed = deploy(endpoint, prepared, os.environ)
    print(f"Deployed. The API: {deployed.gateway_url}")
    if not named:
        print(f"As before, also:   http://{HOST}:{ports.task}")


def write_for_sam() -> None:
    """Write what `sam local` needs, and say how to use it."""
    ports = Ports.from_environment(os.environ)
    endpoint = Endpoint(url=f"http://{HOST}:{ports.cloud}")
    if not answers(f"{endpoint.url}/_localstack/health"):
        raise LocalCloudError(f"no local cloud answers at {endpoint.url}: `make run` starts one")
    folder = prepare_sam_local(endpoint, ports=ports, host=_listen_host() or FROM_CONTAINERS)
    print(f"""Written. Now, in {os.path.relpath(folder)}:

  sam local invoke ApiFunction -n env.json -e events/api-create-task.json
  sam local start-api -n env.json""")


def _ready(service: LocalCloud | OwnServer, seconds: float) -> str:
    if isinstance(service, LocalCloud):
        platform, log = "", service.functions_log
        data, metrics = {"AWS services": service.endpoint_url}, {}
        again = f"{_with_ports('CLOUD_PORT', 'TASK_PORT')}make deploy"
        ending = f"What you edit takes effect with `{again}`. Ctrl-C stops it."
    else:
        platform, log = ", on PostgreSQL", service.host_log
        data, metrics = {"database": _without_password(service.database_url)}, {"metrics": service.metrics_url}
        ending = "Ctrl-C stops it. What was created is there when it starts again; `make clean` removes it."
    addresses = {
        "API": service.api_url,
        "status page": f"{service.api_url}/status/",
        "Swagger UI": f"{service.api_url}/swagger-ui/",
        **data,
        "demo target": service.target_url,
        "NATS server": service.nats_url,
        "bridge": f"{service.bridge_url}/health",
        **metrics,
        "functions' logs": os.path.relpath(log),
    }
    lines = "\n".join(f"  {name:<18}{address}" for name, address in addresses.items())
    token = ' -H "Authorization: Bearer $TOKEN"' if service.wants_tokens else ""
    return f"""
The task service is ready after {seconds:.1f} s{platform}.

{lines}

Try it:

  curl{token} -d '{{"greeting": "hello"}}' {service.api_url}/v1/task/hello
  curl{token} {service.api_url}/v1/taskResult/<the taskID of the answer>
  {_with_ports("NATS_PORT")}make publish KEY=did:web:example.com,Login,Administration

or in a browser, with "Try it out" of POST /v1/task/{{taskName}}: {service.api_url}/swagger-ui/

{ending}"""


def _without_password(url: str) -> str:
    known = conninfo_to_dict(url)
    known.pop("password", None)
    return make_conninfo("", **known)


def _with_ports(*variables: str) -> str:
    """The settings with which another shell finds these ports, where they are not the usual ones."""
    return "".join(f"{name}={value} " for name in variables if (value := os.environ.get(name)))


def _listen_host() -> str | None:
    named = os.environ.get("LISTEN_HOST")
    return parse_host(named, "LISTEN_HOST") if named else None


def _stop(number: int, frame: FrameType | None) -> None:
    """Ask once; while the program cleans up, asking again changes nothing."""
    for each in STOPPING:
        signal.signal(each, signal.SIG_IGN)
    raise _Stop


if __name__ == "__main__":
    sys.exit(main())
