"""Search in named stages: encode the query, find candidates by code, shortlist them by embedding, re-rank.

Each stage is there if the model has it and the mode asks for it, and compares only what the one before handed on.
Re-ranking calls the very function that offline evaluation calls, so a shortlist as long as the gallery gives the
exhaustive ranking. It compares a picture with a sentence; picture with picture and sentence with sentence are
answered by the stages before, and `SearchResults.stage` and `.why` say so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crossgraph.errors import GalleryError, ScoreError
from crossgraph.gallery.search.exact import Match
from crossgraph.gallery.search.filters import captions_where, rows_where
from crossgraph.gallery.search.query import Feedback, Query, TextQuery, described
from crossgraph.gallery.search.query_encoder import EncodedQuery, QueryEncoder, why_not_reranked
from crossgraph.gallery.search.results import SearchResult, SearchResults, Stage, Target
from crossgraph.gallery.search.score_calibration import Evidence, judge, sample_rows
from crossgraph.gallery.search.state import State
from crossgraph.gallery.search.trace import Trace
from crossgraph.gallery.stages.codes import CodeIndex
from crossgraph.gallery.stages.model import SearchModel, has_own_vectors
from crossgraph.gallery.stages.modes import Mode
from crossgraph.gallery.stages.shortlist import Candidates, nearest
from crossgraph.gallery.tables.folding import folded
from crossgraph.gallery.tables.matrix import Matrix
from crossgraph.gallery.tables.snapshot import Snapshot

BLOCK = 256  # pairs fetched and scored at once
FOLDED = 100  # candidates of such a search that folds: enough for ten answers of ten pictures each
FEWEST = 10  # candidates of a search that re-ranks nothing: calibration looks at what comes after the first


@dataclass(frozen=True)
class Request:
    """What is wanted besides the query: `k` answers after the first `offset`, by `mode`; `off` says why not re-ranked.

    `exact` merges pictures in whose caption, tag or file name is the query. Rows not `allowed` are no answers; where
    that leaves a caption with other pictures, `owners` names the first of them. With `fold`, pictures that look alike
    are one answer.
    """

    mode: Mode
    mode_name: str
    off: str
    target: Target
    k: int = 10
    offset: int = 0
    exact: bool = True
    allowed: Bool[Tensor, " n"] | None = None
    owners: Mapping[int, int] | None = None
    fold: bool = False

    def __post_init__(self) -> None:
        for name, value, least in (("k", self.k, 1), ("offset", self.offset, 0)):
            if value < least:
                raise GalleryError(f"{name} must be at least {least}, got {value}.")


def restricted(request: Request, snapshot: Snapshot, where: str) -> Request:
    """The request for those pictures alone that the filter `where` keeps, or for their captions."""
    rows = rows_where(snapshot, where)
    owners = None if request.target == "images" else captions_where(snapshot, rows)
    count, kept = (len(snapshot.items), rows.tolist()) if owners is None else (len(snapshot.captions), list(owners))
    mask = _mask(count, kept)
    allowed = mask if request.allowed is None else mask & request.allowed
    return replace(request, allowed=allowed, owners=owners)


def _mask(count: int, rows: list[int]) -> Bool[Tensor, " n"]:
    """True at these rows."""
    mask = torch.zeros(count, dtype=torch.bool)
    mask[rows] = True
    return mask


class Cascade:
    """Answers queries over one state of a gallery; keeps nothing of any query. Stages are timed by `clock`."""

    def __init__(self, state: State, model: SearchModel, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._state, self._model, self._clock = state, model, clock
        self._snapshot = state.snapshot
        self._encoder = QueryEncoder(state.store, state.snapshot, model, bits=state.manifest.bits)

    @torch.inference_mode()
    def search(self, query: Query, request: Request, *, feedback: Feedback = Feedback()) -> SearchResults:
        """The best answers; arguments as in `Gallery.search`."""
        target = request.target
        self._require_content(target)
        why = request.off or why_not_reranked(self._model, query, feedback, target)
        trace = Trace(self._clock)
        with trace.timed("encode"):
            asked = self._encoder.ask(query, feedback, target, fine=not why)
        found = self._first_stages(asked, request, trace, reranks=not why)
        first: Stage = list(trace.handed_on)[-1]
        hits: dict[int, Match] = {}
        if request.exact and target == "images" and isinstance(query, TextQuery):
            with trace.timed("exact"):
                hits = self._hits(query.sentence, asked, request)
                found = self._joined(found, hits, asked, first, depth=request.k + request.offset)
        last, scores = first, found.scores
        if not why:
            last, scores = "rerank", self._rescore(asked, found, target, trace)
        semantic = scores.argsort(descending=True, stable=True)
        order = sorted(semantic.tolist(), key=lambda place: int(found.rows[place]) not in hits)
        answers: list[tuple[int, list[int]]] = [(place, []) for place in order]
        if request.fold and target == "images":
            answers = folded(self._snapshot.items, found.rows.tolist(), order, k=request.offset + request.k)
        answers = answers[request.offset : request.offset + request.k]
        evidence = self._evidence(asked, scores[semantic], found, request, first, last)
        probability, verdict = judge(self._model.calibration, last, evidence)
        kind, text = described(query)
        return SearchResults(
            kind,
            text,
            target,
            last,
            why,
            tuple(
                replace(
                    self._result(rank, int(found.rows[place]), float(scores[place]), trace, hits, asked, request),
                    similar=tuple(self._snapshot.item(int(found.rows[other])).path for other in alike),
                )
                for rank, (place, alike) in enumerate(answers, start=request.offset + 1)
            ),
            len(self._sides(target)[1]) if request.allowed is None else int(request.allowed.sum()),
            trace.timings,
            mode=request.mode_name,
            offset=request.offset,
            compared=trace.compared,
            verdict="strong" if hits else verdict,
            probability=probability,
        )

    def _require_content(self, target: Target) -> None:
        folder = self._state.folder
        if not len(self._snapshot.items):
            raise GalleryError(f"{folder} holds no pictures yet. Run `crossgraph index FOLDER --gallery {folder}`.")
        if target == "captions" and not len(self._snapshot.captions):
            raise GalleryError(f"{folder} holds no captions: the folders indexed had none. Search pictures instead.")

    def _sides(self, target: Target) -> tuple[CodeIndex | None, Matrix]:
        """Codes and vectors of what is searched."""
        if target == "images":
            return self._state.codes, self._snapshot.vectors
        return self._state.caption_codes, self._snapshot.caption_vectors

    def _first_stages(self, asked: EncodedQuery, request: Request, trace: Trace, *, reranks: bool) -> Candidates:
        """The candidates of the last stage before re-ranking."""
        mode, (codes, vectors) = request.mode, self._sides(request.target)
        fewest = FOLDED if request.fold else FEWEST
        wanted = max(request.offset + request.k, mode.shortlist if reranks and mode.shortlist else fewest)
        found, among = Candidates.none(), None
        if codes is not None and asked.code is not None:
            by_vectors = mode.candidates > 0 and has_own_vectors(self._model)
            count = max(wanted, mode.candidates) if by_vectors else wanted
            with trace.timed("codes"):
                found = codes.nearest(asked.code, k=count, without=asked.left_out, allowed=request.allowed)
            trace.handed_on["codes"], trace.compared["codes"] = found, len(codes)
            if not by_vectors:
                return found
            among = found.rows
        with trace.timed("shortlist"):
            found = nearest(
                vectors, asked.vector, k=wanted, without=asked.left_out, allowed=request.allowed, among=among
            )
        trace.handed_on["shortlist"] = found
        trace.compared["shortlist"] = len(vectors) if among is None else len(among)
        return found

    def _hits(self, sentence: str, asked: EncodedQuery, request: Request) -> dict[int, Match]:
        """Rows whose caption, tag or file name is `sentence`, less those that are no answers."""
        found = self._state.exact.images(sentence)
        allowed = request.allowed
        return {
            row: match
            for row, match in found.items()
            if row not in asked.left_out and (allowed is None or bool(allowed[row]))
        }

    def _joined(
        self, found: Candidates, hits: dict[int, Match], asked: EncodedQuery, stage: Stage, *, depth: int
    ) -> Candidates:
        """The candidates, and behind them the best `depth` of the exact hits that are not among them."""
        more = sorted(set(hits) - set(found.rows.tolist()))
        if not more:
            return found
        rows = torch.tensor(more)
        scores = self._scores_of(rows, asked, stage, "images")
        best = scores.argsort(descending=True, stable=True)[:depth]
        return Candidates(torch.cat([found.rows, rows[best]]), torch.cat([found.scores, scores[best]]))

    def _scores_of(
        self, rows: Int[Tensor, " r"], asked: EncodedQuery, stage: Stage, target: Target
    ) -> Float[Tensor, " r"]:
        """What a stage before re-ranking scores some rows."""
        codes, vectors = self._sides(target)
        if stage == "codes" and codes is not None and asked.code is not None:
            return codes.scores(rows, asked.code)
        return vectors.products(asked.vector, rows)

    def _rescore(
        self, asked: EncodedQuery, candidates: Candidates, target: Target, trace: Trace
    ) -> Float[Tensor, " k"]:
        """The method's own score of the query with every candidate, block by block, and the shortlist's share."""
        method = self._model.method
        device = next((parameter.device for parameter in method.parameters()), torch.device("cpu"))
        column = self._snapshot.items["digest"] if target == "images" else self._snapshot.captions["id"]
        keys = column.take(candidates.rows.numpy()).to_pylist()
        scores = []
        for start in range(0, len(keys), BLOCK):
            with trace.timed("fetch"):
                block = self._state.store.fetch(keys[start : start + BLOCK]).to(device)
            with trace.timed("rerank"):
                total = torch.zeros(len(block))
                for weight, query in asked.fine:
                    same = query.to(device)[[0] * len(block)]
                    images, texts = (block, same) if target == "images" else (same, block)
                    total += weight * method.score_pairs(images, texts).float().cpu()
                scores.append(total)
        trace.compared["rerank"] = len(keys) * len(asked.fine)
        found = torch.cat(scores) if scores else torch.empty(0)
        if not torch.isfinite(found).all():
            raise ScoreError("re-ranking gave scores that are not finite. Check the trained run.")
        return found + self._model.blend * candidates.scores if self._model.blend else found

    def _evidence(
        self,
        asked: EncodedQuery,
        scores: Float[Tensor, " k"],
        candidates: Candidates,
        request: Request,
        first: Stage,
        last: Stage,
    ) -> Evidence | None:
        """What calibration looks at, if the model was calibrated for the last stage."""
        if last not in self._model.calibration or request.target != "images" or not len(scores):
            return None
        rows = sample_rows(len(self._snapshot.items), request.allowed)
        searched = len(self._snapshot.items) if request.allowed is None else int(request.allowed.sum())
        background = self._scores_of(rows, asked, first, "images")
        return Evidence(scores, candidates.scores, background, searched)

    def _result(
        self,
        rank: int,
        row: int,
        score: float,
        trace: Trace,
        hits: dict[int, Match],
        asked: EncodedQuery,
        request: Request,
    ) -> SearchResult:
        """The candidate at `row` as the answer at `rank`."""
        target, snapshot = request.target, self._snapshot
        ranks, scores = dict[str, int | None](), dict[str, float]()
        for stage, handed_on in trace.handed_on.items():
            places = (handed_on.rows == row).nonzero()[:, 0].tolist()
            ranks[stage] = places[0] + 1 if places else None
            values = handed_on.scores[places] if places else self._scores_of(torch.tensor([row]), asked, stage, target)
            scores[stage] = float(values[0])
        caption = snapshot.captions["text"][row].as_py() if target == "captions" else None
        owners = snapshot.caption_owners if request.owners is None else request.owners
        item = snapshot.item(row if target == "images" else int(owners[row]))
        last: Stage = list(trace.handed_on)[-1]
        match = hits.get(row, "semantic")
        return SearchResult(rank, item.path, score, item.id, ranks[last], scores[last], caption, ranks, scores, match)
