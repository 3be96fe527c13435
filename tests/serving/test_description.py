"""The description of the API: every operation has examples, which are right by it; what it says of errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from starlette.testclient import TestClient

from tests.serving.served import Served


@pytest.fixture(scope="module")
def described(app_client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = app_client.get("/v1/openapi.json").json()
    return found


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def examples(described: dict[str, Any], said: dict[str, Any]) -> list[Any]:
    """The examples of a parameter, body or answer: its own, or those of its schema."""
    schema = said.get("schema", {})
    while "$ref" in schema and "example" not in said:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return [said["example"]] if "example" in said else list(schema.get("examples", []))


def is_binary(content: dict[str, Any], described: dict[str, Any]) -> bool:
    text = str(content) + str(described["components"]["schemas"].get(content.get("schema", {}).get("$ref", "")[21:]))
    return "binary" in text or "contentMediaType" in text


def test_every_parameter_body_and_answer_has_an_example_that_is_right(described: dict[str, Any]) -> None:
    shown = 0
    for name, operation in operations(described):
        parts = [(f"{name} {one['name']}", one) for one in operation.get("parameters", [])]
        parts += [(f"{name} {kind}", one) for kind, one in operation.get("requestBody", {}).get("content", {}).items()]
        for status, answer in operation["responses"].items():
            parts += [(f"{name} {status} {kind}", one) for kind, one in answer.get("content", {}).items()]
            parts += [(f"{name} {status} {header}", one) for header, one in answer["headers"].items()]
        for where, part in parts:
            if is_binary(part, described):
                continue
            found = examples(described, part)
            assert found, f"{where} has no example"
            shown += len(found)
            if "schema" in part:
                schema = {**part["schema"], "components": described["components"]}
                for one in found:
                    jsonschema_rs.validate(schema, one)
    assert shown > 300


def test_every_operation_says_how_it_refuses(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        assert operation["description"], name
        answers = operation["responses"]
        assert {"400", "401", "403", "413", "415", "421", "422", "429"} <= set(answers), name
        for status, answer in answers.items():
            assert answer["headers"]["X-Request-ID"]["required"]
            if int(status) >= 400 and (name, status) != ("get /v1/health/ready", "503"):
                assert list(answer["content"]) == ["application/problem+json"], name
        assert "content" not in answers.get("304", {})


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/v1/nothing", {}, 404),
        ("GET", "/v1", {}, 404),
        ("GET", "/v1/search/", {}, 404),
        ("DELETE", "/v1/search", {}, 405),
        ("PUT", "/v1/items", {}, 405),
        ("PATCH", "/metrics", {}, 405),
        ("POST", "/v1/items/abc/picture", {}, 405),
        ("OPTIONS", "/v1/search", {}, 405),
        ("BREW", "/v1/search", {}, 405),
        ("TRACE", "/v1/health/live", {}, 405),
        ("GET", "/v1/search?q=a", {"Content-Length": "99999999"}, 413),
        ("GET", "/v1/stats", {"Content-Length": "9" * 400}, 413),
        ("POST", "/v1/search", {"Content-Encoding": "gzip"}, 415),
        ("GET", "/v1/stats", {"Content-Encoding": "br"}, 415),
        ("GET", "/v1/stats", {"Host": "evil.example"}, 421),
        ("GET", "/v1/search?k=0&q=a", {}, 422),
        ("GET", "/v1/search?nothing=1&q=a", {}, 422),
        ("POST", "/v1/search", {"Content-Type": "text/plain"}, 422),
    ],
)
def test_whatever_is_refused_is_told_as_a_problem(
    app_client: TestClient, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = app_client.request(method, path, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert set(told) == {"type", "title", "status", "detail", "request_id"}
    assert (told["status"], told["request_id"]) == (status, answer.headers["x-request-id"])
    assert told["detail"].endswith(".")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert ("allow" in answer.headers) == (status == 405)


def test_every_address_refuses_parameters_that_it_does_not_read(
    app_client: TestClient, described: dict[str, Any], ids: list[str]
) -> None:
    looked_at = 0
    for name, operation in operations(described):
        method, path = name.split()
        if path == "/metrics" or path.startswith("/v1/health/"):
            continue
        address = path.replace("{id}", ids[0] if "/items" in path else "0a").replace("{name}", "default")
        answer = app_client.request(method, address, params={"nothing": "1"})
        assert (answer.status_code, "'nothing'" in answer.json()["detail"]) == (422, True), (name, answer.text)
        for one in operation.get("parameters", []):
            if one["in"] == "query" and one["name"] != "at_least" and one["schema"].get("type") != "array":
                twice = app_client.request(method, f"{address}?{one['name']}=1&{one['name']}=2")
                assert "is there 2 times" in twice.json()["detail"], (name, one["name"], twice.text)
                looked_at += 1
    assert looked_at > 40


def test_probes_may_append_what_they_like(app_client: TestClient) -> None:
    for address in ("/v1/health/live", "/v1/health/ready", "/metrics"):
        assert app_client.get(address, params={"at": "12"}).status_code == 200


@pytest.mark.parametrize("more", ["where=stars%3D1", "facet=label:ball", "region=0,0;1,0;1,1"])
def test_no_filter_is_passed_over_in_silence(app_client: TestClient, ids: list[str], more: str) -> None:
    told = app_client.get(f"/v1/items/{ids[0]}/similar?k=3&{more}")
    assert told.status_code == 422
    assert "It reads k, offset" in told.json()["detail"]


def test_an_address_names_every_method_that_it_takes(app_client: TestClient, described: dict[str, Any]) -> None:
    for path, methods in described["paths"].items():
        answer = app_client.request("BREW", path.replace("{id}", "0a").replace("{name}", "default"))
        wanted = {method.upper() for method in methods} | ({"HEAD"} if "get" in methods else set())
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == wanted, path


def test_too_many_requests_are_told_as_a_problem(client_with: Any) -> None:
    client = client_with(rate=1)
    answers = [client.get("/v1/stats") for _ in range(4)]
    refused = [one for one in answers if one.status_code == 429]
    assert refused
    assert refused[0].headers["content-type"] == "application/problem+json"
    assert int(refused[0].headers["retry-after"]) >= 1


def test_the_description_is_the_same_each_time(app_client: TestClient, served_gallery: Served) -> None:
    first, again = (app_client.get("/v1/openapi.json").json() for _ in range(2))
    assert first == again
    assert str(served_gallery.gallery.parent) not in str(first)
