"""Answers that show what a client wrote, whichever of several servers it asks: a version it knows goes along.

Every write says which `version` of the gallery has it, and so does every answer. A request that carries one, as
`?at_least=12-12-3` or in the header `X-At-Least`, is answered by a state that is at least as new.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from crossgraph.gallery.tables.version import PATTERN
from crossgraph.serving.problems import Problem, documented
from crossgraph.serving.server import Server

PARAMETER, HEADER = "at_least", "X-At-Least"
READING = re.compile(r"/v1/(search|facets|items|export|explain|compare|map|galleries)([/.].*)?")
"""Where answers depend on what the gallery holds."""

SAID = (
    "A version that an answer or a write gave: this answer shows at least what was written by then, whichever server "
    "gives it; 409 where that is not there in a few seconds."
)


class AtLeast:
    """Passes requests on to `app` once the gallery of this server has what they ask for."""

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app, self._server = app, server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on. Raises `Problem` 409 where the version is not there, 422 for what is none."""
        if scope["type"] == "http" and READING.fullmatch(scope["path"]):
            pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, encoding="latin-1")
            asked = [value for name, value in pairs if name == PARAMETER]
            if asked:  # no route reads it
                rest = [(name, value) for name, value in pairs if name != PARAMETER]
                scope = {**scope, "query_string": urlencode(rest, encoding="latin-1").encode("latin-1")}
            asked += Headers(scope=scope).getlist(HEADER)
            for version in asked:
                if not re.fullmatch(PATTERN, version, re.ASCII):
                    raise Problem(422, f"{PARAMETER} must be a version as an answer gives it, such as 12-12-3.")
                await self._server.files.run(partial(self._server.library.wait_for, version))
        await self._app(scope, receive, send)


def describe_at_least(found: dict[str, Any]) -> None:
    """Have a description of the API tell of it."""
    for path, methods in found["paths"].items():
        if READING.fullmatch(path):
            for operation in methods.values():
                schema = {"type": "string", "pattern": f"^{PATTERN}$"}
                told = {"required": False, "description": SAID, "schema": schema, "example": "1-1-0"}
                names = {one["name"] for one in operation.setdefault("parameters", [])}
                operation["parameters"] += [
                    {"name": name, "in": place, **told}
                    for name, place in ((PARAMETER, "query"), (HEADER, "header"))
                    if name not in names
                ]
                operation["responses"].setdefault("409", documented(409)[409])
