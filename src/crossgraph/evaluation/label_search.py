"""Searches judged by labels: one side's items as queries, the other's as the gallery, block by block.

Items are ranked by their packed codes where both sides have them, which is exact and fast, and else by the cosine of
their embeddings; the fine score of a re-ranking method takes no part. Two items are relevant to each other when they
share a label.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crossgraph.bits import pack_words, words_of
from crossgraph.errors import DataError, ScoreError
from crossgraph.evaluation.hamming import hamming_groups
from crossgraph.evaluation.label_metrics import average_precision
from crossgraph.evaluation.ranking import refuse_non_finite
from crossgraph.evaluation.tie_groups import TieGroups, groups_of_scores
from crossgraph.types import Encoded

PAIRS = 2**21
"""How many pairs of a query and an item a block holds at most."""


@dataclass(frozen=True)
class LabelledItems:
    """One side of a search: encodings, labels, and of which picture each item is (a caption's is the one it is of)."""

    encoded: Encoded
    labels: Bool[np.ndarray, "n c"]
    image: Int[np.ndarray, " items"]

    def __post_init__(self) -> None:
        if not len(self.encoded) == len(self.labels) == len(self.image):
            raise ScoreError(
                f"{len(self.encoded)} encodings, {len(self.labels)} rows of labels and {len(self.image)} pictures; "
                "there must be one of each an item."
            )

    def __len__(self) -> int:
        return len(self.image)

    def where(self, kept: Bool[np.ndarray, " n"]) -> LabelledItems:
        """Only the items at which `kept` is true."""
        return self._take(np.flatnonzero(kept))

    def blocks(self, size: int) -> Iterator[LabelledItems]:
        """The items in order, at most `size` at a time."""
        for start in range(0, len(self), size):
            yield self._take(np.arange(start, min(start + size, len(self))))

    def _take(self, rows: Int[np.ndarray, " k"]) -> LabelledItems:
        encoded = Encoded(self.encoded.embedding, code=self.encoded.code)[torch.from_numpy(rows)]
        return LabelledItems(encoded, self.labels[rows], self.image[rows])


def rankings(
    queries: LabelledItems, gallery: LabelledItems, *, own_pair: bool = True, graded: bool = False
) -> Iterator[TieGroups]:
    """The gallery's rankings for all queries, in blocks of queries.

    Without `own_pair`, a query skips the items of its own picture. `graded` counts how many labels are shared, for
    NDCG; else sharing several counts as sharing one.
    """
    if not len(queries) or not len(gallery):
        raise DataError(f"{len(queries)} queries against {len(gallery)} items: there is nothing to search.")
    by_code = queries.encoded.code is not None and gallery.encoded.code is not None
    rank = _by_code if by_code else _by_cosine
    # a code's row of counts is short; a block of scores holds whole rows
    for block in queries.blocks(4096 if by_code else max(1, PAIRS // len(gallery))):
        own = None if own_pair else _own_items(block.image, gallery.image)
        yield rank(block, gallery, own, graded)


def scores_of_queries(
    queries: LabelledItems, gallery: LabelledItems, rows: Int[np.ndarray, " k"], *, own_pair: bool = True
) -> tuple[Float[Tensor, "k n"], Bool[Tensor, "k n"]]:
    """What `rankings` ranks by for the queries at `rows`, and what is relevant to them.

    The cosine, or less the Hamming distance; minus infinity for the items of a query's own picture without `own_pair`.
    """
    some = queries._take(rows)
    if (code := some.encoded.code) is not None and (other := gallery.encoded.code) is not None:
        words, others = words_of(code.cpu().numpy()), words_of(other.cpu().numpy())
        scores = -np.bitwise_count(words[:, None] ^ others[None]).sum(-1).astype(np.float32)
    else:
        scores = (some.encoded.embedding @ gallery.encoded.embedding.T).cpu().numpy()
    relevant = (some.labels.astype(np.float32) @ gallery.labels.astype(np.float32).T) > 0
    if not own_pair:
        own = some.image[:, None] == gallery.image[None]
        scores, relevant = np.where(own, -np.inf, scores), relevant & ~own
    return torch.from_numpy(scores), torch.from_numpy(relevant)


def mean_average_precision(queries: LabelledItems, gallery: LabelledItems, *, own_pair: bool = True) -> float:
    """mAP@all with ties by expectation, over the queries that have a relevant item; 0 when none has."""
    total, answered = 0.0, 0
    for groups in rankings(queries, gallery, own_pair=own_pair):
        total += float(average_precision(groups).sum())
        answered += int((groups.found > 0).sum())
    return total / answered if answered else 0.0


def _by_code(queries: LabelledItems, gallery: LabelledItems, own: list[np.ndarray] | None, graded: bool) -> TieGroups:
    assert queries.encoded.code is not None
    assert gallery.encoded.code is not None
    return hamming_groups(
        words_of(queries.encoded.code.cpu().numpy()),
        words_of(gallery.encoded.code.cpu().numpy()),
        bits=gallery.encoded.embedding.shape[1],
        query_labels=pack_words(queries.labels),
        gallery_labels=pack_words(gallery.labels),
        own=own,
        graded=graded,
    )


def _by_cosine(queries: LabelledItems, gallery: LabelledItems, own: list[np.ndarray] | None, graded: bool) -> TieGroups:
    scores = (queries.encoded.embedding @ gallery.encoded.embedding.T).cpu()
    refuse_non_finite(scores)
    counts = (queries.labels.astype(np.float32) @ gallery.labels.astype(np.float32).T).astype(np.int64)
    return groups_of_scores(scores.numpy(), counts if graded else np.minimum(counts, 1), own)


def _own_items(queries: Int[np.ndarray, " q"], gallery: Int[np.ndarray, " n"]) -> list[np.ndarray]:
    """For each query, which items are of its own picture."""
    order = np.argsort(gallery, kind="stable")
    starts, ends = (np.searchsorted(gallery[order], queries, side=side) for side in ("left", "right"))
    return [order[start:end] for start, end in zip(starts, ends, strict=True)]
