"""Whether whoever asked still waits for an answer: work that nobody waits for need not begin."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LEFT = 499  # how logs and numbers call a request whose client was gone before it was answered

_LEFT: ContextVar[Callable[[], Awaitable[None]] | None] = ContextVar("_LEFT", default=None)


class ClientLeftError(Exception):
    """Whoever asked is gone: there is nobody to answer."""


class Presence:
    """Passes requests on to `app`, within which `left` waits for the client of a request to go."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = _Client(scope, receive)
        before = _LEFT.set(client.left)
        try:
            await self._app(scope, client.receive, send)
        finally:
            _LEFT.reset(before)


async def left() -> None:
    """Return once the client of the request that is answered here is gone; outside of requests, never."""
    wait = _LEFT.get()
    await (asyncio.Event().wait() if wait is None else wait())


class _Client:
    """What the client of a request sends; the first message of a request without a body may be looked at before the
    application reads it.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = Headers(scope=scope)
        self._has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        self._receive = receive
        self._held: Message | None = None
        self._complete = False

    async def receive(self) -> Message:
        """The next message, for the application."""
        if self._held is not None:
            message, self._held = self._held, None
            return message
        message = await self._receive()
        self._complete = not message.get("more_body", False)
        return message

    async def left(self) -> None:
        """Return once the client is gone; while its body was not read to the end, that is not known."""
        if not self._complete:
            if self._has_body:
                await asyncio.Event().wait()
            self._held = await self.receive()
        while (await self._receive())["type"] != "http.disconnect":
            continue
