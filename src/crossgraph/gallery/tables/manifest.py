"""The manifest of a gallery: which model encoded it, which tables it reads, and which folders went in."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from pydantic_core import from_json

from crossgraph.errors import GalleryError
from crossgraph.gallery.home import no_gallery
from crossgraph.storage.clearing import OWN
from crossgraph.storage.interface import Storage
from crossgraph.storage.opening import storage_of

FORMAT, READ = 4, (3, 4)
"""The format of new galleries, and those that are read: until 4 codes were bytes, and are lists of numbers since, which
a version that reads 3 only would take for something else. A gallery keeps its format until it is migrated."""
FILE = "gallery.json"
TABLES = ("items", "captions", "parts")
"""The tables of a model, in the folder that the manifest names."""


class Optimized(BaseModel):
    """The last success of compaction."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: datetime
    saved: int


class Manifest(BaseModel):
    """What must be known before a gallery is read or written; replaced as a whole, never edited in place.

    `model` and `shortlist` are fingerprints, `run` is where the model was loaded from, or its name if it comes with
    crossgraph, and `run_from_here` the same as seen from the gallery's folder, for a gallery that moved together with
    it; `width` is that of the shortlist vectors, `bits` that of codes (0: there are none). `roots` are the folders that
    hold the pictures indexed so far, `sources` the folders and caption files that a sync looks at, `excludes` the
    patterns of files that it leaves out of each. `tables` is the subfolder with the model's tables,
    `migrating` the one that is being made for another model. `optimized` says when the tables were last compacted and
    how many bytes that saved.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    model: str
    shortlist: str | None
    method: str
    run: str | None
    run_from_here: str | None = None
    width: int
    bits: int = 0
    roots: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    excludes: dict[str, tuple[str, ...]] = {}
    tables: str = ""
    migrating: str | None = None
    optimized: Optimized | None = None

    @classmethod
    def read(cls, place: Storage | Path | str) -> Manifest:
        """The manifest of the gallery in a place. Raises `GalleryError` if there is none, or a damaged one."""
        storage = storage_of(place)
        try:
            text = storage.read(FILE)
            _require_format(storage, text)
            return cls.model_validate_json(text)
        except FileNotFoundError:
            if _was_begun(storage):
                raise GalleryError(
                    f"{storage} is no gallery yet: making one was begun there, and stopped before anything was stored. "
                    f"Run the same again: crossgraph index FOLDER --gallery {storage}."
                ) from None
            raise no_gallery(str(storage), f"it has no {FILE}") from None
        except (OSError, ValueError) as error:
            raise GalleryError(f"{storage}/{FILE} cannot be read: {error}. Index into a new gallery.") from error

    def with_run(self, run: Path | str | None, place: Storage | Path) -> Manifest:
        """The manifest of the gallery that lies in `place`, whose model was loaded from `run`."""
        storage = storage_of(place)
        far = run is None or not os.path.isabs(run) or not storage.is_folder
        seen = None if run is None or far else os.path.relpath(run, os.path.realpath(storage.beside))
        return self.model_copy(update={"run": None if run is None else str(run), "run_from_here": seen})

    def write(self, place: Storage | Path) -> None:
        """Replace the manifest at once: after a kill there is the old one or the new one."""
        storage = storage_of(place)
        try:
            storage.write(FILE, self.model_dump_json(indent=2).encode())
        except OSError as error:
            raise GalleryError(f"{storage}/{FILE} could not be written: {error.strerror}.") from error


def _was_begun(storage: Storage) -> bool:
    """Whether there is nothing in a place but what is made in it before it is a gallery."""
    try:
        names = set(storage.names())
    except (OSError, GalleryError):
        return False
    return bool(names) and names <= {*OWN, *(f"{name}.lance" for name in TABLES)}


def _require_format(folder: Storage, text: bytes) -> None:
    """Raise `GalleryError` for a manifest of another format, which may have other fields."""
    found = from_json(text)
    if not isinstance(found, dict) or (asked := found.get("format", FORMAT)) in READ:
        return
    newer = isinstance(asked, int) and asked > FORMAT
    raise GalleryError(
        f"{folder} has gallery format {asked}, this version reads {' and '.join(map(str, READ))}. Its pictures are "
        + ("untouched: open it with a newer crossgraph." if newer else "untouched: index their folders into a new one.")
    )
