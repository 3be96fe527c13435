"""What an address may say behind its question mark: what the description of the API lists, each once."""

from __future__ import annotations

from collections import Counter

from fastapi import FastAPI, Request

from crossgraph.serving.problems import Problem

SAID = 60  # letters of what a client called a parameter that are said again


async def require_known_parameters(request: Request) -> None:
    """Raise `Problem` 422 for a parameter that is not read at this address, or is there twice where one is read."""
    given = Counter(name for name, _ in request.query_params.multi_items())
    if not given:
        return
    known = _known(request.app, request.scope["route"].path, request.method)
    for name, times in given.items():
        if name not in known:
            read = f"It reads {', '.join(known)}" if known else "It reads none"
            raise Problem(
                422, f"this address does not read the parameter {name[:SAID]!r}. {read}; /v1/openapi.json says more."
            )
        if times > 1 and not known[name]:
            raise Problem(422, f"the parameter {name} is there {times} times, and one is read. Give it once.")


def _known(app: FastAPI, path: str, method: str) -> dict[str, bool]:
    """The parameters that a route reads, by name, and whether each may be there several times."""
    described = app.openapi()["paths"][path][method.lower()].get("parameters", ())
    return {one["name"]: one["schema"].get("type") == "array" for one in described if one["in"] == "query"}
