"""The one list of routes: every handler exists, and the methods and resources are those of template and document."""

import inspect
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from aws_lambda_powertools import Metrics

from local.template import API, Template
from task_service.entrypoints.api.app import Api
from task_service.entrypoints.api.routes import ADMIN_METHODS, OPEN, ROUTES, Route, methods_of
from task_service.entrypoints.docs.openapi import operations
from tests.support.builders import task
from tests.support.gateway import DOCS
from tests.unit.test_api import World


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.resource}")
def test_every_handler_exists_and_takes_a_request_and_the_services(route: Route) -> None:
    handler = route.load()
    assert list(inspect.signature(handler).parameters) == ["request", "services"]
    assert inspect.getdoc(handler)


def test_no_route_is_listed_twice() -> None:
    assert len({(route.resource, route.method) for route in ROUTES}) == len(ROUTES)


def test_every_handler_of_the_modules_is_a_route() -> None:
    """A function that takes a request and the services, and is public, is not left out of the list."""
    modules = {inspect.getmodule(route.load()) for route in ROUTES}
    handlers = {
        function
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_")
        and function.__module__ == getattr(module, "__name__", None)
        and list(inspect.signature(function).parameters) == ["request", "services"]
    }
    assert handlers == {route.load() for route in ROUTES}


def test_the_routes_are_those_of_the_template_and_the_document() -> None:
    template = Template.read(Path(__file__).parents[2] / "template.yaml")
    ((_, properties),) = template.resources(API)
    in_template = {path for path in properties["DefinitionBody"]["paths"] if not path.startswith(DOCS)}
    assert {route.resource for route in ROUTES} == in_template
    described = {(operation.path, operation.method) for operation in operations()}
    assert {(route.resource, route.method) for route in ROUTES} == {
        (path, method) for path, method in described if not path.startswith(DOCS)
    }


def test_open_resources_and_admin_methods_are_among_the_routes() -> None:
    assert {route.resource for route in ROUTES} >= OPEN
    assert {route.method for route in ROUTES} >= ADMIN_METHODS


def test_the_methods_of_a_resource_are_in_the_order_of_the_list() -> None:
    assert list(methods_of("/v1/taskTemplates/{name}")) == ["GET", "PUT", "DELETE"]
    assert methods_of("/nowhere") == {}


def test_one_line_is_logged_for_each_request(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="task")
    world = World()
    world.tasks.records["t"] = task("t")
    world.ask("GET", "/v1/taskStatus/t")
    world.ask("GET", "/v1/taskStatus/nobody")
    created = world.ask("POST", "/v1/task/greet", body="1").json["taskID"]
    lines = [vars(record) for record in caplog.records if record.getMessage() == "answered"]
    told = [(line["method"], line["route"], line["status"], line["task_id"]) for line in lines]
    assert told == [
        ("GET", "/v1/taskStatus/{taskID}", 201, "t"),
        ("GET", "/v1/taskStatus/{taskID}", 404, "nobody"),
        ("POST", "/v1/task/{taskName}", 200, created),
    ]


def test_settings_that_cannot_be_read_are_a_problem_without_details(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> World:
        raise KeyError("QUEUE_URL")

    api = Api(fail, Metrics(namespace="Test", service="task"))  # type: ignore[arg-type]
    event = {"httpMethod": "GET", "resource": "/readiness", "path": "/readiness"}
    answer = api.resolve(event, SimpleNamespace())
    assert answer["statusCode"] == 500
    assert "QUEUE_URL" not in answer["body"]
    assert "QUEUE_URL" in caplog.text
