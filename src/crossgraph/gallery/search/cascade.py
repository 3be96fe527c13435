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

import numpy as np
from jaxtyping import Float, Int

from crossgraph.encoders.language_guess import ENGLISH
from crossgraph.errors import GalleryError, ScoreError
from crossgraph.gallery.search.answers import Ranking, answer
from crossgraph.gallery.search.exact import Match
from crossgraph.gallery.search.folds import folds, gathered, groups_of, reranked_places
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.search.query import Feedback, Query, TextQuery
from crossgraph.gallery.search.query_encoder import EncodedQuery, QueryEncoder, understood_texts, why_not_reranked
from crossgraph.gallery.search.results import SearchResults, Stage
from crossgraph.gallery.search.scope import Scope
from crossgraph.gallery.search.state import State
from crossgraph.gallery.search.trace import Trace
from crossgraph.gallery.stages.model import SearchModel, has_own_vectors
from crossgraph.gallery.stages.shortlist import Candidates, best_first

BLOCK = 256  # pairs fetched and scored at once
FEWEST = 10  # candidates of a search that re-ranks nothing: calibration looks at what comes after the first
TOO_LITTLE = "it names too little to re-rank by"
"""Why the candidates of a short sentence keep their order."""
NO_WORD = "there is no word in it to re-rank by"
NOT_ENGLISH = "re-ranking reads English only"
NOT_KNOWN = "the model knows none of its words to re-rank by"
NOTHING_LEFT = "nothing is left to rank"
FOLLOWS = "re-ranking follows"
"""Why the answer of an earlier stage was not re-ranked."""


class Cascade:
    """Answers queries over one state of a gallery; keeps nothing of any query. Stages are timed by `clock`."""

    def __init__(self, state: State, model: SearchModel, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._state, self._model, self._clock = state, model, clock
        self._encoder = QueryEncoder(state.store, state.snapshot, model, bits=state.manifest.bits)

    def search(self, query: Query, options: SearchOptions, *, feedback: Feedback = Feedback()) -> SearchResults:
        """The best answers, by the last stage."""
        *_, last = self.rankings(query, options, feedback)
        return answer(last, self._model.calibration)

    def stages(
        self, query: Query, options: SearchOptions, *, feedback: Feedback = Feedback()
    ) -> Iterator[SearchResults]:
        """What `search` answers, as soon as it is known: first without re-ranking, then, if there is any, with it.

        The first is the answer of a search that does not re-rank, but that its `why` is `FOLLOWS` and that it is made
        of the candidates that will be re-ranked: of fewer than `FEWEST`, codes hand on fewer and calibration sees
        fewer.
        """
        for ranking in self.rankings(query, options, feedback):
            yield answer(ranking, self._model.calibration)

    @property
    def model(self) -> SearchModel:
        """The model that answers."""
        return self._model

    def rankings(self, query: Query, options: SearchOptions, feedback: Feedback) -> Iterator[Ranking]:
        """The orders that answers are made of: that before re-ranking, then, if there is any, that after it."""
        why = options.off or why_not_reranked(self._model, query, feedback, options.target)
        found = self._found(query, options, feedback, why=why)
        why = why or self._why_not(found)
        if why:
            found = replace(found, why=why)
        yield found
        if not why:
            yield self._reranked(found)

    def _found(self, query: Query, options: SearchOptions, feedback: Feedback, *, why: str) -> Ranking:
        """The order of the last stage before re-ranking, exact hits among its candidates."""
        scope, trace = self._scope(options), Trace(self._clock)
        with trace.timed("encode"):
            asked = self._encoder.ask(query, feedback, options.target, fine=not why)
        found, parts = self._gathered(asked, scope, options, trace, reranks=not why)
        stage: Stage = list(trace.handed_on)[-1]
        hits: dict[int, Match] = {}
        if options.exact and options.target == "images" and isinstance(query, TextQuery):
            with trace.timed("exact"):
                hits = self._hits(query.sentence, asked, scope)
        ranking = Ranking(
            *(query, options, asked, scope, found, hits, trace, stage, stage, found.scores, parts),
            why=why or FOLLOWS,
            understood=understood_texts(self._model, query),
        )
        return _with_hits(ranking)

    def _why_not(self, found: Ranking) -> str:
        """Why these candidates are not re-ranked; empty if they are: any sentence of the query says enough for that."""
        if not len(found.candidates.rows):
            return NOTHING_LEFT
        if found.options.target != "images":
            return ""
        if any(bool(self._model.method.says_enough(text)[0]) for _, text in found.asked.fine):
            return ""
        if not any(text.words for text in found.understood):
            return NO_WORD
        if all(text.language not in ("", ENGLISH) for text in found.understood):
            return NOT_ENGLISH
        return NOT_KNOWN if all(text.is_guess for text in found.understood) else TOO_LITTLE

    def _scope(self, options: SearchOptions) -> Scope:
        """What is searched. Raises `GalleryError` where there is nothing."""
        state, folder, target = self._state, self._state.store.storage, options.target
        if not len(state.snapshot.items):
            raise GalleryError(f"{folder} holds no pictures yet. Run `crossgraph index FOLDER --gallery {folder}`.")
        if target == "captions" and not len(state.snapshot.captions):
            raise GalleryError(f"{folder} holds no captions: the folders indexed had none. Search pictures instead.")
        codes = state.codes if target == "images" else state.caption_codes
        return Scope.of(state.snapshot, target, codes, where=options.where, among=options.among, probes=options.probe)

    def _gathered(
        self, asked: EncodedQuery, scope: Scope, options: SearchOptions, trace: Trace, *, reranks: bool, parts: int = 0
    ) -> tuple[Candidates, Int[np.ndarray, " k"]]:
        """The candidates of the last stage before re-ranking, and the part of the ranking that each belongs to.

        They are enough for the answers asked for, in whole parts if they are re-ranked, so that no page depends on
        others; with folding, also for so many `parts` of re-ranking.
        """
        depth, shortlist = options.offset + options.k, options.work.shortlist if reranks else None
        if not folds(options):
            wanted = _in_parts(depth, shortlist) if shortlist else max(depth, FEWEST)
            found = self._candidates(asked, scope, options, trace, wanted=wanted)
            return found, _parts(len(found.rows), shortlist)
        groups = 1 + shortlist * max(parts, -(-depth // shortlist)) if shortlist else depth
        found, looks = gathered(
            lambda count: self._candidates(asked, scope, options, trace, wanted=count), scope, groups=groups
        )
        trace.handed_on[list(trace.handed_on)[-1]] = found
        return found, looks

    def _candidates(
        self, asked: EncodedQuery, scope: Scope, options: SearchOptions, trace: Trace, *, wanted: int
    ) -> Candidates:
        """The best `wanted` candidates of the last stage before re-ranking."""
        mode, among = options.work, None
        if scope.codes is not None and asked.code is not None:
            by_vectors = mode.candidates > 0 and has_own_vectors(self._model)
            count = max(wanted, mode.candidates) if by_vectors else wanted
            with trace.timed("codes"):
                found = scope.near_codes(asked.code, k=count, without=asked.left_out)
            trace.handed_on["codes"], trace.compared["codes"] = found, scope.compared_codes
            if not by_vectors:
                return found
            among = found.rows
        with trace.timed("shortlist"):
            found = scope.near_vectors(asked.vector, k=wanted, without=asked.left_out, among=among)
        trace.handed_on["shortlist"] = found
        trace.compared["shortlist"] = scope.compared_vectors if among is None else len(among)
        return found

    def _hits(self, sentence: str, asked: EncodedQuery, scope: Scope) -> dict[int, Match]:
        """Rows whose caption, tag or file name is `sentence`, less those that are no answers."""
        found = self._state.exact.images(sentence)
        return {row: match for row, match in found.items() if row not in asked.left_out and scope.holds(row)}

    def _reranked(self, found: Ranking) -> Ranking:
        """The order of the last stage: with folding, of enough parts for the answers asked for."""
        shortlist = found.options.work.shortlist
        if not folds(found.options) or not shortlist:
            return replace(found, stage="rerank", scores=self._rescore(found), why="")
        parts = -(-found.depth // shortlist)
        while True:
            places, owners = reranked_places(found.candidates.rows, found.scope, shortlist=shortlist, parts=parts)
            chosen = _chosen(found, places, owners)
            chosen = replace(chosen, stage="rerank", scores=self._rescore(chosen), why="")
            rows = chosen.candidates.rows[chosen.order()]
            most = parts * shortlist
            if (
                len(groups_of(rows, found.scope, k=found.depth)) >= found.depth
                or len(groups_of(found.candidates.rows, found.scope, k=most + 1)) <= most
            ):
                return chosen
            parts += 1  # pictures that look like two others brought groups together
            more, looks = self._gathered(
                found.asked, found.scope, found.options, found.trace, reranks=True, parts=parts
            )
            found = _with_hits(replace(found, candidates=more, scores=more.scores, parts=looks))

    def _rescore(self, found: Ranking) -> Float[np.ndarray, " k"]:
        """The method's own score of the query with every candidate, block by block, and the shortlist's share."""
        from crossgraph.gallery.search.rescoring import pair_scores  # by torch, which no other stage needs

        trace, images = found.trace, found.scope.target == "images"
        keys = found.scope.keys(found.candidates.rows)
        blocks = [np.empty(0, np.float32)]
        for start in range(0, len(keys), BLOCK):
            with trace.timed("fetch"):
                rows = self._state.store.fetch(keys[start : start + BLOCK])
            with trace.timed("rerank"):
                blocks.append(pair_scores(self._model.method, rows, found.asked.fine, images=images))
        trace.compared["rerank"] = len(keys) * len(found.asked.fine)
        own = np.concatenate(blocks)
        scores = own + np.float32(self._model.blend) * found.candidates.scores if self._model.blend else own
        if not np.isfinite(scores).all():
            raise ScoreError("re-ranking gave scores that are not finite. Check the trained run, and its blend.")
        return scores


def _with_hits(ranking: Ranking) -> Ranking:
    """The ranking with the best exact hits that are not among its candidates behind them: as many as there are answers,
    and with folding none that looks like a better one. Hits are ranked part by part too, in parts of their own.
    """
    if not ranking.hits:
        return ranking
    found, scope, shortlist = ranking.candidates, ranking.scope, ranking.options.work.shortlist
    rows = np.array(sorted(set(ranking.hits) - set(found.rows.tolist())), np.int64)
    scores = scope.scores(rows, ranking.asked, ranking.first)
    best = best_first(scores)
    if folds(ranking.options):
        best = best[[int(group[0]) for group in groups_of(rows[best], scope, k=ranking.depth)]]
    best = best[: _in_parts(ranking.depth, shortlist) if shortlist else ranking.depth]
    joined = found.followed_by(rows[best], scores[best])
    parts = np.concatenate([ranking.parts, np.zeros(len(best), np.int64)])
    hits = np.flatnonzero(np.isin(joined.rows, list(ranking.hits)))
    parts[hits[best_first(joined.scores[hits])]] = _parts(len(hits), shortlist)
    return replace(ranking, candidates=joined, scores=joined.scores, parts=parts)


def _in_parts(count: int, shortlist: int) -> int:
    """How many there are in as many whole parts as `count` takes."""
    return shortlist * -(-count // shortlist)


def _parts(count: int, shortlist: int | None) -> Int[np.ndarray, " n"]:
    """The part that each of so many belongs to, best first."""
    return np.arange(count) // shortlist if shortlist else np.zeros(count, np.int64)


def _chosen(found: Ranking, places: list[int], parts: list[int]) -> Ranking:
    """The ranking of the candidates at some places, which belong to these parts, and of its exact hits."""
    rows = found.candidates.rows.tolist()
    part_of = {place: part for place, part in zip(places, parts, strict=True) if rows[place] not in found.hits}
    kept = [place for place, row in enumerate(rows) if place in part_of or row in found.hits]
    candidates = Candidates(found.candidates.rows[kept], found.candidates.scores[kept])
    return replace(
        found,
        candidates=candidates,
        scores=candidates.scores,
        parts=np.array([part_of.get(place, found.parts[place]) for place in kept], np.int64),
    )
