"""Around every request: its id, log line and numbers, the headers of every answer, and errors made into answers."""

from __future__ import annotations

import ipaddress
import json
import logging
import re
import secrets
import time
from typing import Any

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crossgraph.errors import CrossgraphError
from crossgraph.serving.access import HEADERS, require_access
from crossgraph.serving.pages.errors import refusal
from crossgraph.serving.presence import LEFT, ClientLeftError
from crossgraph.serving.problems import Problem, status_of, told
from crossgraph.serving.server import Server

LOG = logging.getLogger("crossgraph.serving")
FREE = ("/static/", "/v1/health/live")
"""What may be asked for at any rate; none of it looks at a token."""

PICTURES = 10
"""So many times as many pictures as other things may be asked for: a page shows many at once."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_SMALL = re.compile(r"/v1/items/[^/]+/(thumbnail|picture)|/evaluations/[^/]+/worst/[^/]+/picture")


class Frame:
    """Passes requests on to `app`; nothing of an error but its message leaves the server."""

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app, self._server = app, server
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        request_id = request_id_of(Headers(scope=scope))
        bare = scope["method"] == "HEAD"
        inner = {**scope, "state": {"request_id": request_id}} | ({"method": "GET"} if bare else {})

        async def send_framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                headers["X-Request-ID"] = request_id
            elif bare:
                message = {**message, "body": b""}
            await send(message)

        error = ""
        try:
            self._require_rate(scope)
            response = require_access(Request(scope), self._server.settings) or self._app
            await response(inner, receive, send_framed)
        except ClientLeftError:
            status = status or LEFT
        except CrossgraphError as problem:
            error = str(problem)
            if status:
                raise  # it cannot be answered any more: the connection is closed, so that nobody takes it for complete
            await self.refusal(problem, request_id, Request(inner))(inner, receive, send_framed)
        except Exception as unexpected:
            error = f"{type(unexpected).__name__}: {unexpected}"
            LOG.exception("unexpected", extra={"facts": {"request": request_id}})
            if status:
                raise
            said = f"this should not have happened; the server's log says what did, under {request_id}."
            page = refusal(scope["path"], Headers(scope=scope), 500, said, request_id=request_id)
            await page(inner, receive, send_framed)
        finally:
            self._note(inner, request_id, status, time.perf_counter() - started, error)

    def refusal(self, problem: CrossgraphError, request_id: str, request: Request) -> Response:
        """The answer that says an error."""
        text = told(problem, show_paths=self._server.settings.show_paths)
        headers = problem.headers if isinstance(problem, Problem) else {}
        return refusal(
            request.url.path, request.headers, status_of(problem), text, request_id=request_id, headers=headers
        )

    def _require_rate(self, scope: Scope) -> None:
        """Raise `Problem` 429 where an address asks faster than it may, also for those who show no right token."""
        rate, path = self._server.settings.rate, scope["path"]
        if not rate or path.startswith(FREE):
            return
        small = _SMALL.fullmatch(path) is not None
        most = rate * (PICTURES if small else 1)
        if not self._limiter.hit(RateLimitItemPerSecond(most), network_of(scope), "pictures" if small else "others"):
            raise Problem(429, f"more than {most} requests in a second. Ask slower.", headers={"Retry-After": "1"})

    def _note(self, scope: Scope, request_id: str, status: int, seconds: float, error: str) -> None:
        route = getattr(scope.get("route"), "path", None) or ("static" if "path_params" in scope else "none")
        metrics = self._server.metrics
        metrics.requests.labels(scope["method"] if scope["method"] in METHODS else "other", route, status).inc()
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


def network_of(scope: Scope) -> str:
    """Who asks, for counting: the address, of IPv6 the network that one customer has.

    >>> network_of({"client": ("2001:db8:1:2:3:4:5:6", 1)}), network_of({"client": ("10.0.0.1", 1)})
    ('2001:db8:1:2::/64', '10.0.0.1')
    """
    host = scope["client"][0] if scope.get("client") else ""
    return str(ipaddress.IPv6Network((host, 64), strict=False)) if ":" in host and "%" not in host else host
