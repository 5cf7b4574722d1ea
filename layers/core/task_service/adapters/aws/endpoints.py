"""The region, and the addresses at which AWS's services answer.

They are those of botocore's endpoint rules, with two exceptions: DynamoDB's addresses with an account's number in them
are not used, and an endpoint is read from the environment only, not from a profile.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_PARTITIONS: Final = {
    "cn-": ("amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    "eu-isoe-": ("cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    "eusc-": ("amazonaws.eu", "api.amazonwebservices.eu"),
    "us-iso-": ("c2s.ic.gov", "api.aws.ic.gov"),
    "us-isob-": ("sc2s.sgov.gov", "api.aws.scloud"),
    "us-isof-": ("csp.hci.ic.gov", "api.aws.hci.ic.gov"),
}
"""How the regions of a partition begin, and how its host names end: with IPv4 only, and with IPv6 too."""
_AWS: Final = ("amazonaws.com", "api.aws")
"""The same for all other regions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where a service answers."""

    is_secure: bool
    host: str
    port: int
    authority: str
    """The Host header."""
    path: str

    @classmethod
    def from_url(cls, url: str) -> "Endpoint":
        """The endpoint of an HTTP address. Raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no endpoint, http://host… or https://host… is expected")
        standard = 443 if parts.scheme == "https" else 80
        port = parts.port or standard
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(
            is_secure=parts.scheme == "https",
            host=parts.hostname,
            port=port,
            authority=host if port == standard else f"{host}:{port}",
            path=parts.path or "/",
        )


def find_endpoint(service: str, region: str, environment: Mapping[str, str]) -> Endpoint:
    """The endpoint of a service: the environment's own, else AWS's in that region. Raises ValueError."""
    fips, dual = _switch(environment, "AWS_USE_FIPS_ENDPOINT"), _switch(environment, "AWS_USE_DUALSTACK_ENDPOINT")
    url = None
    if not _switch(environment, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        url = environment.get(f"AWS_ENDPOINT_URL_{service.upper()}") or environment.get("AWS_ENDPOINT_URL")
    if not url:
        return Endpoint.from_url(f"https://{_host(service, region, fips=fips, dual=dual)}")
    if fips or dual:
        raise ValueError("AWS_ENDPOINT_URL and AWS_USE_FIPS_ENDPOINT or AWS_USE_DUALSTACK_ENDPOINT exclude each other")
    return Endpoint.from_url(url)


def find_region(environment: Mapping[str, str]) -> str:
    """The region of the environment, as Lambda sets it, else that of the profile. Raises ValueError."""
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if not region:
        # 100 ms of import, which Lambda never needs.
        import botocore.session

        region = botocore.session.get_session().get_config_variable("region")
    if not region:
        raise ValueError("AWS_REGION is not set")
    return str(region)


def _host(service: str, region: str, *, fips: bool, dual: bool) -> str:
    suffixes = next((found for begin, found in _PARTITIONS.items() if region.startswith(begin)), _AWS)
    # The usual endpoints of GovCloud have FIPS.
    if fips and (dual or not region.startswith("us-gov-")):
        service = f"{service}-fips"
    return f"{service}.{region}.{suffixes[dual]}"


def _switch(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").lower() == "true"
