"""Search in named stages: encode the query, find candidates by code, shortlist them by embedding, re-rank.

Each stage is there if the model has it and the mode asks for it, and compares only what the one before handed on.
Re-ranking calls the very function that offline evaluation calls, so a shortlist as long as the gallery gives the
exhaustive ranking. It compares a picture with a sentence; picture with picture and sentence with sentence are
answered by the stages before, and `SearchResults.stage` and `.why` say so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from crossgraph.errors import GalleryError, ScoreError
from crossgraph.gallery.search.answers import Ranking, answer
from crossgraph.gallery.search.exact import Match
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.search.query import Feedback, Query, TextQuery
from crossgraph.gallery.search.query_encoder import EncodedQuery, QueryEncoder, understood_texts, why_not_reranked
from crossgraph.gallery.search.results import SearchResults, Stage
from crossgraph.gallery.search.scope import Scope
from crossgraph.gallery.search.state import State
from crossgraph.gallery.search.trace import Trace
from crossgraph.gallery.stages.model import SearchModel, has_own_vectors
from crossgraph.gallery.stages.shortlist import Candidates, nearest

BLOCK = 256  # pairs fetched and scored at once
FOLDED = 100  # candidates of such a search that folds: enough for ten answers of ten pictures each
FEWEST = 10  # candidates of a search that re-ranks nothing: calibration looks at what comes after the first
FOLLOWS = "re-ranking follows"
"""Why the answer of an earlier stage was not re-ranked."""


class Cascade:
    """Answers queries over one state of a gallery; keeps nothing of any query. Stages are timed by `clock`."""

    def __init__(self, state: State, model: SearchModel, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._state, self._model, self._clock = state, model, clock
        self._encoder = QueryEncoder(state.store, state.snapshot, model, bits=state.manifest.bits)

    def search(self, query: Query, options: SearchOptions, *, feedback: Feedback = Feedback()) -> SearchResults:
        """The best answers, by the last stage."""
        *_, last = self._rankings(query, options, feedback)
        return answer(last, self._model.calibration)

    def stages(
        self, query: Query, options: SearchOptions, *, feedback: Feedback = Feedback()
    ) -> Iterator[SearchResults]:
        """What `search` answers, as soon as it is known: first without re-ranking, then, if there is any, with it.

        The first is the answer of a search that does not re-rank, but that its `why` is `FOLLOWS` and that it is made
        of the candidates that will be re-ranked: of more, folding gathers more, and of fewer than `FEWEST`, codes hand
        on fewer and calibration sees fewer.
        """
        for ranking in self._rankings(query, options, feedback):
            yield answer(ranking, self._model.calibration)

    def _rankings(self, query: Query, options: SearchOptions, feedback: Feedback) -> Iterator[Ranking]:
        why = options.off or why_not_reranked(self._model, query, feedback, options.target)
        found = self._found(query, options, feedback, why=why)
        yield found
        if not why:
            yield replace(found, stage="rerank", scores=self._rescore(found), why="")

    @torch.inference_mode()
    def _found(self, query: Query, options: SearchOptions, feedback: Feedback, *, why: str) -> Ranking:
        """The order of the last stage before re-ranking, exact hits among its candidates."""
        scope, trace = self._scope(options), Trace(self._clock)
        with trace.timed("encode"):
            asked = self._encoder.ask(query, feedback, options.target, fine=not why)
        found = self._candidates(asked, scope, options, trace, reranks=not why)
        stage: Stage = list(trace.handed_on)[-1]
        hits: dict[int, Match] = {}
        if options.exact and options.target == "images" and isinstance(query, TextQuery):
            with trace.timed("exact"):
                hits = self._hits(query.sentence, asked, scope)
                found = _joined(found, hits, asked, scope, stage, depth=options.k + options.offset)
        understood = understood_texts(self._model, query)
        return Ranking(
            *(query, options, asked, scope, found, hits, trace, stage, stage, found.scores),
            why=why or FOLLOWS,
            understood=understood,
        )

    def _scope(self, options: SearchOptions) -> Scope:
        """What is searched. Raises `GalleryError` where there is nothing."""
        state, folder, target = self._state, self._state.folder, options.target
        if not len(state.snapshot.items):
            raise GalleryError(f"{folder} holds no pictures yet. Run `crossgraph index FOLDER --gallery {folder}`.")
        if target == "captions" and not len(state.snapshot.captions):
            raise GalleryError(f"{folder} holds no captions: the folders indexed had none. Search pictures instead.")
        codes = state.codes if target == "images" else state.caption_codes
        return Scope.of(state.snapshot, target, codes, where=options.where)

    def _candidates(
        self, asked: EncodedQuery, scope: Scope, options: SearchOptions, trace: Trace, *, reranks: bool
    ) -> Candidates:
        """The candidates of the last stage before re-ranking."""
        mode, among = options.work, None
        fewest = FOLDED if options.fold else FEWEST
        wanted = max(options.offset + options.k, mode.shortlist if reranks and mode.shortlist else fewest)
        if scope.codes is not None and asked.code is not None:
            by_vectors = mode.candidates > 0 and has_own_vectors(self._model)
            count = max(wanted, mode.candidates) if by_vectors else wanted
            with trace.timed("codes"):
                found = scope.codes.nearest(asked.code, k=count, without=asked.left_out, allowed=scope.allowed)
            trace.handed_on["codes"], trace.compared["codes"] = found, len(scope.codes)
            if not by_vectors:
                return found
            among = found.rows
        with trace.timed("shortlist"):
            found = nearest(
                scope.vectors, asked.vector, k=wanted, without=asked.left_out, allowed=scope.allowed, among=among
            )
        trace.handed_on["shortlist"] = found
        trace.compared["shortlist"] = len(scope.vectors) if among is None else len(among)
        return found

    def _hits(self, sentence: str, asked: EncodedQuery, scope: Scope) -> dict[int, Match]:
        """Rows whose caption, tag or file name is `sentence`, less those that are no answers."""
        found = self._state.exact.images(sentence)
        return {row: match for row, match in found.items() if row not in asked.left_out and scope.holds(row)}

    @torch.inference_mode()
    def _rescore(self, found: Ranking) -> Float[Tensor, " k"]:
        """The method's own score of the query with every candidate, block by block, and the shortlist's share."""
        method, trace, images = self._model.method, found.trace, found.scope.target == "images"
        device = next((parameter.device for parameter in method.parameters()), torch.device("cpu"))
        keys = found.scope.keys(found.candidates.rows)
        blocks = []
        for start in range(0, len(keys), BLOCK):
            with trace.timed("fetch"):
                block = self._state.store.fetch(keys[start : start + BLOCK]).to(device)
            with trace.timed("rerank"):
                total = torch.zeros(len(block))
                for weight, query in found.asked.fine:
                    same = query.to(device)[[0] * len(block)]
                    pair = (block, same) if images else (same, block)
                    total += weight * method.score_pairs(*pair).float().cpu()
                blocks.append(total)
        trace.compared["rerank"] = len(keys) * len(found.asked.fine)
        scores = torch.cat(blocks) if blocks else torch.empty(0)
        if not torch.isfinite(scores).all():
            raise ScoreError("re-ranking gave scores that are not finite. Check the trained run.")
        return scores + self._model.blend * found.candidates.scores if self._model.blend else scores


def _joined(
    found: Candidates, hits: dict[int, Match], asked: EncodedQuery, scope: Scope, stage: Stage, *, depth: int
) -> Candidates:
    """The candidates, and behind them the best `depth` of the exact hits that are not among them."""
    more = sorted(set(hits) - set(found.rows.tolist()))
    if not more:
        return found
    rows = torch.tensor(more)
    scores = scope.scores(rows, asked, stage)
    best = scores.argsort(descending=True, stable=True)[:depth]
    return Candidates(torch.cat([found.rows, rows[best]]), torch.cat([found.scores, scores[best]]))
