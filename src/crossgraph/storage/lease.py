"""A lease: what keeps other writers out of an object store, where there are no file locks.

It is one object, written only on the condition that it is as it was last seen (If-None-Match, If-Match), so of two
writers one gets it. It says until when it holds, and who holds it writes it again long before; whoever finds it run out
takes it over and raises its `epoch`. No clock is trusted: a lease that is taken over too early costs the other writer
its run and nothing else, because every write of a gallery looks at the lease after it looked at what it writes over,
and who takes a lease over first writes everything again as it is (`gallery.tables.fencing`). A write that began before
then finds its condition broken, and one that begins later finds the lease lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crossgraph.errors import GalleryError
from crossgraph.storage.objects import ConflictError, Objects

FILE = "lease.json"
SECONDS = 60.0
"""How long a lease holds that is not written again. Who holds it does so after a third of that."""


class Lease:
    """The lease of a gallery. Used by one writer, once: `acquire`, `check` before every write, `release`."""

    def __init__(self, objects: Objects, *, seconds: float = SECONDS) -> None:
        self._objects, self._seconds = objects, seconds
        self._nonce = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._lost = ""
        self._tag = ""
        self._renewed = 0.0
        self.epoch = 0

    def acquire(self) -> bool:
        """Take it. Gives whether one who had it before may still write, unaware.

        Raises `GalleryError` if another one holds it.
        """
        for _ in range(10):
            found, tag = self._read()
            if found.get("nonce") and not _has_ended(found):
                raise GalleryError(_held(str(self._objects.address), found))
            self.epoch = int(found.get("epoch", 0)) + 1
            try:
                self._write(tag)
            except ConflictError:
                continue  # another one was faster: look who
            threading.Thread(target=self._renew_until_over, name="lease", daemon=True).start()
            return not found.get("clean", True)
        raise GalleryError(f"{self._objects.address} is wanted by many writers at once. Try again.")

    def check(self) -> None:
        """Raise `GalleryError` if another one took it over; it is looked up in the store."""
        with self._lock:
            if not self._lost and time.monotonic() - self._renewed > self._seconds / 3:
                self._renew()
            elif not self._lost and not self._is_ours():
                self._lose(self._read()[0])
            if self._lost:
                raise GalleryError(self._lost)

    def release(self, *, clean: bool) -> None:
        """Let another one have it; unless `clean`, something may have been begun that ends by itself later.

        What goes wrong is left: the lease runs out.
        """
        self._over.set()
        with self._lock, contextlib.suppress(GalleryError, OSError):
            if not self._lost:
                self._objects.put(
                    FILE, _document({"epoch": self.epoch, "nonce": "", "clean": clean, "by": _who()}), over=self._tag
                )

    def _is_ours(self) -> bool:
        try:
            return self._objects.tag(FILE) == self._tag
        except FileNotFoundError:
            return False

    def _renew_until_over(self) -> None:
        while not self._over.wait(self._seconds / 3):
            with self._lock, contextlib.suppress(GalleryError, OSError):  # what is wrong is told by `check`
                if self._lost or self._over.is_set():
                    return
                self._renew()

    def _renew(self) -> None:
        try:
            self._write(self._tag)
        except ConflictError:
            self._lose(self._read()[0])

    def _lose(self, found: dict[str, Any]) -> None:
        self._lost = (
            f"another process ({found.get('by', 'unknown')}) took over {self._objects.address}, because this one had "
            f"not been heard of for {self._seconds:g} seconds. What it committed before is stored; run the same "
            "command again."
        )

    def _read(self) -> tuple[dict[str, Any], str | None]:
        try:
            content, tag = self._objects.get(FILE)
        except FileNotFoundError:
            return {}, None
        try:
            return dict(json.loads(content)), tag
        except (ValueError, TypeError):
            return {"clean": False}, tag

    def _write(self, over: str | None) -> None:
        """Write it; where an earlier try of the same write arrived after all, that is the one."""
        now, begun = datetime.now(UTC), time.monotonic()
        told = {
            "epoch": self.epoch,
            "nonce": self._nonce,
            "clean": False,
            "by": _who(),
            "at": now.isoformat(),
            "until": now.timestamp() + self._seconds,
            "machine": _machine(),
            "process": os.getpid(),
            "began": _began(os.getpid()),
        }
        content = _document(told)
        try:
            self._tag = self._objects.put(FILE, content, over=over)
        except ConflictError:
            found, tag = self._read()
            if tag is None or found != told:
                raise
            self._tag = tag
        self._renewed = begun


def _who() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _document(told: dict[str, Any]) -> bytes:
    return json.dumps(told, indent=1).encode()


def _has_ended(found: dict[str, Any]) -> bool:
    """Whether a lease ran out, or its process is known to be gone."""
    if time.time() > float(found.get("until", 0)):
        return True
    here = bool(found.get("machine")) and found.get("machine") == _machine()
    return here and _began(int(found.get("process", 0))) != found.get("began")


def _held(place: str, found: dict[str, Any]) -> str:
    until = datetime.fromtimestamp(float(found.get("until", 0)), UTC)
    return (
        f"another process is indexing into {place}, or changing it: {found.get('by', 'unknown')}. Wait until it is "
        f"done, or stop it; if it was cut off, its lease ends at {until:%H:%M:%S} UTC."
    )


def _machine() -> str:
    """What names this machine, since it was started, and the set of processes seen here; nothing if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _began(process: int) -> str:
    """When a process of this machine began, as its kernel counts; nothing if there is none."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if status[0] in "ZX" else status[19]
