"""Around every request: its id, log line and numbers, the headers of every answer, and errors made into answers."""

from __future__ import annotations

import json
import logging
import re
import secrets
import time
from typing import Any

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crossgraph.errors import CrossgraphError
from crossgraph.serving.access import HEADERS, guarded
from crossgraph.serving.pages.errors import refusal
from crossgraph.serving.problems import Problem, status_of, without_paths
from crossgraph.serving.server import Server

LOG = logging.getLogger("crossgraph.serving")
FREE = ("/static/", "/v1/health/", "/metrics")
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_SMALL = re.compile(r"/v1/items/[^/]+/(thumbnail|picture)")


class Frame:
    """Passes requests on to `app`; nothing of an error but its message leaves the server."""

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app, self._server = app, server
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        request_id = request_id_of(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                headers["X-Request-ID"] = request_id
            await send(message)

        error = ""
        try:
            response = guarded(Request(scope), self._server.settings, self._pass_on)
            await response(scope, receive, send_framed)
        except CrossgraphError as problem:
            error = str(problem)
            if not status:
                await self.refusal(problem, request_id, Request(scope))(scope, receive, send_framed)
        except TimeoutError:
            error = "the client did not take the answer in time"
        except Exception as unexpected:
            error = f"{type(unexpected).__name__}: {unexpected}"
            LOG.exception("unexpected", extra={"facts": {"request": request_id}})
            if not status:
                told = f"this should not have happened; the server's log says what did, under {request_id}."
                page = refusal(scope["path"], Headers(scope=scope), 500, told, request_id=request_id)
                await page(scope, receive, send_framed)
        finally:
            self._note(scope, request_id, status, time.perf_counter() - started, error)

    def refusal(self, problem: CrossgraphError, request_id: str, request: Request) -> Response:
        """The answer that says an error."""
        text = str(problem) if self._server.settings.show_paths else without_paths(str(problem))
        headers = problem.headers if isinstance(problem, Problem) else {}
        return refusal(
            request.url.path, request.headers, status_of(problem), text, request_id=request_id, headers=headers
        )

    def _pass_on(self, request: Request) -> ASGIApp:
        rate, path = self._server.settings.rate, request.url.path
        if rate and not path.startswith(FREE) and not _SMALL.fullmatch(path):
            client = request.client.host if request.client else ""
            if not self._limiter.hit(RateLimitItemPerSecond(rate), client):
                raise Problem(429, f"more than {rate} requests in a second. Ask slower.", headers={"Retry-After": "1"})
        return self._app

    def _note(self, scope: Scope, request_id: str, status: int, seconds: float, error: str) -> None:
        route = getattr(scope.get("route"), "path", None) or ("static" if "path_params" in scope else "none")
        metrics = self._server.metrics
        metrics.requests.labels(scope["method"] if scope["method"].isalpha() else "?", route, status).inc()
        metrics.seconds.labels(route).observe(seconds)
        facts: dict[str, Any] = {
            "request": request_id,
            "method": scope["method"],
            "route": route,
            "status": status,
            "ms": round(1000 * seconds, 1),
            "client": scope["client"][0] if scope.get("client") else None,
        }
        LOG.info("request", extra={"facts": facts | ({"error": error} if error else {})})


class JsonLog(logging.Formatter):
    """One JSON object a line: when, how bad, what, and the facts."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of one record."""
        told = {"at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"), "level": record.levelname.lower()}
        told |= {"event": record.getMessage(), **getattr(record, "facts", {})}
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str)


def request_id_of(headers: Headers) -> str:
    """What the client calls the request, if that can be a name, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _ID.fullmatch(given) else secrets.token_hex(8)
