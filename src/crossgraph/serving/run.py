"""A server run until it is told to stop: it takes no more requests, answers those it has, and ends."""

from __future__ import annotations

import asyncio
import logging
import resource
import secrets
import socket
import sys
from contextlib import suppress
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from crossgraph.errors import ConfigError
from crossgraph.serving.access import HEADERS
from crossgraph.serving.app import create_app
from crossgraph.serving.frame import JsonLog
from crossgraph.serving.problems import problem_response
from crossgraph.serving.settings import ServerSettings
from crossgraph.serving.work import require_pictures

GRACE = 10  # seconds that requests under way have to end
KEPT_ALIVE = 15  # seconds that a connection may be idle between requests
CONNECTIONS = 1_000
FILES = 8_192  # open files and connections, where the system lets a process have so many
HEADER_BYTES = 32 * 1024
SLOWEST = 1_024  # bytes a second that a client takes of its answer
LOG = logging.getLogger("crossgraph.serving")


def serve(settings: ServerSettings) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises `ConfigError` where nothing can listen at the address, `DataError` for a folder to index without pictures.
    """
    if settings.pictures is not None:
        require_pictures(settings.pictures)
    logs_as_json()
    allow_many_files()
    with listener(settings) as taken:
        if settings.pictures is not None:
            added = {"folder": str(settings.pictures), "gallery": str(settings.gallery)}
            LOG.info("adding the pictures of a folder to a gallery", extra={"facts": added})
        LOG.info("listening", extra={"facts": {"url": address_of(taken)}})
        uvicorn.Server(uvicorn_config(settings, create_app(settings))).run(sockets=[taken])


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
        h11_max_incomplete_event_size=HEADER_BYTES,
        server_header=False,
        date_header=True,
        proxy_headers=False,
    )


def listener(settings: ServerSettings) -> socket.socket:
    """A socket at the address. Raises `ConfigError` where none can be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise ConfigError(
            f"nothing can listen at {settings.host} port {settings.port}: {(error.strerror or str(error)).lower()}. "
            "Name another --port (0: any that is free) or --host."
        ) from error


def address_of(taken: socket.socket) -> str:
    """What a browser on this machine opens."""
    host, port = taken.getsockname()[:2]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}/"


def allow_many_files() -> None:
    """Have connections and tables not run into the number of open files that shells allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def patient_protocol(seconds: float, *, connections: int = CONNECTIONS) -> type[H11Protocol]:
    """Connections that are let go where a client does not send all headers of a request within so many `seconds`, or
    takes its answer slower than `SLOWEST`. More than so many `connections` are not taken.

    uvicorn itself waits for ever. (Bodies have their time in `deadlines`.)
    """

    class Patient(H11Protocol):
        waits: asyncio.TimerHandle | None = None
        drains: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > connections:
                transport.abort()
                return
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
            if self.transport.is_closing():
                self._end()

        def timeout_keep_alive_handler(self) -> None:
            super().timeout_keep_alive_handler()
            self._end()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._watch()

        def resume_writing(self) -> None:
            super().resume_writing()
            self._drained()

        def connection_lost(self, exc: Exception | None) -> None:
            self._expected()
            super().connection_lost(exc)
            self._drained()

        def send_400_response(self, msg: str) -> None:
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                said = problem_response(
                    400, "this is no request of HTTP that can be read.", request_id=secrets.token_hex(8)
                )
                own = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                headers = [*said.raw_headers, *own, (b"connection", b"close")]
                for event in (
                    h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                    h11.Data(data=bytes(said.body)),
                    h11.EndOfMessage(),
                ):
                    self.transport.write(self.conn.send(event))
            self._end()

        def _expect(self) -> None:
            self.waits = self.loop.call_later(seconds, self._end)

        def _expected(self) -> None:
            if self.waits is not None:
                self.waits.cancel()
                self.waits = None

        def _end(self) -> None:
            """Close it once what was written is taken, and at last without that."""
            self.transport.close()
            if self.transport.get_write_buffer_size():
                self.loop.call_later(seconds, self.transport.abort)

        def _watch(self) -> None:
            left = self.transport.get_write_buffer_size()
            self.drains = self.loop.call_later(seconds, self._look, left)

        def _look(self, before: int) -> None:
            if self.transport.get_write_buffer_size() > before - SLOWEST * seconds:
                self.transport.abort()
            else:
                self._watch()

        def _drained(self) -> None:
            if self.drains is not None:
                self.drains.cancel()
                self.drains = None

    return Patient


def logs_as_json() -> None:
    """Log to stderr, one JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLog())
    handler.addFilter(_is_no_cancelling)
    for name in ("crossgraph.serving", "uvicorn", "uvicorn.error"):
        log = logging.getLogger(name)
        log.handlers, log.propagate = [handler], False
        log.setLevel(logging.INFO if name == "crossgraph.serving" else logging.WARNING)


def _is_no_cancelling(record: logging.LogRecord) -> bool:
    """False for the traceback of a request that was let go because the server was told to stop."""
    return not (record.exc_info and record.exc_info[0] is asyncio.CancelledError)
