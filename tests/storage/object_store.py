"""A local object store that answers one request after the other, so that its conditions hold: a process of its own."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

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

    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    _serve()
