"""template.yaml deployed into the cloud that answers at an endpoint, MiniStack and LocalStack alike."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from local.artifacts import RUNNING, Artifact, make_artifact
from local.aws import Endpoint
from local.environment import PROJECT
from local.errors import LocalCloudError
from local.gaps import fill_gaps
from local.stack import Stack
from local.template import Template, given_settings, setting_name
from local.warmup import warm_up

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef
    from mypy_boto3_s3 import S3Client

BUCKET = "task-service-deployments"
SECRET_NAME = "task-service/oauth-client-secret"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A template and its artifacts, by their folders."""

    template: Template
    artifacts: Mapping[Path, Artifact]


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A stack that is ready."""

    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    gateway_url: str
    """The API, as both emulators serve it."""


def prepare(*, log: Path, temporary: Path) -> Prepared:
    """Read the project's template and build what it is made of, which needs no cloud."""
    template = Template.read(PROJECT / "template.yaml")
    artifacts = {
        folder: make_artifact(kind, folder, log=log, temporary=temporary) for kind, folder in template.folders()
    }
    return Prepared(template=template, artifacts=artifacts)


def deploy(endpoint: Endpoint, prepared: Prepared, settings: Mapping[str, str]) -> Deployed:
    """Upload, create or update the stack, set what emulators leave out of it, and start the functions."""
    template = prepared.template
    bucket = _Bucket(endpoint)
    uploaded = {folder: bucket.upload(artifact) for folder, artifact in prepared.artifacts.items()}
    stack = Stack(endpoint)
    stack.remove_stillborn()
    parameters = _parameters(template, stack, _keep_secret(endpoint, settings))
    stack.apply(bucket.write("template.json", template.to_json(uploaded).encode()), parameters)
    fill_gaps(endpoint, stack, template)
    outputs = stack.outputs()
    gateway_url = endpoint.url + gateway_path(outputs)
    warm_up(endpoint, stack, template, gateway_url)
    return Deployed(outputs=outputs, parameters=stack.parameters(), gateway_url=gateway_url)


def gateway_path(outputs: Mapping[str, str]) -> str:
    """The path under which an emulator serves the API of a stack with these outputs."""
    return f"/_aws/execute-api/{outputs['ApiId']}/{outputs['StageName']}"


def _local_defaults(template: Template) -> dict[str, str]:
    """The parameters whose default fits AWS but not this machine."""
    # The layer is built for this interpreter. MiniStack runs functions with it whatever the runtime is, so it may be
    # one that the template does not allow.
    runtime = f"python{RUNNING}"
    is_allowed = runtime in template.parameters["PythonRuntime"]["AllowedValues"]
    return {
        **({"PythonRuntime": runtime} if is_allowed else {}),
        "Architecture": "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64",
        "TemplateWrites": "on",
        # Every batch that runs at the same time is a process here.
        "MaximumConcurrency": "4",
        # The demo target is here, and so are the targets that a developer starts.
        "EgressAllow": "127.0.0.0/8, ::1",
        "EventConcurrency": "2",
    }


def _parameters(template: Template, stack: Stack, settings: Mapping[str, str]) -> "list[ParameterTypeDef]":
    """For each parameter: the setting, else the one an earlier deployment was given, else the default here."""
    earlier = given_settings(stack.template())
    defaults = _local_defaults(template)
    given: list[str] = []
    parameters: list[ParameterTypeDef] = []
    if settings.get("API_TYPE", "REST") != "REST":
        raise LocalCloudError("API_TYPE: the emulators have REST APIs only")
    for name in template.parameters:
        if (value := settings.get(setting_name(name))) is not None:
            given.append(name)
            parameters.append({"ParameterKey": name, "ParameterValue": value})
        elif name in earlier:
            given.append(name)
            parameters.append({"ParameterKey": name, "UsePreviousValue": True})
        elif name in defaults:
            parameters.append({"ParameterKey": name, "ParameterValue": defaults[name]})
    template.remember_given(given)
    return parameters


def _keep_secret(endpoint: Endpoint, settings: Mapping[str, str]) -> Mapping[str, str]:
    """Put OAUTH_CLIENT_SECRET, where it is set, into Secrets Manager; the settings with its name there instead."""
    secret = settings.get("OAUTH_CLIENT_SECRET")
    if not secret:
        return settings
    manager = endpoint.client("secretsmanager")
    try:
        manager.create_secret(Name=SECRET_NAME, SecretString=secret)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceExistsException":
            raise
        manager.put_secret_value(SecretId=SECRET_NAME, SecretString=secret)
    others = {name: value for name, value in settings.items() if name != "OAUTH_CLIENT_SECRET"}
    return {**others, "OAUTH_CLIENT_SECRET_NAME": SECRET_NAME, "OAUTH_CLIENT_SECRET_STORE": "secretsmanager"}


class _Bucket:
    """Where the cloud finds what it is to deploy."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._s3: S3Client = endpoint.client("s3")
        try:
            self._s3.head_bucket(Bucket=BUCKET)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            # S3 refuses the name of its own default.
            is_default = endpoint.region == "us-east-1"
            place = {"CreateBucketConfiguration": {"LocationConstraint": endpoint.region}}
            self._s3.create_bucket(Bucket=BUCKET, **({} if is_default else place))

    def upload(self, artifact: Artifact) -> str:
        """The S3 URI of an artifact that may be there already."""
        found = self._s3.list_objects_v2(Bucket=BUCKET, Prefix=artifact.key)
        if not found["KeyCount"]:
            self.write(artifact.key, artifact.content)
        return f"s3://{BUCKET}/{artifact.key}"

    def write(self, key: str, content: bytes) -> str:
        """The HTTP address of what is now in the bucket."""
        self._s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        return f"{self._endpoint.url}/{BUCKET}/{key}"
