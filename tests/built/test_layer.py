"""The built layer, without a function: what it holds, and that what was cut away is not missed."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.runtime import RUNNING, Build

# Makes the clients as the functions do, and answers the requests of botocore's itself.
ASK_EVERY_CLIENT = """
import json
from botocore.awsrequest import AWSResponse
from task_service.adapters.aws import client as aws
from task_service.adapters.aws.credentials import Credentials
from task_service.adapters.aws.wire import connect

BODY = {"s3": b"", "secretsmanager": b"{}", "ssm": b"{}"}
CALLS = {
    "s3": ("put_object", {"Bucket": "b", "Key": "k", "Body": b"x"}),
    "secretsmanager": ("get_secret_value", {"SecretId": "s"}),
    "ssm": ("get_parameter", {"Name": "p", "WithDecryption": True}),
}
credentials = Credentials()
wired = {service: connect(service, credentials=credentials).endpoint for service in ("dynamodb", "sqs")}
asked = {service: f"https://{endpoint.authority}{endpoint.path}" for service, endpoint in wired.items()}
session = aws.session()
for service, (operation, parameters) in CALLS.items():
    client = aws.client(session, service)

    def answer(request, service=service, **_):
        asked[service] = request.url
        return AWSResponse(request.url, 200, {}, type("Raw", (), {"stream": lambda self: [BODY[service]]})())

    client.meta.events.register("before-send.*", answer)
    getattr(client, operation)(**parameters)
print(json.dumps(asked))
"""


def test_every_module_is_compiled_for_the_runtime_only(build: Build) -> None:
    python = build.layer / "python"
    tag = f"cpython-{RUNNING.replace('.', '')}"

    modules = {path.relative_to(python) for path in python.rglob("*.py")}
    compiled = {path.relative_to(python) for path in python.rglob("*.pyc")}

    assert compiled == {path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc" for path in modules}


def test_no_other_service_of_aws_takes_room(build: Build) -> None:
    data = build.layer / "python" / "botocore" / "data"

    assert {path.name for path in data.iterdir() if path.is_dir()} == {"s3", "secretsmanager", "ssm"}


@pytest.mark.parametrize(
    ("region", "suffix"),
    [("eu-central-1", "amazonaws.com"), ("us-gov-west-1", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn")],
)
def test_clients_find_the_services_of_aws(build: Build, region: str, suffix: str) -> None:
    # The local cloud cannot show this: its address is given, AWS's come from endpoint rules.
    asked = subprocess.run(
        [f"{sys.base_prefix}/bin/python{RUNNING}", "-S", "-c", ASK_EVERY_CLIENT],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(build.layer / "python"),
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout) == {
        "dynamodb": f"https://dynamodb.{region}.{suffix}/",
        "sqs": f"https://sqs.{region}.{suffix}/",
        "s3": f"https://s3.{region}.{suffix}/b/k",
        "secretsmanager": f"https://secretsmanager.{region}.{suffix}/",
        "ssm": f"https://ssm.{region}.{suffix}/",
    }


VERIFY_TOKENS = """
import json, time
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from datetime import UTC, datetime, timedelta
from jwt.algorithms import get_default_algorithms
from task_service.adapters.identity.jwks import Jwks
from task_service.adapters.identity.jwt import JwtVerifier

KEYS = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
public = [get_default_algorithms()[a].to_jwk(k.public_key(), as_dict=True) | {"kid": a} for a, k in KEYS.items()]
clock = lambda: datetime.now(UTC)
keys = Jwks(lambda: json.dumps({"keys": public}).encode(), interval=timedelta(hours=1), clock=clock)
tokens = JwtVerifier(keys=keys, audience="", issuer="", clock=clock)
for algorithm, key in KEYS.items():
    claims = {"exp": time.time() + 60, "scope": algorithm}
    print(*tokens.verify(jwt.encode(claims, key, algorithm=algorithm, headers={"kid": algorithm})).scopes)
"""


def test_tokens_are_verified_with_what_the_layer_brings(build: Build) -> None:
    done = subprocess.run(
        [f"{sys.base_prefix}/bin/python{RUNNING}", "-S", "-c", VERIFY_TOKENS],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(build.layer / "python")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout.split(), done.stderr) == (["RS256", "ES256", "EdDSA"], "")
