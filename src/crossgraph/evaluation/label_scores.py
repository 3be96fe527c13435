"""The numbers of one direction of label retrieval, gathered block by block from rankings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float

from crossgraph.bits import unpack_array
from crossgraph.evaluation.curves import Curve, CurveSums, curve_ranks
from crossgraph.evaluation.label_metrics import (
    average_precision,
    average_precision_at,
    mean_over,
    ndcg_at,
    precision_at,
)
from crossgraph.evaluation.label_search import LabelledItems, rankings, scores_of_queries
from crossgraph.evaluation.metrics import first_answers
from crossgraph.evaluation.protocols import LabelProtocol
from crossgraph.evaluation.radius import RadiusTable, by_radius
from crossgraph.evaluation.tie_groups import TieGroups, joined
from crossgraph.evaluation.worst import RankedRow, worst_rows
from crossgraph.types import Encoded

CUTOFF = 100
"""Ranks of the NDCG and the precision that stand beside every result."""


@dataclass(frozen=True)
class DirectionScores:
    """One direction. `values` are means over queries by name, `chance` among them: what a random order gets.

    `queries_without_answer` have no relevant item in the database. `radius` is there where items were ranked by code.
    """

    values: dict[str, float]
    queries: int
    queries_without_answer: int
    items: int
    curve: Curve
    radius: RadiusTable | None
    by_query: Float[np.ndarray, " q"] = field(
        default_factory=lambda: np.zeros(0, np.float64), repr=False, compare=False, kw_only=True
    )
    """The protocol's own number of every query; not a number where the query is left out of the mean."""


@dataclass(frozen=True)
class CodeFacts:
    """Codes of one side: how many bits, the share that occurs once as such (distinct codes over items), and balance.

    `bit_mean` is the mean over bits of |mean over items|, bits taken as +1 and -1: 0 is balanced, 1 is constant.
    """

    bits: int
    unique: float
    bit_mean: float


def score_direction(queries: LabelledItems, gallery: LabelledItems, protocol: LabelProtocol) -> DirectionScores:
    """Rank `gallery` for every query and count as `protocol` says."""
    return score_and_worst(queries, gallery, protocol, worst=0)[0]


def score_and_worst(
    queries: LabelledItems, gallery: LabelledItems, protocol: LabelProtocol, *, worst: int
) -> tuple[DirectionScores, list[RankedRow]]:
    """The same, with the `worst` queries: those whose number by the protocol is least, of those with a relevant item.

    Only for these the order of the items is looked at, once the numbers of all queries are known.
    """
    measures = _measures(protocol)
    found: dict[str, list[Float[np.ndarray, " _"]]] = {name: [] for name in measures}
    answerable, blocks = [], []
    curve = CurveSums(curve_ranks(len(gallery)))
    by_code = queries.encoded.code is not None and gallery.encoded.code is not None
    for groups in rankings(queries, gallery, own_pair=protocol.own_pair, graded=True):
        for name, measure in measures.items():
            found[name].append(measure(groups))
        answerable.append(groups.found > 0)
        curve.add(groups)
        if by_code:
            blocks.append(groups)
    answered = np.concatenate(answerable)
    kept = answered if protocol.empty != "zero" else np.ones_like(answered)
    scores = DirectionScores(
        {name: mean_over(np.concatenate(parts), answered, empty=protocol.empty) for name, parts in found.items()},
        queries=len(answered),
        queries_without_answer=int((~answered).sum()),
        items=len(gallery),
        curve=curve.curve(),
        radius=by_radius(joined(blocks)) if by_code else None,
        by_query=np.where(kept, np.concatenate(found["main"]), np.nan),
    )
    if not worst:
        return scores, []
    main = np.where(answered, np.concatenate(found["main"]), np.inf)
    order = np.argsort(main, kind="stable")[: min(worst, int(answered.sum()))]
    table, relevant = scores_of_queries(queries, gallery, order, own_pair=protocol.own_pair)
    values = torch.from_numpy(main[order])
    rows = worst_rows(table, relevant, first_answers(table, relevant), count=worst, values=values)
    return scores, [replace(row, query=int(order[row.query])) for row in rows]


def code_facts(encoded: Encoded) -> CodeFacts | None:
    """Facts about the codes of one side; None where there are none."""
    if encoded.code is None:
        return None
    code, bits = encoded.code.cpu().numpy(), encoded.embedding.shape[1]
    signs = 2.0 * unpack_array(code, bits=bits).mean(0) - 1
    return CodeFacts(bits, len(np.unique(code, axis=0)) / len(code), float(np.abs(signs).mean()))


def _measures(protocol: LabelProtocol) -> dict[str, Callable[[TieGroups], Float[np.ndarray, " q"]]]:
    """What is measured of each query, the protocol's own number under `main` with both bounds of ties beside it."""

    def main(groups: TieGroups) -> Float[np.ndarray, " q"]:
        if protocol.metric == "ndcg":
            return ndcg_at(groups, protocol.k)
        k = protocol.k or int(groups.items.sum(1).max(initial=1))
        if protocol.metric == "precision":
            return precision_at(groups, k)
        if protocol.k is None and protocol.normaliser in ("min_k_r", "r", "first_relevant"):
            return average_precision(groups)  # where every rank counts, these are one
        return average_precision_at(groups, k, normaliser=protocol.normaliser)

    expected, won, lost = main, lambda g: main(g.optimistic()), lambda g: main(g.pessimistic())
    return {
        "main": {"expected": expected, "optimistic": won, "pessimistic": lost}[protocol.ties],
        "ties_won": won,
        "ties_lost": lost,
        "map_at_all": average_precision,
        f"ndcg_at_{CUTOFF}": lambda groups: ndcg_at(groups, CUTOFF),
        f"precision_at_{CUTOFF}": lambda groups: precision_at(groups, CUTOFF),
        "chance": lambda groups: groups.found / np.maximum(groups.items.sum(1), 1),
    }
