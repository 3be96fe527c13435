"""What one search compares: the pictures or the captions of a gallery, or those of them that a filter keeps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from crossgraph.gallery.search.filters import captions_where, rows_among
from crossgraph.gallery.search.options import Target
from crossgraph.gallery.search.query_encoder import EncodedQuery
from crossgraph.gallery.search.results import Stage
from crossgraph.gallery.stages.code_index import CodeIndex
from crossgraph.gallery.stages.sharded import ShardedCodes, compared, nearest_in_shards
from crossgraph.gallery.stages.shortlist import Candidates, nearest
from crossgraph.gallery.tables.disk_matrix import DiskMatrix, Rows
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.tables.snapshot import Snapshot


@dataclass(frozen=True)
class Scope:
    """Codes and vectors of the pictures or captions of one snapshot, row by row, and which rows may be answers.

    `allowed` is None where all may. `owners` names, for every caption that may be one, its first picture that may. What
    is on disk is searched in `probes` lists of every shard.
    """

    target: Target
    snapshot: Snapshot
    vectors: Rows
    codes: CodeIndex | ShardedCodes | None
    allowed: Bool[np.ndarray, " n"] | None
    owners: Mapping[int, int] | Int[np.ndarray, " m"]
    probes: int | None = None

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        target: Target,
        codes: CodeIndex | ShardedCodes | None,
        *,
        where: str | None,
        among: Collection[str] | None = None,
        probes: int | None = None,
    ) -> Scope:
        """The pictures or captions of `snapshot`, whose codes are `codes`, that the filter `where` keeps.

        With `among`, of the pictures with these ids alone; ids that no picture has count for nothing.
        """
        vectors = snapshot.vectors if target == "images" else snapshot.caption_vectors
        if where is None and among is None:
            return cls(target, snapshot, vectors, codes, None, snapshot.caption_owners, probes)
        rows, owners = rows_among(snapshot, where, among), dict[int, int]()
        kept: list[int] = rows.tolist()
        if target == "captions":
            owners = captions_where(snapshot, rows)
            kept = list(owners)
        allowed = np.zeros(len(vectors), np.bool_)
        allowed[kept] = True
        return cls(target, snapshot, vectors, codes, allowed, owners, probes)

    def __len__(self) -> int:
        """How many may be answers."""
        return len(self.vectors) if self.allowed is None else int(self.allowed.sum())

    def holds(self, row: int) -> bool:
        """Whether the row may be an answer."""
        return self.allowed is None or bool(self.allowed[row])

    def near_codes(self, code: UInt8[np.ndarray, " bytes"], *, k: int, without: tuple[int, ...]) -> Candidates:
        """The nearest rows by code, of those that may be answers."""
        assert self.codes is not None
        if isinstance(self.codes, ShardedCodes):
            return self.codes.nearest(code, k=k, probes=self.probes, without=without, allowed=self.allowed)
        return self.codes.nearest(code, k=k, without=without, allowed=self.allowed)

    def near_vectors(
        self,
        vector: Float[np.ndarray, " d"],
        *,
        k: int,
        without: tuple[int, ...],
        among: Int[np.ndarray, " c"] | None = None,
    ) -> Candidates:
        """The nearest rows by vector, of those that may be answers, or `among` some of them."""
        if isinstance(self.vectors, DiskMatrix) and among is None:
            return nearest_in_shards(
                self.vectors, vector, k=k, probes=self.probes, without=without, allowed=self.allowed
            )
        return nearest(self.vectors, vector, k=k, without=without, allowed=self.allowed, among=among)

    @property
    def compared_codes(self) -> int:
        """How many codes a search compares; where they are on disk, about."""
        if isinstance(self.codes, ShardedCodes):
            return compared(self.codes.codes, self.probes)
        return 0 if self.codes is None else len(self.codes)

    @property
    def compared_vectors(self) -> int:
        """How many vectors a search without codes compares; where they are on disk, about."""
        return compared(self.vectors, self.probes) if isinstance(self.vectors, DiskMatrix) else len(self.vectors)

    def scores(self, rows: Int[np.ndarray, " r"], asked: EncodedQuery, stage: Stage) -> Float[np.ndarray, " r"]:
        """What a stage before re-ranking scores some rows."""
        if stage == "codes" and self.codes is not None and asked.code is not None:
            return self.codes.scores(rows, asked.code)
        return self.vectors.products(asked.vector, rows)

    def keys(self, rows: Int[np.ndarray, " r"]) -> list[str]:
        """The content keys of some rows, by which their fine features are stored."""
        images = self.target == "images"
        column = self.snapshot.items["digest"] if images else self.snapshot.captions["id"]
        keys: list[str] = column.take(rows).to_pylist()
        return keys

    def item(self, row: int) -> Item:
        """The picture at a row, or of the caption there."""
        return self.items(np.array([row], np.int64))[0]

    def items(self, rows: Int[np.ndarray, " r"]) -> tuple[Item, ...]:
        """The pictures at some rows, or of the captions there, in that order."""
        images = self.target == "images"
        return self.snapshot.items_at(rows if images else [int(self.owners[row]) for row in rows.tolist()])

    def caption(self, row: int) -> str | None:
        """The caption at a row; None where pictures are compared."""
        return self.snapshot.captions["text"][row].as_py() if self.target == "captions" else None
