"""What one search compares: the pictures or the captions of a gallery, or those of them that a filter keeps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crossgraph.gallery.search.filters import captions_where, rows_among
from crossgraph.gallery.search.options import Target
from crossgraph.gallery.search.query_encoder import EncodedQuery
from crossgraph.gallery.search.results import Stage
from crossgraph.gallery.stages.codes import CodeIndex
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.tables.matrix import Matrix
from crossgraph.gallery.tables.snapshot import Snapshot


@dataclass(frozen=True)
class Scope:
    """Codes and vectors of the pictures or captions of one snapshot, row by row, and which rows may be answers.

    `allowed` is None where all may. `owners` names, for every caption that may be one, its first picture that may.
    """

    target: Target
    snapshot: Snapshot
    vectors: Matrix
    codes: CodeIndex | None
    allowed: Bool[Tensor, " n"] | None
    owners: Mapping[int, int] | Int[np.ndarray, " m"]

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        target: Target,
        codes: CodeIndex | None,
        *,
        where: str | None,
        among: Collection[str] | None = None,
    ) -> Scope:
        """The pictures or captions of `snapshot`, whose codes are `codes`, that the filter `where` keeps.

        With `among`, of the pictures with these ids alone; ids that no picture has count for nothing.
        """
        vectors = snapshot.vectors if target == "images" else snapshot.caption_vectors
        if where is None and among is None:
            return cls(target, snapshot, vectors, codes, None, snapshot.caption_owners)
        rows, owners = rows_among(snapshot, where, among), dict[int, int]()
        kept: list[int] = rows.tolist()
        if target == "captions":
            owners = captions_where(snapshot, rows)
            kept = list(owners)
        allowed = torch.zeros(len(vectors), dtype=torch.bool)
        allowed[kept] = True
        return cls(target, snapshot, vectors, codes, allowed, owners)

    def __len__(self) -> int:
        """How many may be answers."""
        return len(self.vectors) if self.allowed is None else int(self.allowed.sum())

    def holds(self, row: int) -> bool:
        """Whether the row may be an answer."""
        return self.allowed is None or bool(self.allowed[row])

    def scores(self, rows: Int[Tensor, " r"], asked: EncodedQuery, stage: Stage) -> Float[Tensor, " r"]:
        """What a stage before re-ranking scores some rows."""
        if stage == "codes" and self.codes is not None and asked.code is not None:
            return self.codes.scores(rows, asked.code)
        return self.vectors.products(asked.vector, rows)

    def keys(self, rows: Int[Tensor, " r"]) -> list[str]:
        """The content keys of some rows, by which their fine features are stored."""
        images = self.target == "images"
        column = self.snapshot.items["digest"] if images else self.snapshot.captions["id"]
        keys: list[str] = column.take(rows.numpy()).to_pylist()
        return keys

    def item(self, row: int) -> Item:
        """The picture at a row, or of the caption there."""
        return self.snapshot.item(row if self.target == "images" else int(self.owners[row]))

    def caption(self, row: int) -> str | None:
        """The caption at a row; None where pictures are compared."""
        return self.snapshot.captions["text"][row].as_py() if self.target == "captions" else None
