"""The order that one stage gives the candidates, and the answers made of it: folded, cut to a page, judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int, UInt8

from crossgraph.encoders.understanding import Understanding
from crossgraph.gallery.search.exact import Match
from crossgraph.gallery.search.folds import folds, groups_of, rows_under
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.search.query import Query, described
from crossgraph.gallery.search.query_encoder import EncodedQuery, asks_phrase
from crossgraph.gallery.search.results import SearchResult, SearchResults, Stage
from crossgraph.gallery.search.scope import Scope
from crossgraph.gallery.search.score_calibration import Evidence, judge, lines, sample_rows
from crossgraph.gallery.search.trace import Trace
from crossgraph.gallery.stages.shortlist import Candidates, best_first
from crossgraph.gallery.tables.folding import heads
from crossgraph.gallery.tables.items import Item

DISTINCT = 1024
"""So many candidates are looked at for those that look like no better one: enough for all that calibration asks."""


@dataclass(frozen=True)
class Ranking:
    """The candidates of one search, scored by `stage`; `first` is the stage that found them, `why` says why this
    is not re-ranked. `hits` are exact hits, which come before all others, by row; else the candidates are ranked part
    by part. `understood` is what the model made of each sentence of the query.
    """

    query: Query
    options: SearchOptions
    asked: EncodedQuery
    scope: Scope
    candidates: Candidates
    hits: Mapping[int, Match]
    trace: Trace
    first: Stage
    stage: Stage
    scores: Float[np.ndarray, " k"]
    parts: Int[np.ndarray, " k"]
    why: str
    understood: tuple[Understanding, ...] = ()

    @property
    def depth(self) -> int:
        """How many answers are made, with those that are passed over."""
        return self.options.offset + self.options.k

    def order(self) -> Int[np.ndarray, " k"]:
        """Places among the candidates, best first."""
        semantic = best_first(self.scores)
        order: list[int] = semantic[self.parts[semantic].argsort(kind="stable")].tolist()
        rows = self.candidates.rows.tolist()
        return np.array(sorted(order, key=lambda place: rows[place] not in self.hits), np.int64)


def answer(ranking: Ranking, calibration: Mapping[str, Any]) -> SearchResults:
    """The answers of one stage, complete: what a stage after it finds out changes nothing in them."""
    options, scope, trace = ranking.options, ranking.scope, ranking.trace
    evidence = _evidence(ranking, calibration)
    phrase = asks_phrase(ranking.query)
    probability, verdict = judge(calibration, ranking.stage, evidence, phrase=phrase)
    weaker_below, nothing_below = lines(calibration, ranking.stage, evidence, phrase=phrase)
    if any(text.is_guess for text in ranking.understood):
        weaker_below = nothing_below = None
        probability, verdict = None, "weak" if verdict == "strong" else verdict  # a score of noise is no evidence
    if ranking.hits:  # what is asked for to the letter is no matter of scores, of which alone the probability speaks
        probability, verdict = None, "strong"
    kind, text = described(ranking.query)
    page = _page(ranking)
    items = scope.items(ranking.candidates.rows[[place for place, _ in page]])
    found = SearchResults(
        kind,
        text,
        options.target,
        ranking.stage,
        ranking.why,
        tuple(
            _result(ranking, rank, place, alike, item)
            for rank, ((place, alike), item) in enumerate(zip(page, items, strict=True), start=options.offset + 1)
        ),
        len(scope),
        dict(trace.timings),
        mode=options.mode,
        offset=options.offset,
        compared=dict(trace.compared),
        verdict=verdict,
        probability=probability,
        weaker_below=weaker_below,
        nothing_below=nothing_below,
        notes=(*ranking.asked.guesses, *dict.fromkeys(note for text in ranking.understood for note in text.notes())),
    )
    return found.sorted_by(options.sort)


def _page(ranking: Ranking) -> list[tuple[int, list[int]]]:
    """Places among the candidates of the answers asked for, best first, each with the rows that look like it."""
    options, scope, order = ranking.options, ranking.scope, ranking.order()
    if not folds(options):
        return [(place, []) for place in order[options.offset : ranking.depth].tolist()]
    with ranking.trace.timed("fold"):
        rows = ranking.candidates.rows[order]
        heads = [int(group[0]) for group in groups_of(rows, scope, k=ranking.depth)]
        under = rows_under(scope, rows[heads].tolist(), start=options.offset, without=ranking.asked.left_out)
        return [
            (int(order[head]), _best_first(ranking, others))
            for head, others in zip(heads[options.offset :], under, strict=True)
        ]


def _best_first(ranking: Ranking, rows: list[int]) -> list[int]:
    """Some rows by the stage that found the candidates: few of them were re-ranked."""
    if len(rows) < 2:
        return rows
    scores = ranking.scope.scores(np.array(rows, np.int64), ranking.asked, ranking.first)
    return [rows[place] for place in best_first(scores).tolist()]


def _evidence(ranking: Ranking, calibration: Mapping[str, Any]) -> Evidence | None:
    """What calibration looks at, if the model was calibrated for this stage: with folding, of distinct pictures."""
    scope = ranking.scope
    if ranking.stage not in calibration or scope.target != "images" or not len(ranking.scores):
        return None
    background = scope.scores(sample_rows(len(scope.vectors), scope.allowed), ranking.asked, ranking.first)
    looks = scope.snapshot.looks[ranking.candidates.rows] if folds(ranking.options) else None
    first = _distinct(ranking.candidates.scores, looks)
    scores = first if ranking.scores is ranking.candidates.scores else _distinct(ranking.scores, looks)
    return Evidence(scores, first, background, len(scope))


def _distinct(scores: Float[np.ndarray, " k"], looks: UInt8[np.ndarray, "k b"] | None) -> Float[np.ndarray, " d"]:
    """The scores, best first; where it is known how the pictures look, of those alone that look like none before them.

    Calibration was fitted on pictures that are unlike each other: a copy of the best one is no rival of it.
    """
    order = best_first(scores)
    if looks is not None:
        order = order[:DISTINCT]
        order = order[heads(looks[order])]
    distinct: Float[np.ndarray, " d"] = scores[order]
    return distinct


def _result(ranking: Ranking, rank: int, place: int, alike: list[int], item: Item) -> SearchResult:
    """The candidate at `place`, the picture `item`, as the answer at `rank`, with the rows that look `alike`."""
    scope, row = ranking.scope, int(ranking.candidates.rows[place])
    ranks, scores = dict[str, int | None](), dict[str, float]()
    for stage, handed_on in ranking.trace.handed_on.items():
        places = (handed_on.rows == row).nonzero()[0].tolist()
        ranks[stage] = places[0] + 1 if places else None
        known = handed_on.scores[places] if places else scope.scores(np.array([row]), ranking.asked, stage)
        scores[stage] = float(known[0])
    under = scope.snapshot.items.select(["path", "id"]).take(pa.array(alike, pa.int64()))
    return SearchResult(
        rank,
        item.path,
        float(ranking.scores[place]),
        item.id,
        ranks[ranking.first],
        scores[ranking.first],
        scope.caption(row),
        ranks,
        scores,
        ranking.hits.get(row, "semantic"),
        tuple(map(Path, under["path"].to_pylist())),
        tuple(under["id"].to_pylist()),
        item.width,
        item.height,
    )
