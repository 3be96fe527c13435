"""A server run until it is told to stop: it takes no more requests, answers those it has, and ends."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from crossgraph.serving.app import create_app
from crossgraph.serving.frame import JsonLog
from crossgraph.serving.settings import ServerSettings

GRACE = 10  # seconds that requests under way have to end
KEPT_ALIVE = 15  # seconds that a connection may be idle between requests
CONNECTIONS = 1_000
HEADER_BYTES = 32 * 1024


def serve(settings: ServerSettings) -> None:
    """Serve until SIGINT or SIGTERM."""
    logs_as_json()
    uvicorn.Server(uvicorn_config(settings, create_app(settings))).run()


def uvicorn_config(settings: ServerSettings, app: FastAPI) -> uvicorn.Config:
    """How the application of a server is run: by HTTP alone, with an end to every wait."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        http=patient_protocol(settings.patience),
        ws="none",
        lifespan="on",
        timeout_keep_alive=KEPT_ALIVE,
        timeout_graceful_shutdown=GRACE,
        limit_concurrency=CONNECTIONS,
        h11_max_incomplete_event_size=HEADER_BYTES,
        server_header=False,
        date_header=True,
        proxy_headers=False,
    )


def patient_protocol(seconds: float) -> type[H11Protocol]:
    """Connections that are let go where a request's headers are not complete after so many seconds.

    uvicorn itself waits for ever there.
    """

    class Patient(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            self.waits: asyncio.TimerHandle | None = None
            super().connection_made(transport)
            self._expect()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._expected()
            elif self.waits is None and not self.transport.is_closing():
                self._expect()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._expected()

        def connection_lost(self, exc: Exception | None) -> None:
            self._expected()
            super().connection_lost(exc)

        def _expect(self) -> None:
            self.waits = self.loop.call_later(seconds, self.transport.close)

        def _expected(self) -> None:
            if self.waits is not None:
                self.waits.cancel()
                self.waits = None

    return Patient


def logs_as_json() -> None:
    """Log to stderr, one JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLog())
    for name in ("crossgraph.serving", "uvicorn", "uvicorn.error"):
        log = logging.getLogger(name)
        log.handlers, log.propagate = [handler], False
        log.setLevel(logging.INFO if name == "crossgraph.serving" else logging.WARNING)
