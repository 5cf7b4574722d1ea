"""Requests and responses: what is read from a gateway's event, and what a gateway gets."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from task_service.domain.errors import BadRequest
from task_service.entrypoints.api import conditions
from task_service.entrypoints.api.request import Request
from task_service.entrypoints.api.response import Response


def request(context: Any = None, **event: Any) -> Request:
    return Request.from_event({"httpMethod": "GET", **event}, context)


class TestReading:
    def test_an_event_with_nulls_is_an_empty_request(self) -> None:
        nulls = dict.fromkeys(
            (
                "resource",
                "path",
                "pathParameters",
                "headers",
                "multiValueHeaders",
                "multiValueQueryStringParameters",
                "body",
            )
        )
        read = request(**nulls)
        assert (read.resource, read.path, read.segments, read.query, read.headers) == ("", "", {}, {}, {})
        assert read.payload() == ""
        assert read.caller is None

    def test_a_header_is_found_in_any_case(self) -> None:
        read = request(headers={"If-MATCH": "*"})
        assert read.header("if-match") == read.header("If-Match") == "*"
        assert read.header("If-None-Match") is None

    def test_the_lines_of_a_header_are_one_text(self) -> None:
        read = request(headers={"prefer": "b"}, multiValueHeaders={"Prefer": ["a", "b"], "prefer": ["c"]})
        assert read.header("Prefer") == "a, b, c"

    def test_of_a_repeated_parameter_the_last_value_counts(self) -> None:
        assert request(multiValueQueryStringParameters={"limit": ["1", "2"], "none": []}).query == {"limit": "2"}

    def test_the_remaining_time_is_asked_for_when_it_is_needed(self) -> None:
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: 1_500)
        read = request(context)
        assert read.remaining_time() == timedelta(seconds=1.5)
        context.get_remaining_time_in_millis = lambda: 500
        assert read.remaining_time() == timedelta(seconds=0.5)

    @pytest.mark.parametrize(("path", "stray"), [("/a", False), ("/base/a%2F", False), ("/a/", True), ("/a//b", True)])
    def test_a_stray_slash_is_noticed(self, path: str, stray: bool) -> None:
        assert request(path=path).has_stray_slash is stray

    @pytest.mark.parametrize(("sent", "read"), [("a%2Fb", "a/b"), ("100%25", "100%"), ("100%", "100%"), ("a+b", "a+b")])
    def test_a_segment_is_decoded_once(self, sent: str, read: str) -> None:
        assert request(pathParameters={"name": sent}).segment("name") == read

    def test_what_is_not_base64_is_refused(self) -> None:
        for not_base64 in ("%", "é"):
            with pytest.raises(BadRequest, match="payload is not valid UTF-8: it is not Base64"):
                request(body=not_base64, isBase64Encoded=True).payload()


class TestConditions:
    @pytest.mark.parametrize(
        ("header", "tags"),
        [
            ("*", ("*",)),
            (' "a" ', ("a",)),
            ('""', ("",)),
            ('"a", "b"', ("a", "b")),
            (' , "a",,"b" ,', ("a", "b")),
            ('"a,b"', ("a,b",)),
            ('W/"a"', ()),
            ('W/"a", "b"', ("b",)),
            ('"*"', ()),
        ],
    )
    def test_if_match_names_versions_and_weak_tags_name_none(self, header: str, tags: tuple[str, ...]) -> None:
        assert conditions.if_match(request(headers={"If-Match": header})) == tags

    def test_without_the_header_there_is_no_condition(self) -> None:
        assert conditions.if_match(request()) is None
        assert not conditions.is_known(request(), "a")

    @pytest.mark.parametrize(
        "header", ["abc", '"', "", " , ", '"a" "b"', 'w/"a"', '*, "a"', '"a', '"a"' + " " * 9_000 + "x"]
    )
    def test_a_condition_that_cannot_be_understood_is_refused(self, header: str) -> None:
        for name, read in (
            ("If-Match", conditions.if_match),
            ("If-None-Match", lambda it: conditions.is_known(it, "a")),
        ):
            with pytest.raises(BadRequest, match=f"{name}: tags in double quotes"):
                read(request(headers={name: header}))

    def test_two_lines_are_two_tags(self) -> None:
        assert conditions.if_match(request(multiValueHeaders={"If-Match": ['"a"', '"b"']})) == ("a", "b")

    @pytest.mark.parametrize(
        ("header", "known"),
        [('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False), ('"A"', False)],
    )
    def test_if_none_match_says_whether_a_client_has_the_version(self, header: str, known: bool) -> None:
        assert conditions.is_known(request(headers={"If-None-Match": header}), "a") is known

    def test_if_none_match_asks_for_a_new_template(self) -> None:
        assert conditions.if_new(request(headers={"If-None-Match": "*"}))
        assert not conditions.if_new(request())
        with pytest.raises(BadRequest, match=r"If-None-Match: only \* is supported"):
            conditions.if_new(request(headers={"If-None-Match": '"a"'}))


class TestResponses:
    def test_json_says_so(self) -> None:
        response = Response.json("[1]", status=207, headers={"ETag": '"a"'})
        assert response.to_gateway() == {
            "statusCode": 207,
            "multiValueHeaders": {"Content-Type": ["application/json"], "ETag": ['"a"']},
            "body": "[1]",
            "isBase64Encoded": False,
        }

    def test_adding_leaves_the_rest(self) -> None:
        first = Response(status=204).adding(headers={"a": "1"}, log_fields={"task_id": "t"}, counts={"Created": 1})
        second = first.adding(headers={"b": "2"})
        assert second == Response(
            status=204, headers={"a": "1", "b": "2"}, log_fields={"task_id": "t"}, counts={"Created": 1}
        )
        assert first.headers == {"a": "1"}
