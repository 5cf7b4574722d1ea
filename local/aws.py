"""Where the AWS services answer, and clients for them."""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config

DEFAULT_REGION = "eu-central-1"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One address with all services, and who asks them."""

    url: str
    region: str = DEFAULT_REGION
    access_key: str = "test"
    secret_key: str = "test"

    @classmethod
    def from_environment(cls, url: str) -> "Endpoint":
        """The endpoint with the region and keys of the environment; an emulator takes any."""
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
        return cls(
            url=url.rstrip("/"),
            region=region,
            access_key=os.environ.get("AWS_ACCESS_KEY_ID") or "test",
            secret_key=os.environ.get("AWS_SECRET_ACCESS_KEY") or "test",
        )

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a process reaches this endpoint."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }

    def client(self, service: str) -> Any:
        """A boto3 client. Its type is that of the service, which the caller knows."""
        config = Config(
            # Names of buckets in host names would need a name server.
            s3={"addressing_style": "path"},
            # It is on this machine: a server that does not answer is not there, and no proxy leads to it.
            retries={"total_max_attempts": 1},
            proxies={},
        )
        return self._session.client(service, endpoint_url=self.url, config=config)

    @cached_property
    def _session(self) -> Any:
        """One, because it keeps what it has read about the services."""
        return boto3.Session(
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
        )
