"""Writers that lost their place kept from committing what they had begun: everything is written again as it is.

A write is done in this order: look at what is written over, look whether the lease is held, write on the condition that
what was looked at is still there. Who takes over a lease raises its epoch first and fences second. So a write that was
under way is either there before it is fenced, whole, or fails.
"""

from __future__ import annotations

from crossgraph.errors import GalleryError
from crossgraph.gallery.tables import lance, manifest, skipped
from crossgraph.storage.bucket import Bucket
from crossgraph.storage.interface import Storage
from crossgraph.storage.objects import ConflictError

ATTEMPTS = 20


def fence(storage: Storage) -> None:
    """Fence all documents and tables of a gallery whose lease was just taken over."""
    names = storage.names()
    sets = [storage, *(storage.under(name) for name in names if name.startswith("tables-"))]
    with lance.plain_errors(storage):
        for place in sets:
            for name in place.names():
                if name.endswith(".lance") and lance.exists(place.under(name)):
                    lance.fence(lance.Table(place.under(name)))
    if isinstance(storage, Bucket):
        _write_again(storage, manifest.FILE, None)
        _write_again(storage, skipped.FILE, b"{}")


def _write_again(storage: Bucket, name: str, otherwise: bytes | None) -> None:
    for _ in range(ATTEMPTS):
        try:
            storage.write_again(name, otherwise=otherwise)
            return
        except ConflictError:  # a write arrived just before, and is kept
            continue
    raise GalleryError(f"{storage}: {name} is written to by others all the time. Try again.")
