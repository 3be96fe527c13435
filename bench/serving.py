"""A server of a gallery in a process of its own, and Chromium, for the measurements of the page."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socket import create_server
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from playwright.sync_api import Browser

COMMAND = (sys.executable, "-c", "from crossgraph.cli import main; main()", "serve")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
READY_WITHIN = 300.0


@dataclass
class Process:
    """A server that runs, and its address."""

    process: subprocess.Popen[bytes]
    url: str

    def wait(self, path: str) -> None:
        """Wait until `path` is answered with success. Ends the program where the server ended, or never is."""
        until = time.monotonic() + READY_WITHIN
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if httpx.get(self.url + path, timeout=10).is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise SystemExit(f"the server did not answer {path}")

    def stop(self) -> None:
        """End it."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)


@contextmanager
def serving(*options: str, ready: bool = True) -> Iterator[Process]:
    """`crossgraph serve` with `options` on a free port, once it is ready, or as soon as it answers at all."""
    with create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [*COMMAND, *options, "--port", str(port), "--rate", "0"]
    with open(os.devnull, "wb") as nowhere:
        server = Process(subprocess.Popen(command, stderr=nowhere, stdout=nowhere), f"http://127.0.0.1:{port}")
    try:
        server.wait("/v1/health/ready" if ready else "/v1/health/live")
        yield server
    finally:
        server.stop()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium: the one of `CROSSGRAPH_CHROMIUM`, or of this machine. Ends the program without one."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("CROSSGRAPH_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise SystemExit("no chromium is installed (Debian: apt-get install chromium), CROSSGRAPH_CHROMIUM names none")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()
