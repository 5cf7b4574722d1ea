"""The region and the endpoints: those of botocore, in every region that it knows."""

from pathlib import Path

import botocore.session
import pytest
from botocore.endpoint_provider import EndpointProvider

from task_service.adapters.aws.endpoints import Endpoint, find_endpoint, find_region

SESSION = botocore.session.get_session()
REGIONS = [
    region
    for partition in SESSION.get_available_partitions()
    for region in SESSION.get_available_regions("dynamodb", partition)
]


@pytest.mark.parametrize("service", ["dynamodb", "sqs"])
@pytest.mark.parametrize(("fips", "dual"), [(False, False), (True, False), (False, True), (True, True)])
def test_the_endpoints_are_those_of_botocore(service: str, fips: bool, dual: bool) -> None:
    environment = {"AWS_USE_FIPS_ENDPOINT": str(fips), "AWS_USE_DUALSTACK_ENDPOINT": str(dual).lower()}
    loader = SESSION.get_component("data_loader")
    rules = EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), loader.load_data("partitions"))
    assert len(REGIONS) > 30

    for region in [*REGIONS, "eu-north-9", "us-gov-north-9", "cn-west-9", "us-isof-west-9"]:
        asked = rules.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual).url
        endpoint = find_endpoint(service, region, environment)
        assert (f"https://{endpoint.authority}", endpoint.port) == (asked, 443)


@pytest.mark.parametrize(
    ("environment", "dynamodb", "sqs"),
    [
        ({"AWS_ENDPOINT_URL": "http://a:1"}, "a:1", "a:1"),
        ({"AWS_ENDPOINT_URL": "http://a:1", "AWS_ENDPOINT_URL_SQS": "http://b"}, "a:1", "b"),
        ({"AWS_ENDPOINT_URL_DYNAMODB": "https://b:443"}, "b", "sqs.eu-west-1.amazonaws.com"),
        (
            {"AWS_ENDPOINT_URL": "http://a:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "dynamodb.eu-west-1.amazonaws.com",
            "sqs.eu-west-1.amazonaws.com",
        ),
        ({"AWS_ENDPOINT_URL": ""}, "dynamodb.eu-west-1.amazonaws.com", "sqs.eu-west-1.amazonaws.com"),
    ],
)
def test_the_environment_names_other_endpoints(environment: dict[str, str], dynamodb: str, sqs: str) -> None:
    assert find_endpoint("dynamodb", "eu-west-1", environment).authority == dynamodb
    assert find_endpoint("sqs", "eu-west-1", environment).authority == sqs


def test_an_endpoint_of_the_environment_is_not_taken_for_one_with_fips() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        find_endpoint("sqs", "eu-west-1", {"AWS_ENDPOINT_URL": "http://a", "AWS_USE_FIPS_ENDPOINT": "true"})


@pytest.mark.parametrize(
    ("url", "host", "port", "authority", "path"),
    [
        ("http://127.0.0.1:4566", "127.0.0.1", 4566, "127.0.0.1:4566", "/"),
        ("http://Localstack/aws", "localstack", 80, "localstack", "/aws"),
        ("https://[::1]:8443/", "::1", 8443, "[::1]:8443", "/"),
    ],
)
def test_an_address_is_read(url: str, host: str, port: int, authority: str, path: str) -> None:
    is_secure = url.startswith("https")
    expected = Endpoint(is_secure=is_secure, host=host, port=port, authority=authority, path=path)
    assert Endpoint.from_url(url) == expected


@pytest.mark.parametrize("url", ["localhost:4566", "ftp://a", "http://", "http://a:b", "a"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"is no endpoint|[Pp]ort"):
        Endpoint.from_url(url)


def test_the_region_is_that_of_lambda_or_the_usual_one() -> None:
    assert find_region({"AWS_REGION": "a", "AWS_DEFAULT_REGION": "b"}) == "a"
    assert find_region({"AWS_DEFAULT_REGION": "b"}) == "b"


def test_without_one_the_profile_names_the_region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text("[profile there]\nregion = eu-south-2\n")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "there")
    assert find_region({}) == "eu-south-2"


def test_without_any_it_is_said_which_variable_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ValueError, match="AWS_REGION is not set"):
        find_region({})
