"""Objects under an address in an object store that keeps the conditions of S3."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Hashable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crossgraph.errors import GalleryError
from crossgraph.storage import lease
from crossgraph.storage.address import PATIENCE, Address, connection
from crossgraph.storage.lease import Lease
from crossgraph.storage.objects import Objects

LOOK_EVERY = 1.0
"""Seconds between two looks at whether something was written: a look takes four requests."""

WRITTEN = "written"
"""The entry of a document that says by which write it was written: no two are alike, and so neither are their tags."""


class Bucket:
    """The objects under `address`, or, of those, under a `name`; one writer holds a lease of `seconds`."""

    def __init__(self, address: Address, *, seconds: float | None = None) -> None:
        self._objects = Objects(address)
        self._seconds = seconds
        self._held: list[Lease] = []
        self._name = ""

    def __str__(self) -> str:
        return str(self._objects.address)

    @property
    def uri(self) -> str:
        """The address."""
        return f"{self._objects.address}/{self._name}".rstrip("/")

    @property
    def options(self) -> dict[str, str]:
        """How the store is reached, and how long it is asked again."""
        return {**connection(), "client_max_retries": "5", "client_retry_timeout": str(PATIENCE)}

    @property
    def beside(self) -> Path:
        """A folder in this user's cache."""
        root = os.environ.get("CROSSGRAPH_CACHE")
        named = hashlib.sha256(f"{connection().get('aws_endpoint', '')} {self}".encode()).hexdigest()[:24]
        found = (Path(root) if root else Path.home() / ".cache" / "crossgraph") / "galleries" / named
        with suppress(OSError):  # what is kept in it can be done without
            found.mkdir(parents=True, exist_ok=True)
        return found

    @property
    def is_folder(self) -> bool:
        """It is none."""
        return False

    @property
    def look_every(self) -> float:
        """Every look is a request."""
        return LOOK_EVERY

    @property
    def fenced(self) -> bool:
        """A lease can run out while its writer does not run."""
        return True

    def under(self, name: str) -> Bucket:
        """The objects whose name begins so."""
        if not name:
            return self
        found = object.__new__(Bucket)
        found.__dict__ = {**self.__dict__, "_name": self._path(name)}
        return found

    def names(self) -> list[str]:
        """What lies in it."""
        return self._objects.names(self._name)

    def read(self, name: str) -> bytes:
        """An object; of a document without what says by which write it was written."""
        content, _ = self._objects.get(self._path(name))
        found = json.loads(content)
        found.pop(WRITTEN, None)
        return json.dumps(found, indent=2).encode()

    def stamp(self, name: str) -> Hashable:
        """Its tag."""
        return self._objects.tag(self._path(name))

    def write(self, name: str, content: bytes) -> None:
        """Replace a JSON object, if nobody does meanwhile and the lease is held."""
        try:
            over = self._objects.tag(self._path(name))
        except FileNotFoundError:
            over = None
        self._write(name, content, over)

    def write_again(self, name: str, *, otherwise: bytes | None = None) -> None:
        """Write a document as it is, so that who looked at it before can no longer replace it.

        Where there is none, `otherwise` is written, if given. Raises `ConflictError` if it was replaced meanwhile.
        """
        over: str | None = None
        try:
            over = self._objects.tag(self._path(name))
            content: bytes | None = self.read(name)
        except FileNotFoundError:
            content = otherwise
        if content is not None:
            self._write(name, content, over)

    def remove(self, name: str) -> None:
        """Remove an object, and all whose name begins so."""
        path = self._path(name)
        self.check()
        self._objects.delete([path, *(one for one, _ in self._objects.sizes(path))])

    def size(self, name: str = "") -> int:
        """Bytes of all objects."""
        return sum(size for _, size in self._objects.sizes(self._path(name)))

    @contextmanager
    def writing(self) -> Iterator[bool]:
        """Hold the lease. If the block ends with an error, the next one is told that this one may be unaware."""
        seconds = lease.SECONDS if self._seconds is None else self._seconds
        held, clean = Lease(self._objects, seconds=seconds), False
        unaware = held.acquire()
        self._held.append(held)
        try:
            yield unaware
            clean = True
        finally:
            self._held.remove(held)
            held.release(clean=clean)

    def check(self) -> None:
        """The lease is looked up."""
        if not self._held:
            raise GalleryError(f"{self} is written only while its lease is held; use Gallery.changing().")
        self._held[-1].check()

    def _path(self, name: str) -> str:
        return f"{self._name}/{name}".strip("/")

    def _write(self, name: str, content: bytes, over: str | None) -> None:
        self.check()
        told = {**json.loads(content), WRITTEN: {"epoch": self._held[-1].epoch, "write": uuid.uuid4().hex}}
        self._objects.put(self._path(name), json.dumps(told, indent=2).encode(), over=over)
