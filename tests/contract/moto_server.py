"""AWS as moto knows it: a server in a thread of this process, with tables and a bucket as template.yaml has them.

It starts in a second and knows AWS independently of MiniStack. Its conditional writes are not atomic: threads read,
compare and write without a lock, so tests of races do not run on it (`conftest.ATOMIC`).
"""

import logging
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

from moto.server import ThreadedMotoServer

from local.aws import Endpoint
from local.ports import HOST
from local.template import TABLE, Template

TEMPLATE: Final = Path(__file__).resolve().parents[2] / "template.yaml"


class MotoServer:
    """moto's server on a free port; a context manager."""

    bucket: Final = "bucket"

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(ip_address=HOST, port=0, verbose=False)
        self._table = table_definition()

    def __enter__(self) -> Self:
        # A line for every request would bury what a failed test says.
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.endpoint = Endpoint(url=f"http://{host}:{port}")
        self._dynamodb = self.endpoint.client("dynamodb")
        region = {"LocationConstraint": self.endpoint.region}
        self.endpoint.client("s3").create_bucket(Bucket=self.bucket, CreateBucketConfiguration=region)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()

    def create_table(self) -> str:
        """The name of a new, empty table."""
        name = f"table-{uuid4().hex}"
        self._dynamodb.create_table(TableName=name, **self._table)
        return name


def table_definition() -> dict[str, Any]:
    """The keys and indexes of the table in template.yaml, as parameters of CreateTable."""
    [(_, properties)] = Template.read(TEMPLATE).resources(TABLE)
    names = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    return {name: properties[name] for name in names}
