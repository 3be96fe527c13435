"""Search in named stages: encode the query, shortlist by embedding, fetch the shortlist's features, re-rank.

Re-ranking calls the very function that offline evaluation calls, so a shortlist as long as the gallery gives the
exhaustive ranking. It compares a picture with a sentence; picture with picture and sentence with sentence are
answered by the shortlist alone, and `SearchResults.stage` and `.why` say so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from crossgraph.data.images import read_image
from crossgraph.errors import GalleryError, ImageError, ScoreError
from crossgraph.gallery.filters import captions_where, rows_where
from crossgraph.gallery.folding import folded
from crossgraph.gallery.model import SearchModel, encode_pictures, encode_sentences
from crossgraph.gallery.shortlist import Candidates, nearest
from crossgraph.gallery.snapshot import Snapshot, find_row
from crossgraph.gallery.store import Store
from crossgraph.types import Encoded

BLOCK = 256  # pairs fetched and scored at once
Target = Literal["pictures", "captions"]


@dataclass(frozen=True)
class TextQuery:
    """Search by a sentence."""

    sentence: str


@dataclass(frozen=True)
class ImageQuery:
    """Search by a picture file, whether it is in the gallery or not."""

    path: Path


@dataclass(frozen=True)
class ItemQuery:
    """Search by a picture of the gallery, named by its id or its path; it is not among its own results."""

    item: str | Path


Query = TextQuery | ImageQuery | ItemQuery


@dataclass(frozen=True)
class SearchResult:
    """One answer. `score` is that of the last stage; `caption` is set when captions were searched.

    Of a caption that several pictures carry, `id` and `path` name the first. Ranks count from 1. `similar` are the
    pictures that look alike and were folded under this one.
    """

    rank: int
    path: Path
    score: float
    id: str
    shortlist_rank: int
    shortlist_score: float
    caption: str | None
    similar: tuple[Path, ...] = ()


@dataclass(frozen=True)
class SearchResults:
    """The answer to one query: `stage` is the last one that ran, `why` says why re-ranking did not.

    `searched` counts the pictures or captions searched; `timings_ms` has one entry per stage that ran.
    """

    kind: Literal["text", "image", "item"]
    query: str
    target: Target
    stage: Literal["shortlist", "rerank"]
    why: str
    results: tuple[SearchResult, ...]
    searched: int
    timings_ms: dict[str, float]

    def to_json(self) -> dict[str, object]:
        """The same as plain values, ready for `json.dumps`."""
        paths = [{"path": str(one.path), "similar": [str(path) for path in one.similar]} for one in self.results]
        rows = [asdict(result) | path for result, path in zip(self.results, paths, strict=True)]
        return {name: value for name, value in vars(self).items() if name != "results"} | {"results": rows}


@dataclass(frozen=True)
class _Asked:
    """An encoded query: its shortlist vector, fine features if they will be needed, and its own row if it has one."""

    vector: Float[Tensor, " d"]
    fine: Encoded | None
    own_row: int | None = None


class Cascade:
    """Answers queries over one snapshot of a gallery; keeps nothing of any query."""

    def __init__(self, store: Store, snapshot: Snapshot, model: SearchModel) -> None:
        self._store = store
        self._snapshot = snapshot
        self._model = model

    @torch.inference_mode()
    def search(
        self,
        query: Query,
        *,
        k: int,
        shortlist: int,
        rerank: bool,
        target: Target,
        where: str | None = None,
        fold: bool = False,
    ) -> SearchResults:
        """The best `k` answers; arguments as in `Gallery.search`."""
        for name, value in (("k", k), ("shortlist", shortlist)):
            if value < 1:
                raise GalleryError(f"{name} must be at least 1, got {value}.")
        self._require_content(target)
        why = "" if rerank else "re-ranking was turned off"
        why = why or _no_rerank(self._model, isinstance(query, TextQuery), target)
        vectors = self._snapshot.vectors if target == "pictures" else self._snapshot.caption_vectors
        timings: dict[str, float] = {}
        fold = fold and target == "pictures"
        among: Int[Tensor, " n"] | None = None
        bearers: Mapping[int, int] = dict(enumerate(self._snapshot.bearers))
        if where is not None:
            with _stage(timings, "filter"):
                rows = rows_where(self._snapshot, where)
                bearers = captions_where(self._snapshot, rows) if target == "captions" else {}
                among = torch.tensor(rows if target == "pictures" else list(bearers), dtype=torch.long)
        with _stage(timings, "encode"):
            asked = self._encode(query, fine=not why)
        with _stage(timings, "shortlist"):
            own_row = asked.own_row if target == "pictures" else None
            wanted = max(k, shortlist) if fold or not why else k
            candidates = nearest(vectors, asked.vector, k=wanted, without=own_row, among=among)
        scores = candidates.scores
        if asked.fine is not None and len(candidates.rows):
            scores = self._rescore(asked.fine, candidates, target, timings)
        order = scores.argsort(descending=True, stable=True).tolist()
        groups: list[tuple[int, list[int]]] = [(place, []) for place in order]
        if fold:
            groups = folded(self._snapshot.items, candidates.rows.tolist(), order, k=k)
        kind, text = _described(query)
        return SearchResults(
            kind,
            text,
            target,
            "shortlist" if why else "rerank",
            why,
            tuple(
                self._result(rank, place, candidates, scores, bearers if target == "captions" else None, alike)
                for rank, (place, alike) in enumerate(groups[:k], start=1)
            ),
            len(vectors) if among is None else len(among),
            timings,
        )

    def _require_content(self, target: Target) -> None:
        folder = self._store.folder
        if not len(self._snapshot.items):
            raise GalleryError(f"{folder} holds no pictures yet. Run `crossgraph index FOLDER --gallery {folder}`.")
        if target == "captions" and not len(self._snapshot.captions):
            raise GalleryError(f"{folder} holds no captions: the folders indexed had none. Search pictures instead.")

    def _encode(self, query: Query, *, fine: bool) -> _Asked:
        """The query as vectors; a picture of the gallery is looked up, not encoded again."""
        match query:
            case TextQuery(sentence):
                if not sentence.strip():
                    raise GalleryError("the query is empty. Give a sentence, a picture or an item.")
                encoded = encode_sentences(self._model, [sentence])
            case ImageQuery(path):
                read_image(path)  # a file that cannot be read is the caller's error, not the model's
                encoded, _, skipped = encode_pictures(self._model, [path])
                if skipped:
                    raise ImageError(path, skipped[0].reason)
            case ItemQuery(name):
                row = find_row(self._snapshot, name)
                digest = self._snapshot.item(row).digest
                return _Asked(self._snapshot.vectors[row], self._store.fetch([digest]) if fine else None, row)
        return _Asked(encoded.vectors[0], encoded.fine if fine else None)

    def _rescore(
        self, query: Encoded, candidates: Candidates, target: Target, timings: dict[str, float]
    ) -> Float[Tensor, " k"]:
        """The method's own score of the query with every candidate, block by block, and the shortlist's share."""
        method = self._model.method
        device = next((parameter.device for parameter in method.parameters()), torch.device("cpu"))
        column = self._snapshot.items["digest"] if target == "pictures" else self._snapshot.captions["id"]
        keys = column.take(candidates.rows.numpy()).to_pylist()
        scores = []
        for start in range(0, len(keys), BLOCK):
            with _stage(timings, "fetch"):
                block = self._store.fetch(keys[start : start + BLOCK]).to(device)
            with _stage(timings, "rerank"):
                same = query.to(device)[[0] * len(block)]
                images, texts = (block, same) if target == "pictures" else (same, block)
                scores.append(method.score_pairs(images, texts).float().cpu())
        found = torch.cat(scores)
        if not torch.isfinite(found).all():
            raise ScoreError("re-ranking gave scores that are not finite. Check the trained run.")
        return found + self._model.blend * candidates.scores if self._model.blend else found

    def _result(
        self,
        rank: int,
        place: int,
        candidates: Candidates,
        scores: Float[Tensor, " k"],
        bearers: Mapping[int, int] | None,
        alike: Sequence[int],
    ) -> SearchResult:
        """The candidate at `place` of the shortlist as the answer at `rank`; `bearers` are there for captions."""
        row = int(candidates.rows[place])
        caption = None if bearers is None else self._snapshot.captions["text"][row].as_py()
        item = self._snapshot.item(row if bearers is None else bearers[row])
        similar = tuple(self._snapshot.item(int(candidates.rows[other])).path for other in alike)
        score, first_score = float(scores[place]), float(candidates.scores[place])
        return SearchResult(rank, item.path, score, item.id, place + 1, first_score, caption, similar)


def _no_rerank(model: SearchModel, asks_text: bool, target: Target) -> str:
    """Why the candidates keep the order of the shortlist; empty if they will be re-ranked."""
    if asks_text == (target == "captions"):
        side = "sentence with sentence" if asks_text else "picture with picture"
        return f"{side} is compared by embedding only"
    return "" if model.method.reranks else f"{model.method.name} scores by embedding"


def _described(query: Query) -> tuple[Literal["text", "image", "item"], str]:
    """The kind of the query and what it said."""
    match query:
        case TextQuery(sentence):
            return "text", sentence
        case ImageQuery(path):
            return "image", str(path)
        case ItemQuery(name):
            return "item", str(name)


@contextmanager
def _stage(timings: dict[str, float], name: str) -> Iterator[None]:
    """Add the time of the block, in milliseconds, to `timings[name]`."""
    started = time.perf_counter()
    yield
    timings[name] = timings.get(name, 0.0) + 1000 * (time.perf_counter() - started)
