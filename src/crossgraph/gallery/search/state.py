"""A gallery as of one moment: the one value that everything in a search looks at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from crossgraph.errors import GalleryError
from crossgraph.gallery.search.exact import ExactHits
from crossgraph.gallery.search.facets import FacetIndex
from crossgraph.gallery.search.listing import Listing
from crossgraph.gallery.stages.code_index import CodeIndex
from crossgraph.gallery.stages.model import SearchModel
from crossgraph.gallery.stages.sharded import ShardedCodes
from crossgraph.gallery.tables.disk_matrix import DiskMatrix, Rows
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.gallery.tables.memory_index import MemoryIndex
from crossgraph.gallery.tables.snapshot import Snapshot
from crossgraph.gallery.tables.store import Store
from crossgraph.gallery.tables.version import Version
from crossgraph.storage.interface import Storage


def required(model: SearchModel | None, folder: Storage, manifest: Manifest) -> SearchModel:
    """`model`. Raises `GalleryError`, naming the one that made the gallery, if there is none."""
    if model is None:
        named = manifest.run or f"{manifest.method} {manifest.model}"
        raise GalleryError(f"{folder} was opened without a model. Open it with the one that made it ({named}).")
    return model


@dataclass(frozen=True)
class State:
    """Manifest, tables, what of them is in memory, and the model, as of one moment. It never changes; a later moment
    is another state.

    Only the fine features of candidates are read from the `store` later. They are found by content, so they are right
    whatever was written meanwhile, or gone, which is a `ReplacedError`.
    """

    manifest: Manifest
    store: Store
    memory: MemoryIndex
    exact: ExactHits
    model: SearchModel | None = None

    @classmethod
    def read(
        cls, manifest: Manifest, store: Store, *, model: SearchModel | None = None, on_disk: bool = False
    ) -> State:
        """The gallery as it is now. Raises `ReplacedError` if files that it reads are removed meanwhile.

        `on_disk` vectors, codes and hashes stay there, and searches look into shards.
        """
        memory = store.read(on_disk=on_disk)
        return cls(manifest, store, memory, ExactHits(memory.snapshot), model)

    def following(self, manifest: Manifest) -> State:
        """The gallery as it is now, by the same tables; only what changed is read."""
        memory = self.store.read(self.memory)
        exact = self.exact.following(memory.snapshot, memory.moved, memory.new)
        return State(manifest, self.store, memory, exact, self.model)

    def require_model(self) -> SearchModel:
        """The model that made the gallery. Raises `GalleryError` if it was opened without."""
        return required(self.model, self.store.storage, self.manifest)

    @property
    def folder(self) -> Path:
        """The folder for what can be made again; where the gallery lies in a folder, that one."""
        return self.store.folder

    @property
    def version(self) -> Version:
        """What names this state."""
        return Version(self.snapshot.version, self.manifest.tables)

    @property
    def snapshot(self) -> Snapshot:
        """Pictures, captions and notes."""
        return self.memory.snapshot

    @cached_property
    def facets(self) -> FacetIndex:
        """What counts the pictures by folder, date, label, size and note."""
        return FacetIndex(self.snapshot, self.manifest.roots)

    @cached_property
    def listing(self) -> Listing:
        """What lists the pictures without a query."""
        return Listing(self.snapshot)

    @cached_property
    def codes(self) -> CodeIndex | ShardedCodes | None:
        """The codes of the pictures, if the gallery has that stage."""
        return self._searched(self.snapshot.codes)

    @cached_property
    def caption_codes(self) -> CodeIndex | ShardedCodes | None:
        """The codes of the captions, if the gallery has that stage."""
        return self._searched(self.snapshot.caption_codes)

    def _searched(self, codes: Rows | None) -> CodeIndex | ShardedCodes | None:
        bits = self.manifest.bits
        if isinstance(codes, DiskMatrix):
            return ShardedCodes(codes, bits=bits)
        return None if codes is None else CodeIndex(codes, bits=bits)
