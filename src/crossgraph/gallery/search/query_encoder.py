"""A query, encoded for every stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

from crossgraph.data.images import read_image
from crossgraph.encoders.understanding import Understanding
from crossgraph.errors import GalleryError, ImageError
from crossgraph.gallery.search import mixing
from crossgraph.gallery.search.options import Target
from crossgraph.gallery.search.query import Feedback, ImageQuery, ItemQuery, Query, Single, SumQuery, Term, TextQuery
from crossgraph.gallery.stages.model import SearchModel, encode_images_for_stages, encode_texts_for_stages
from crossgraph.gallery.tables.item_names import UnknownName, find_items
from crossgraph.gallery.tables.snapshot import Snapshot
from crossgraph.gallery.tables.store import Store
from crossgraph.words import is_phrase

if TYPE_CHECKING:
    from crossgraph.types import Encoded


@dataclass(frozen=True)
class EncodedQuery:
    """An encoded query: its shortlist vector, its code if there is that stage, and rows that are no answers to it.

    `fine` are the encodings that re-ranking compares with, each with its weight; none if nothing will be re-ranked.
    `guesses` say which pictures names were taken for that are written otherwise.
    """

    vector: Float[np.ndarray, " d"]
    code: UInt8[np.ndarray, " bytes"] | None
    fine: tuple[tuple[float, Encoded], ...]
    left_out: tuple[int, ...] = ()
    guesses: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Part:
    """One term, encoded; `row` is its own in the gallery."""

    vector: Float[np.ndarray, " d"]
    code: UInt8[np.ndarray, " bytes"] | None
    fine: Encoded | None
    row: int | None = None


def terms_of(query: Query) -> tuple[Term, ...]:
    """The query as a sum."""
    return query.terms if isinstance(query, SumQuery) else (Term(1.0, query),)


def asks_phrase(query: Query) -> bool:
    """Whether a query looks for what one to three words name, and for nothing else."""
    wanted = [term.query for term in terms_of(query) if term.weight > 0]
    texts = [one.sentence for one in wanted if isinstance(one, TextQuery)]
    return len(texts) == len(wanted) and is_phrase(" ".join(texts))


def why_not_reranked(model: SearchModel, query: Query, feedback: Feedback, target: Target) -> str:
    """Why candidates keep the order of the shortlist; empty if they will be re-ranked."""
    if feedback:
        return "feedback moves the query among embeddings; fine scores know nothing of it"
    same = [isinstance(term.query, TextQuery) == (target == "captions") for term in terms_of(query)]
    if all(same):
        side = "sentence with sentence" if target == "captions" else "picture with picture"
        return f"{side} is compared by embedding only"
    if any(same):
        return "a sum of sentences and pictures is compared by embedding only"
    return "" if model.method.reranks else f"{model.method.name} scores by embedding"


def understood_texts(model: SearchModel, query: Query) -> tuple[Understanding, ...]:
    """What the model makes of each sentence of a query."""
    sentences = [term.query.sentence for term in terms_of(query) if isinstance(term.query, TextQuery)]
    return tuple(model.understanding(sentence) for sentence in sentences)


class QueryEncoder:
    """Encodes queries to one snapshot of a gallery; pictures of the gallery are looked up, not encoded again."""

    def __init__(self, store: Store, snapshot: Snapshot, model: SearchModel, *, bits: int) -> None:
        self._store, self._snapshot, self._model, self._bits = store, snapshot, model, bits

    def ask(self, query: Query, feedback: Feedback, target: Target, *, fine: bool) -> EncodedQuery:
        """The query for every stage; `fine` is whether it will be used to re-rank."""
        terms = terms_of(query)
        guesses: list[str] = []
        parts = [self._part(term.query, guesses, fine=fine) for term in terms]
        weights = np.array([term.weight for term in terms], np.float32)
        vector, code = parts[0].vector, parts[0].code
        if len(parts) > 1:
            vector = mixing.weighted_sum(np.stack([part.vector for part in parts]), weights)
            code = self._code(vector, [part.code for part in parts], weights)
        left_out = [part.row for term, part in zip(terms, parts, strict=True) if term.weight > 0]
        if feedback:
            vector, code, disliked = self._moved(vector, code, feedback, guesses)
            left_out += disliked
        rows = tuple(sorted({row for row in left_out if row is not None})) if target == "images" else ()
        total = float(np.abs(weights).sum())
        encodings = [(term.weight / total, part.fine) for term, part in zip(terms, parts, strict=True)]
        finest = tuple((weight, part) for weight, part in encodings if part is not None)
        return EncodedQuery(vector, code, finest, rows, tuple(dict.fromkeys(guesses)))

    def _part(self, query: Single, guesses: list[str], *, fine: bool) -> _Part:
        match query:
            case TextQuery(sentence):
                if not sentence.strip():
                    raise GalleryError("the query is empty. Give a sentence, a picture or an item.")
                encoded = encode_texts_for_stages(self._model, [sentence], fine=fine)
            case ImageQuery(path):
                read_image(path)  # a file that cannot be read is the caller's error, not the model's
                encoded, _, skipped = encode_images_for_stages(self._model, [path], fine=fine)
                if skipped:
                    raise ImageError(path, skipped[0].reason)
            case ItemQuery(name):
                snapshot = self._snapshot
                row = self._row(name, guesses)
                stored = self._stored(snapshot.item(row).digest) if fine else None
                return _Part(
                    snapshot.vectors[row], None if snapshot.codes is None else snapshot.codes[row], stored, row
                )
        code = None if encoded.codes is None else encoded.codes[0]
        return _Part(encoded.vectors[0], code, encoded.fine if fine else None)

    def _stored(self, digest: str) -> Encoded:
        """The fine encoding of a stored picture."""
        from crossgraph.gallery.tables.parts import pad_fine  # needs torch, as whatever re-ranks does

        return pad_fine(self._store.fetch([digest]))

    def _code(
        self,
        vector: Float[np.ndarray, " d"],
        codes: list[UInt8[np.ndarray, " bytes"] | None],
        weights: Float[np.ndarray, " t"],
    ) -> UInt8[np.ndarray, " bytes"] | None:
        """The code of a sum: that of its vector where codes are made of vectors, else the signs of the sum of codes."""
        made = self._made(vector)
        if made is not None:
            return made
        given = [code for code in codes if code is not None]
        return mixing.sum_of_codes(np.stack(given), weights, bits=self._bits) if given else None

    def _row(self, name: str | Path, guesses: list[str]) -> int:
        """The row of the picture of this name; that it is written otherwise is added to `guesses`."""
        (found,) = find_items(self._snapshot, [name])
        if isinstance(found, UnknownName):
            raise GalleryError(found.reason)
        guesses += [found.guess] if found.guess else []
        return found.row

    def _moved(
        self,
        vector: Float[np.ndarray, " d"],
        code: UInt8[np.ndarray, " bytes"] | None,
        feedback: Feedback,
        guesses: list[str],
    ) -> tuple[Float[np.ndarray, " d"], UInt8[np.ndarray, " bytes"] | None, list[int]]:
        """Vector and code moved by feedback, and the rows of what was disliked."""
        liked = [self._row(name, guesses) for name in feedback.liked]
        disliked = [self._row(name, guesses) for name in feedback.disliked]
        vectors, codes = self._snapshot.vectors, self._snapshot.codes
        vector = mixing.moved(vector, vectors[liked], vectors[disliked])
        made = self._made(vector)
        if made is not None:
            code = made
        elif code is not None and codes is not None:
            code = mixing.moved_code(code, codes[liked], codes[disliked], bits=self._bits)
        return vector, code, disliked

    def _made(self, vector: Float[np.ndarray, " d"]) -> UInt8[np.ndarray, " bytes"] | None:
        """The code of a vector, where codes are made of vectors."""
        codes = None if self._model.coder is None else self._model.coder.codes_of_vectors(vector[None])
        return None if codes is None else codes[0]
