"""How a number of label retrieval was made: who asks, what is searched, what counts. No number without its protocol.

`PROTOCOLS` holds the published ones and the project's own; `LabelProtocol.text` stands under every result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from crossgraph.config import merged, parse_change, validated
from crossgraph.data.corpus import Corpus
from crossgraph.errors import ConfigError, DataError, unknown_name
from crossgraph.evaluation.label_metrics import EmptyQueries, Normaliser

QUERY, TRAIN, REST = "query", "train", "rest"
"""The splits of a corpus whose queries are drawn."""

_DATABASES = {
    "train": "the training split",
    "unseen": "the queries' own split, unseen in training",
    "rest": "everything but the queries, training pictures included",
}
_CAPTIONS = {
    "first": "the first caption of each picture",
    "each": "each caption an item of its own",
    "joined": "all captions of a picture joined into one text",
}
_NORMALISERS = {
    "min_k_r": "min(k, R)",
    "hits": "the relevant items among the first k (hits)",
    "r": "R, all relevant items",
    "k": "k",
    "first_relevant": "precision at the first min(k, R) relevant items wherever they are",
}
_TIES = {"expected": "by expectation", "optimistic": "won by relevant items", "pessimistic": "lost by relevant items"}
_EMPTY = {"zero": "count as 0", "drop": "are dropped"}
_SELECTION = {
    "apart": "epochs selected on held-out pictures, never on queries",
    "any": "epochs may have been selected on the queries",
}


class LabelProtocol(BaseModel):
    """Everything a number of label retrieval depends on, besides the model; frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    queries: str = Field("val", description='the split that asks, or "drawn": a random sample')
    query_count: int | None = Field(None, ge=1, description="pictures to draw as queries")
    training_count: int | None = Field(None, ge=2, description="pictures to draw for training, from the rest")
    seed: int = Field(0, description="of the drawing")
    database: Literal["train", "unseen", "rest"] = "train"
    labelled_only: bool = Field(True, description="leave out pictures without any label")
    own_pair: bool = Field(
        False, description="a query's own picture or caption may be found, where the database has it"
    )
    captions: Literal["first", "each", "joined"] = "first"
    metric: Literal["map", "ndcg", "precision"] = "map"
    k: int | None = Field(None, ge=1, description="ranks that count; none: all")
    normaliser: Normaliser = Field("min_k_r", description="what mAP@k is divided by")
    ties: Literal["expected", "optimistic", "pessimistic"] = "expected"
    empty: EmptyQueries = Field("zero", description="what queries without a relevant item count")
    selection: Literal["apart", "any"] = "apart"

    @property
    def measure(self) -> str:
        """The name of the number that counts."""
        title = {"map": "mAP", "ndcg": "NDCG", "precision": "P"}[self.metric]
        return f"{title}@{'all' if self.k is None else self.k}"

    def text(self) -> str:
        """The protocol in one line, to stand under a table."""
        if self.queries == "drawn":
            queries = f"{self.query_count:,} pictures drawn with seed {self.seed}"
            queries += "" if self.training_count is None else f", then {self.training_count:,} to train on"
        else:
            queries = f"split {self.queries}"
        own = "not in it" if self.database != "unseen" else "included" if self.own_pair else "left out"
        counted = self.measure
        if (self.metric == "map" and self.k is not None) or self.normaliser == "first_relevant":
            counted += f" over {_NORMALISERS[self.normaliser]}"
        return (
            f"protocol {self.name}: queries: {queries}; database: {_DATABASES[self.database]}; own pair {own}; "
            f"{'only images with labels' if self.labelled_only else 'all images, labelled or not'}; "
            f"text: {_CAPTIONS[self.captions]}; relevant: a label in common; {counted}; ties {_TIES[self.ties]}; "
            f"queries without a relevant item {_EMPTY[self.empty]}; {_SELECTION[self.selection]}"
        )

    def varied(self, changes: Sequence[str]) -> LabelProtocol:
        """The protocol with each `name=value` of `changes` laid over it; its name says so. Raises `ConfigError`."""
        if not changes:
            return self
        tree: dict[str, Any] = self.model_dump()
        for change in changes:
            tree = merged(tree, parse_change(change))
        return validated(LabelProtocol, tree | {"name": f"{self.name} with {', '.join(changes)}"})

    def drawn(self, corpus: Corpus) -> Corpus:
        """The corpus with splits "query", "train" and "rest", if queries are drawn; else as it is.

        Pictures without labels are never drawn, nor kept where only those with labels count. Training and evaluation
        draw the same, so that no query was trained on. Raises `DataError` when there are too few pictures.
        """
        if self.queries != "drawn":
            return corpus
        if self.query_count is None:
            raise ConfigError(f"protocol {self.name} draws its queries; say how many with query_count.")
        labelled = np.flatnonzero(_labels(corpus).any(1))
        wanted = self.query_count + (self.training_count or 0)
        if wanted > len(labelled) or self.query_count >= len(labelled):
            raise DataError(
                f"protocol {self.name} draws {self.query_count:,} queries and {self.training_count or 0:,} pictures to "
                f"train on, and corpus {corpus.name!r} has {len(labelled):,} with labels; use a larger corpus, or vary "
                "query_count and training_count."
            )
        order = np.random.default_rng(self.seed).permutation(labelled)
        splits = [REST] * len(corpus)
        for row in order[: self.query_count]:
            splits[row] = QUERY
        for row in order[self.query_count : None if self.training_count is None else wanted]:
            splits[row] = TRAIN
        marked = replace(corpus, image_splits=tuple(splits))
        return marked.take(np.sort(labelled).tolist()) if self.labelled_only else marked

    def needed(self, corpus: Corpus) -> Corpus:
        """Only what is searched or asks, of a corpus that `drawn` returned. Raises `DataError` when either is empty."""
        labels, asks, searched = _labels(corpus), self.asks(corpus), self.searched(corpus)
        kept = (asks | searched) & (labels.any(1) | (not self.labelled_only))
        for part, which in ((asks, "queries"), (searched, "database")):
            if not (part & kept).any():
                raise DataError(
                    f"protocol {self.name} finds no labelled pictures for its {which} in corpus {corpus.name!r}, which "
                    f"has the splits {', '.join(corpus.splits)}; vary queries or database."
                )
        return corpus.take(np.flatnonzero(kept).tolist())

    def asks(self, corpus: Corpus) -> np.ndarray:
        """Which pictures are queries."""
        return np.array([split == self.query_split for split in corpus.image_splits], dtype=np.bool_)

    def searched(self, corpus: Corpus) -> np.ndarray:
        """Which pictures are in the database."""
        if self.database == "rest":
            return ~self.asks(corpus)
        wanted = TRAIN if self.database == "train" else self.query_split
        return np.array([split == wanted for split in corpus.image_splits], dtype=np.bool_)

    @property
    def query_split(self) -> str:
        """The name of the split that asks."""
        return QUERY if self.queries == "drawn" else self.queries

    def text_items(self, corpus: Corpus) -> Corpus:
        """The corpus with the text items as its captions; pictures without captions have none.

        Raises `DataError` where the features of several texts would have to be joined.
        """
        rows = corpus.captions_of_images()
        if self.captions == "each":
            return corpus
        if self.captions == "joined" and _has_given_texts(corpus) and any(len(some) > 1 for some in rows):
            raise DataError(
                f"corpus {corpus.name!r} has given features and no sentences to join; vary captions=first or each."
            )
        kept = [some[0] for some in rows if some]
        texts = [
            " ".join(corpus.captions[i] for i in (some[:1] if self.captions == "first" else some)) for some in rows
        ]
        images = corpus.caption_image[kept]
        return replace(
            corpus,
            captions=tuple(texts[image] for image in images),
            caption_image=images,
            telling=None if corpus.telling is None else corpus.telling[kept],
            features=corpus.features and corpus.features.take(images=list(range(len(corpus))), texts=kept),
        )


def _has_given_texts(corpus: Corpus) -> bool:
    return corpus.features is not None and corpus.features.texts is not None


def _labels(corpus: Corpus) -> np.ndarray:
    if corpus.labels is None:
        raise DataError(
            f"corpus {corpus.name!r} has no labels, and label retrieval is judged by them; give a corpus that has, or "
            "evaluate caption retrieval, without --protocol."
        )
    return corpus.labels


def _drawn(name: str, queries: int, training: int) -> LabelProtocol:
    """Hashing's usual protocol: draw queries, search all the rest, which the training pictures are part of."""
    return LabelProtocol(
        name=name, queries="drawn", query_count=queries, training_count=training, database="rest", own_pair=False
    )


PROTOCOLS: dict[str, LabelProtocol] = {
    protocol.name: protocol
    for protocol in (
        LabelProtocol(name="train-database", database="train", own_pair=False),
        LabelProtocol(name="unseen-database", database="unseen", own_pair=False),
        _drawn("hash-mir", 2000, 10000),
        _drawn("hash-nus21", 2100, 10500),
        _drawn("hash-coco", 5000, 10000),
        _drawn("clip-5k", 5000, 10000),
        LabelProtocol(name="paired-test", queries="test", database="unseen", own_pair=True),
        _drawn("djsrh-50", 2000, 5000).model_copy(update={"k": 50, "normaliser": "hits"}),
        _drawn("scahn-released", 2000, 10000).model_copy(update={"normaliser": "first_relevant", "selection": "any"}),
    )
}
"""Name -> protocol: ours first, then the published ones."""


def protocol_named(name: str, *, changes: Sequence[str] = ()) -> LabelProtocol:
    """A protocol of `PROTOCOLS`, varied by `changes` ("captions=joined"). Raises `ConfigError` for unknown names."""
    if name not in PROTOCOLS:
        raise ConfigError(unknown_name("protocol", name, PROTOCOLS))
    return PROTOCOLS[name].varied(changes)
