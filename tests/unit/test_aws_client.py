"""What an AWS error means: an outage, or an answer about the request itself."""

from typing import NoReturn

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from task_service.adapters.aws import client as aws
from task_service.domain.errors import Unavailable


def refuse(code: str) -> NoReturn:
    raise ClientError({"Error": {"Code": code, "Message": "no"}}, "UpdateItem")


@pytest.mark.parametrize("code", ["ConditionalCheckFailedException", "NoSuchKey", "ValidationException"])
def test_what_the_same_request_would_get_again_is_no_outage(code: str) -> None:
    with pytest.raises(ClientError, match=code):
        aws.request(refuse, code=code)


@pytest.mark.parametrize("code", ["InternalServerError", "ThrottlingException", "AccessDeniedException"])
def test_what_may_go_well_later_is_an_outage(code: str) -> None:
    with pytest.raises(Unavailable, match=code):
        aws.request(refuse, code=code)


def test_a_service_that_is_not_reached_is_an_outage() -> None:
    def call() -> NoReturn:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")

    with pytest.raises(Unavailable, match="EndpointConnectionError"):
        aws.request(call)
