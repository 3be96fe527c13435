"""One picture of a gallery: what is known of it besides its features, and how it is named."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from crossgraph.data.places import absolute
from crossgraph.errors import GalleryError

BY_HAND = "by hand"
"""The source of a picture that was added by itself, not with a folder."""

ID = r"[A-Za-z0-9._:-]{1,128}"
"""What an id of a picture looks like, as a regular expression."""


@dataclass(frozen=True)
class Item:
    """One picture of a gallery; `captions` and `labels` are those it came with.

    `modified` is when its file was last written, `taken` what its camera noted, both in UTC; `source` is the corpus it
    came with, `perceptual_hash` is for finding pictures that look alike.
    """

    id: str
    path: Path
    digest: str
    width: int
    height: int
    captions: tuple[str, ...]
    labels: tuple[str, ...] = ()
    perceptual_hash: bytes = b""
    bytes: int = 0
    modified: datetime | None = None
    taken: datetime | None = None
    source: str = ""


@dataclass(frozen=True)
class Known:
    """What a new look at the files is compared with: a stored picture, and when it was stored."""

    id: str
    path: str
    digest: str
    captions: tuple[str, ...]
    labels: tuple[str, ...]
    bytes: int | None
    modified: datetime | None
    source: str
    indexed_at: datetime


def item_id(path: Path) -> str:
    """The id of the picture at `path`: a hash of its absolute path, so equal names in two folders differ."""
    return hashlib.sha256(os.fsencode(absolute(path))).hexdigest()[:16]


def fresh_id(path: Path, *taken: Container[str]) -> str:
    """An id for a new picture at `path`: `item_id`, unless another picture has it or left notes under it."""
    found, number = item_id(path), 2
    while any(found in ids for ids in taken):
        found = hashlib.sha256(os.fsencode(absolute(path)) + b"\0%d" % number).hexdigest()[:16]
        number += 1
    return found


def checked_id(name: str) -> str:
    """`name`, if it can be an id. Raises `GalleryError` if not."""
    if not re.fullmatch(ID, name):
        raise GalleryError(
            f"{name!r} cannot be an id. Use 1 to 128 letters, digits, dots, colons, hyphens and underscores."
        )
    return name


def caption_id(text: str) -> str:
    """The id of a sentence: a hash of its text, so a sentence that recurs is stored once."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
