"""Pictures that lie inside other files (tar, parquet), unpacked once into the user's cache: the rest reads files.

What is unpacked belongs to one state of its source: its place, size and time. It is complete or absent.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from crossgraph.data.feature_cache import cache_root
from crossgraph.errors import DataError
from crossgraph.files import ABANDONED, TEMPORARY


def unpacked(source: Path, unpack: Callable[[Path], None]) -> Path:
    """The folder with what is inside `source`, filled by `unpack` if it is not there yet.

    Raises `DataError` where the cache cannot be written, or what `unpack` raises.
    """
    try:
        status = source.stat()
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error.strerror}).") from error
    state = f"{source.absolute()}|{status.st_size}|{status.st_mtime_ns}".encode("utf-8", "surrogateescape")
    readable = re.sub(r"[^\w.-]+", "-", source.stem) or "archive"
    place = cache_root() / "unpacked" / f"{readable}-{hashlib.sha256(state).hexdigest()[:16]}"
    if place.is_dir():
        return place
    temporary = place.with_name(f"{place.name}.{uuid.uuid4().hex}{TEMPORARY}")
    try:
        _remove_abandoned(place.parent)
        temporary.mkdir(parents=True)
        unpack(temporary)
        os.replace(temporary, place)
    except OSError as error:
        if not place.is_dir():  # or another process was quicker
            raise DataError(
                f"{source}: what is inside cannot be unpacked into {place.parent} ({error.strerror}). Free some space, "
                "or set CROSSGRAPH_CACHE to a folder that can be written."
            ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return place


def safe_path(folder: Path, name: str) -> Path:
    """Where something called `name` in an archive goes: never outside `folder`."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..", ".")]
    return folder.joinpath(*(part.replace("\0", "") for part in parts or ["unnamed"]))


def _remove_abandoned(folder: Path) -> None:
    """Remove what killed processes left half unpacked; a large archive takes hours, not days."""
    for leftover in folder.glob(f"*{TEMPORARY}"):
        if time.time() - leftover.stat().st_mtime > 24 * ABANDONED:
            shutil.rmtree(leftover, ignore_errors=True)
