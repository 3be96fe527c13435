"""All of a gallery's tables that a search needs, in memory, and how the next moment follows from it."""

from __future__ import annotations

from dataclasses import dataclass

import lance
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crossgraph.gallery.tables.caption_owners import NOBODY, first_owners, owners_following
from crossgraph.gallery.tables.likeness import SIEVE
from crossgraph.gallery.tables.memory_table import MemoryTable, spliced_table
from crossgraph.gallery.tables.notes import NotesInMemory
from crossgraph.gallery.tables.snapshot import Snapshot
from crossgraph.gallery.tables.splice import Splice

LOOKS = "perceptual_hash"
STAMPS = ("indexed_at", "path", "digest")
"""What tells that a picture's row is still the one that was read: every writer of rows sets `indexed_at` anew."""


@dataclass(frozen=True)
class MemoryIndex:
    """Pictures, captions and notes as they were read; `owners` says of every caption, visible or not, who carries it.

    `snapshot` is what of that is visible. `moved` says how its pictures came out of those of the moment before, and
    `new` are those that are new.
    """

    items: MemoryTable
    captions: MemoryTable
    notes: NotesInMemory
    owners: NDArray[np.int64]
    snapshot: Snapshot
    moved: Splice
    new: pa.Table

    @classmethod
    def read(
        cls,
        items: lance.LanceDataset,
        captions: lance.LanceDataset,
        notes: lance.LanceDataset | None,
        *,
        on_disk: bool = False,
    ) -> MemoryIndex:
        """All of it, each table as of the version that is opened; or, `on_disk`, without vectors, codes and hashes."""
        read = MemoryTable.read(items, stamps=STAMPS, on_disk={LOOKS: SIEVE} if on_disk else None)
        texts = MemoryTable.read(captions, stamps=("text",), on_disk={} if on_disk else None)
        owners = first_owners(read.rows, texts.rows["id"])
        return cls._of(read, texts, NotesInMemory.read(notes), owners, Splice.anew(0, len(read.rows)), read.rows)

    def following(
        self, items: lance.LanceDataset, captions: lance.LanceDataset, notes: lance.LanceDataset | None
    ) -> MemoryIndex:
        """The same as of these versions; only what changed is read."""
        read, moved, new = self.items.following(items)
        texts, renewed, _ = self.captions.following(captions)
        owners = self.owners
        if moved.changed or renewed.changed:
            owners = owners_following(owners, read.rows, texts.rows["id"], new, moved=moved, renewed=renewed)
        return self._of(read, texts, self.notes.following(notes), owners, moved, new)

    def was_read_from(
        self, items: lance.LanceDataset, captions: lance.LanceDataset, notes: lance.LanceDataset | None
    ) -> bool:
        """Whether these versions of the tables are later, or those that were read."""
        return (
            self.items.was_read_from(items)
            and self.captions.was_read_from(captions)
            and self.notes.was_read_from(notes)
        )

    @classmethod
    def _of(
        cls,
        items: MemoryTable,
        captions: MemoryTable,
        notes: NotesInMemory,
        owners: NDArray[np.int64],
        moved: Splice,
        new: pa.Table,
    ) -> MemoryIndex:
        texts, of_captions, visible = captions.rows, captions.columns(), owners
        if (owners == NOBODY).any():  # stored before a picture that carries them, or left when it went
            nobody = Splice.of(len(owners), np.flatnonzero(owners == NOBODY).tolist(), ())
            texts, visible = spliced_table(nobody, texts, texts.slice(0, 0)), owners[owners != NOBODY]
            of_captions = {name: one.subset(np.flatnonzero(owners != NOBODY)) for name, one in of_captions.items()}
        snapshot = Snapshot(
            (items.version, captions.version, notes.version),
            items.rows.drop_columns("indexed_at"),
            items.column("vector"),
            texts,
            of_captions["vector"],
            visible,
            notes.values,
            items.column(LOOKS),
            items.columns().get("code"),
            of_captions.get("code"),
            None if items.on_disk is None else items.matrices[LOOKS],
        )
        return cls(items, captions, notes, owners, snapshot, moved, new)
