"""What a call of DynamoDB costs in CPU time: with the client of the functions, and with botocore's.

python -m tests.bench.calls
"""

import json
import statistics
import subprocess
import sys
from typing import Final

from tests.bench.handlers import environment, stub
from tests.bench.table import Row, render

ROUNDS: Final = 7
CALLS: Final = 500

OURS: Final = """
from task_service.adapters.aws.credentials import Credentials
from task_service.adapters.aws.wire import connect
client = connect("dynamodb", credentials=Credentials())
def call(): client.call("GetItem", TableName="t", Key={"pk": {"S": "a"}}, ConsistentRead=True)
"""

BOTOCORES: Final = """
import botocore.session
from botocore.config import Config
config = Config(parameter_validation=False, user_agent="task-service")
client = botocore.session.get_session().create_client("dynamodb", config=config)
def call(): client.get_item(TableName="t", Key={"pk": {"S": "a"}}, ConsistentRead=True)
"""

MEASURE: Final = """
import time
start = time.process_time()
{client}
call()
first = time.process_time()
for _ in range({calls}): call()
print([(first - start) * 1000, (time.process_time() - first) * 1000 / {calls}])
"""


def rows() -> list[Row]:
    """The figures."""
    times: dict[str, list[tuple[float, float]]] = {OURS: [], BOTOCORES: []}
    with stub() as url:
        # Round by round, so that a busy moment of the machine meets both alike.
        for _ in range(ROUNDS):
            for client, found in times.items():
                command = [sys.executable, "-c", MEASURE.format(client=client, calls=CALLS)]
                done = subprocess.run(command, env=environment(url), stdout=subprocess.PIPE, text=True, check=True)
                first, each = json.loads(done.stdout)
                found.append((first, each))
    (first, each), (first_of_botocore, each_of_botocore) = (
        [statistics.median(column) for column in zip(*found, strict=True)] for found in times.values()
    )
    return [
        Row("CPU of a call", f"{each:.2f} ms", f"botocore: {each_of_botocore:.2f} ms"),
        Row("CPU of import and first call", f"{first:.0f} ms", f"botocore: {first_of_botocore:.0f} ms"),
    ]


if __name__ == "__main__":
    print(render("Calls", rows()))
