"""The storage that a path or an address names."""

from __future__ import annotations

from pathlib import Path

from crossgraph.storage.address import Address, folder_or_address
from crossgraph.storage.folder import Folder
from crossgraph.storage.interface import Storage


def storage_of(place: Storage | Path | str) -> Storage:
    """Where `place` says: a folder, or, of an address as s3://BUCKET/NAME, objects in a store; a storage is itself.

    Raises `ConfigError` for a bad address, or where what reads object stores is not installed.
    """
    if not isinstance(place, Path | str):
        return place
    found = folder_or_address(place)
    if isinstance(found, Path):
        return Folder(found)
    from crossgraph.storage.bucket import Bucket

    return Bucket(Address.parse(found))
