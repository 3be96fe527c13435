"""What OpenAPI says beside what routes say themselves: examples, headers, tokens, problems."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from crossgraph.serving import examples
from crossgraph.serving.at_least import describe_at_least
from crossgraph.serving.problems import ProblemOut

EVENT_STREAM: dict[str, Any] = {
    "type": "object",
    "properties": {"data": {"type": "string"}, "event": {"type": "string"}},
    "required": ["data"],
}
REQUEST_ID = {
    "description": "What the server's log calls the request.",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    "example": "5f0c0a3e9d1b4c7a",
}
TAG = {
    "description": "Another one once the content is another.",
    "required": True,
    "schema": {"type": "string", "pattern": '^"[^"]+"$'},
    "example": examples.PARAMETERS["If-None-Match"],
}
OF_STATUS: dict[str, dict[str, Any]] = {
    "401": {
        "WWW-Authenticate": {"required": True, "schema": {"type": "string"}, "example": "Bearer"},
    },
    "429": {
        "Retry-After": {
            "description": "After so many seconds it may go.",
            "required": True,
            "schema": {"type": "integer", "minimum": 1},
            "example": 1,
        }
    },
    "206": {
        "Content-Range": {
            "required": True,
            "schema": {"type": "string", "pattern": "^bytes [0-9]+-[0-9]+/[0-9]+$"},
            "example": "bytes 0-1023/2481152",
        }
    },
    "416": {
        "Content-Range": {
            "required": True,
            "schema": {"type": "string", "pattern": r"^bytes \*/[0-9]+$"},
            "example": "bytes */2481152",
        }
    },
}
TAGGED = ("200", "206", "304")


def conditional(*, ranges: bool = False) -> dict[str, Any]:
    """The headers that a route reads by which a client says what it has, or which part it wants."""
    told = {"If-None-Match": "The ETag of what the client has: if it is that still, the answer is 304, without it."}
    if ranges:
        told["Range"] = "One part of the file; any other is not looked at, and all of it is the answer."
    return {
        "parameters": [
            {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}
            for name, text in told.items()
        ]
    }


def describe(app: FastAPI) -> None:
    """Have the description of `app` tell all of this."""
    make = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(make())
        found: dict[str, Any] = make()
        return found

    app.openapi = described  # type: ignore[method-assign]


def _complete(found: dict[str, Any]) -> None:
    parts = found.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    schemas.setdefault("ProblemOut", ProblemOut.model_json_schema())
    parts["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "What --token said, where the server has one."}
    }
    found["security"] = [{}, {"token": []}]
    for name, example in examples.MODELS.items():
        if name in schemas:
            schemas[name]["examples"] = [example]
    describe_at_least(found)
    for path, operation in operations(found):
        tagged = False
        for parameter in operation.get("parameters", ()):
            _give_example(path, parameter)
            tagged = tagged or parameter["name"] == "If-None-Match"
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            if kind == "application/x-www-form-urlencoded":
                content["example"] = {"ids": [examples.ITEM["id"], examples.OTHER["id"]], "format": "csv"}
        for status, response in operation["responses"].items():
            headers = response.setdefault("headers", {})
            headers |= {"X-Request-ID": REQUEST_ID, **OF_STATUS.get(status, {})}
            if tagged and status in TAGGED:
                headers["ETag"] = TAG
            for kind, content in response.get("content", {}).items():
                if "itemSchema" in content:
                    content.pop("schema", None)  # FastAPI's own: a text, which it is not once it is read
                own = examples.ANSWERS.get(path, {}).get(kind)
                if status == "200" and own is not None and "$ref" not in content.get("schema", {}):
                    content["example"] = own


def _give_example(path: str, parameter: dict[str, Any]) -> None:
    if "example" in parameter or "examples" in parameter or parameter.get("schema", {}).get("examples"):
        return
    example = examples.PARAMETERS.get(parameter["name"])
    if parameter["name"] == "id":
        example = next((id for start, id in examples.OF_PATHS.items() if path.startswith(start)), example)
    if example is not None:
        parameter["example"] = example


def operations(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each operation of a description with its path."""
    for path, methods in found["paths"].items():
        for operation in methods.values():
            yield path, operation
