"""A local object store that carries out one request after the other, so that its conditions hold: a process of its own.

A client that is stopped in the middle of a request holds up nobody else: requests are read before their turn.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pytest

BUCKET = "pictures"


@contextmanager
def object_store() -> Iterator[str]:
    """The address of an S3 server on this machine with the bucket `BUCKET`; it ends with the block."""
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        assert select.select([server.stdout], [], [], 60)[0], "the server did not start"
        url = server.stdout.readline().strip()
        urllib.request.urlopen(urllib.request.Request(f"{url}/{BUCKET}", method="PUT"), timeout=30).close()
        yield url
    finally:
        server.stdin.close()  # it ends with its input, also when this process is killed
        server.wait(30)
        server.stdout.close()


def reach(patch: pytest.MonkeyPatch, url: str) -> None:
    """Have this process, and those it starts, find the store at `url`."""
    for name, value in environment(url).items():
        patch.setenv(name, value)


def environment(url: str) -> dict[str, str]:
    """What a process must be told to reach the store at `url`."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "anybody",
        "AWS_SECRET_ACCESS_KEY": "anything",
        "AWS_REGION": "us-east-1",
    }


def _serve() -> None:
    import logging
    import threading

    from moto.server import create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    store, turn = create_backend_app("s3"), threading.Lock()

    def in_turn(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"]
        complete = environ.get("wsgi.input_terminated")
        environ["wsgi.input"] = BytesIO(body.read() if complete else body.read(int(environ.get("CONTENT_LENGTH") or 0)))
        with turn:
            return [b"".join(store(environ, start_response))]

    WSGIRequestHandler.protocol_version = "HTTP/1.1"  # else every request is a connection, and a thread, of its own
    server = make_server("127.0.0.1", 0, in_turn, threaded=True)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    _serve()
