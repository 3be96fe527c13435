"""The application: routes, errors, what starts and ends with it."""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from crossgraph.errors import CrossgraphError
from crossgraph.serving.api import explain, export, facets, facts, feedback, health, items, jobs, runs, search
from crossgraph.serving.api import map as map_api
from crossgraph.serving.assets import Assets
from crossgraph.serving.at_least import AtLeast
from crossgraph.serving.deadlines import Deadlines
from crossgraph.serving.description import describe
from crossgraph.serving.frame import Frame
from crossgraph.serving.pages import compare, health_page, login, map_page, picture, run_pages, search_page
from crossgraph.serving.pages.errors import refusal
from crossgraph.serving.parameters import require_known_parameters
from crossgraph.serving.presence import Presence
from crossgraph.serving.server import Server
from crossgraph.serving.settings import MEBIBYTE, ServerSettings

METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
UPLOADS = frozenset({"/v1/uploads", "/upload"})
MOST_FILES, MOST_FIELDS = 4, export.MOST + 10
SAID = 200  # letters of what a client called a field that are said again
DESCRIPTION = """Search pictures by sentences, and by other pictures, with explanations.

Every answer of an error is `application/problem+json` and says what to do. Pictures are named by their ids."""


def create_app(settings: ServerSettings, *, server: Server | None = None) -> FastAPI:
    """The application that serves a gallery; loading starts with it."""
    parts = server or Server.of(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        parts.start()
        try:
            with suppress(asyncio.CancelledError):  # told to stop twice
                yield
        finally:
            parts.close()

    app = FastAPI(
        title="crossgraph",
        version=importlib.metadata.version("crossgraph"),
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        form_limits={"max_files": MOST_FILES, "max_fields": MOST_FIELDS},
    )
    app.state.server = parts
    for module in (search, facets, items, export, explain, facts, map_api, feedback, jobs, runs):
        app.include_router(module.router, dependencies=[Depends(require_known_parameters)])
    app.include_router(health.router)  # what probes append for caches changes nothing there
    for page in (search_page, picture, compare, map_page, health_page, run_pages, login):
        app.include_router(page.router, include_in_schema=False)
    app.mount("/static", Assets(), name="static")
    app.add_exception_handler(RequestValidationError, _misread)
    app.add_exception_handler(HTTPException, _http)
    most = settings.upload_bytes + MEBIBYTE // 2
    app.add_middleware(AtLeast, server=parts)
    app.add_middleware(Presence)
    app.add_middleware(Deadlines, patience=settings.patience, forms=UPLOADS, most_bytes=most, most_plain=MEBIBYTE)
    app.add_middleware(Frame, server=parts)
    describe(app)
    return app


def _misread(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = "; ".join(_said(request, one) for one in error.errors()[:5])
    return _answer(request, 422, f"{said}. /v1/openapi.json says what is read.", {})


def _said(request: Request, error: Mapping[str, Any]) -> str:
    """What is wrong with one part of a request."""
    place, kind = error["loc"][1:], request.headers.get("content-type", "")
    if error["type"] == "json_invalid":
        return f"the body is no JSON: {error['ctx']['error']}, after {place[0]} letters"
    if error["loc"] == ("body",) and "json" not in kind:
        called = f"is {kind[:SAID]!r}" if kind else "is not there"
        return f"the body is read where the header Content-Type is application/json, and it {called}"
    return f"{'.'.join(str(part) for part in place)[:SAID] or 'the request'}: {error['msg'][:SAID]}"


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, CrossgraphError):  # raised while FastAPI read the body
        raise error.__cause__
    detail = {
        404: "there is nothing at this address. /v1/openapi.json lists what there is.",
        405: "this address does not take that method. /v1/openapi.json lists what there is.",
    }.get(error.status_code, f"{error.detail.rstrip('.')}. /v1/openapi.json says what is read.")
    headers = dict(error.headers or {}) | ({"Allow": _taken(request)} if error.status_code == 405 else {})
    return _answer(request, error.status_code, detail, headers)


def _taken(request: Request) -> str:
    """The methods that are taken at the address of the request, by any route: one route alone names its own."""

    def is_taken(method: str) -> bool:
        scope = {**request.scope, "method": "GET" if method == "HEAD" else method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return ", ".join(method for method in METHODS if is_taken(method))


def _answer(request: Request, status: int, detail: str, headers: Mapping[str, str]) -> Response:
    return refusal(
        request.url.path, request.headers, status, detail, request_id=request.state.request_id, headers=headers
    )
