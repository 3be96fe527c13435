"""Why one picture stands above another: where each stage had the two, which stage decided, and by which words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from jaxtyping import Float

from crossgraph.errors import GalleryError, ImageError
from crossgraph.gallery.search.answers import Ranking
from crossgraph.gallery.search.cascade import Cascade
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.search.query import Feedback, Query, TextQuery, as_query, described
from crossgraph.gallery.stages.shortlist import best_first
from crossgraph.gallery.tables.item_names import find_row

if TYPE_CHECKING:
    from torch import Tensor

    from crossgraph.types import Alignment

Side: TypeAlias = Literal["first", "second"]
Unit: TypeAlias = Literal["contribution", "score"]

_STAGES = {
    "exact": "exact hits",
    "codes": "comparing codes",
    "shortlist": "comparing vectors",
    "rerank": "re-ranking",
}
_TOLD = 2  # words that a sentence names
_LITTLE = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "at",
        "by",
        "for",
        "from",
        "in",
        "is",
        "it",
        "of",
        "on",
        "or",
        "the",
        "there",
        "this",
        "to",
        "with",
    ]
)
"""Words that a sentence names only where no other speaks for a picture."""


@dataclass(frozen=True)
class Place:
    """Where a stage had a picture, counted from 1, and its score there; None where the stage did not have it."""

    rank: int | None
    score: float | None


@dataclass(frozen=True)
class StageComparison:
    """Two pictures at one stage. `ahead` is the one before the other there; None if the stage had neither."""

    stage: str
    first: Place
    second: Place
    ahead: Side | None

    @property
    def difference(self) -> float | None:
        """How much higher the first was scored."""
        one, other = self.first.score, self.second.score
        return None if one is None or other is None else one - other


@dataclass(frozen=True)
class WordComparison:
    """One word of the query, or one node of its scene graph, in both pictures."""

    word: str
    first: float
    second: float

    @property
    def difference(self) -> float:
        """How much more it says for the first."""
        return self.first - self.second


@dataclass(frozen=True)
class Comparison:
    """Two pictures, by id, under one query. `above` is the one that stands above, `decided` the stage since which it
    does.

    `words` say what each word of the query adds to both scores (`unit` "contribution"), or how well it was found, which
    no score is a sum of ("score"); `nodes` the same of a method that reads scene graphs. `blend` is how much of the
    difference at the last stage is that of the embeddings, which the model adds. `sentences` say it in plain words,
    `notes` what cannot be compared, and why.
    """

    query: str
    first: str
    second: str
    above: Side
    decided: str
    stages: tuple[StageComparison, ...]
    words: tuple[WordComparison, ...] = ()
    nodes: tuple[WordComparison, ...] = ()
    unit: Unit | None = None
    blend: float | None = None
    sentences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Plain values, with the differences."""
        rows: dict[str, Sequence[StageComparison | WordComparison]] = {
            "stages": self.stages,
            "words": self.words,
            "nodes": self.nodes,
        }
        return asdict(self) | {
            name: [asdict(one) | {"difference": one.difference} for one in found] for name, found in rows.items()
        }


def compare(
    cascade: Cascade,
    query: Query | str | Path,
    first: str,
    second: str,
    options: SearchOptions | None = None,
    *,
    feedback: Feedback = Feedback(),
    names: tuple[str, str] = ("A", "B"),
) -> Comparison:
    """Why one of two pictures, given by id or path, stands above the other in what `query` and `options` answer.

    `names` are what sentences call the two. Raises `GalleryError` for a picture that is not there or no answer, and
    for a search of captions.
    """
    asked, chosen = as_query(query), options or SearchOptions()
    if chosen.target != "images":
        raise GalleryError("two answers are compared in searches of pictures only.")
    *_, last = cascade.rankings(asked, chosen, feedback)
    rows = _row(last, first), _row(last, second)
    if rows[0] == rows[1]:
        raise GalleryError(f"{first} and {second} are one picture. Name two.")
    stages = _stages(last, rows)
    above: Side = next((stage.ahead for stage in reversed(stages) if stage.ahead is not None), "first")
    decided = _decided(stages, above)
    words, nodes, unit, notes = _words(cascade, last, rows, names)
    found = Comparison(
        described(asked)[1],
        _id(last, rows[0]),
        _id(last, rows[1]),
        above,
        decided,
        stages,
        words,
        nodes,
        unit,
        _blend(cascade, last, stages),
        notes=tuple(notes),
    )
    return replace(found, sentences=_sentences(found, {"first": names[0], "second": names[1]}))


def _row(ranking: Ranking, name: str) -> int:
    """The row of a picture that may be an answer."""
    row = find_row(ranking.scope.snapshot, name)
    if row in ranking.asked.left_out:
        raise GalleryError(f"{name} is part of the query, so it is none of its answers.")
    if not ranking.scope.holds(row):
        raise GalleryError(f"{name} is none of the answers: the filter leaves it out.")
    return row


def _id(ranking: Ranking, row: int) -> str:
    found: str = ranking.scope.snapshot.items["id"][row].as_py()
    return found


def _stages(ranking: Ranking, rows: tuple[int, int]) -> tuple[StageComparison, ...]:
    """Both pictures at every stage that ran, and last, if one is an exact hit, among those."""
    scope, found = ranking.scope, []
    for stage, handed_on in ranking.trace.handed_on.items():
        scores = scope.scores(np.array(rows), ranking.asked, stage).tolist()
        ranks = [_place(handed_on.rows.tolist(), row) for row in rows]
        found.append(_compared(stage, ranks, scores))
    candidates = ranking.candidates.rows.tolist()
    if ranking.stage == "rerank":
        by_score = best_first(ranking.scores)
        by_score = by_score[ranking.parts[by_score].argsort(kind="stable")]
        order = [candidates[place] for place in by_score.tolist()]
        known = dict(zip(candidates, ranking.scores.tolist(), strict=True))
        found.append(_compared("rerank", [_place(order, row) for row in rows], [known.get(row) for row in rows]))
    if any(row in ranking.hits for row in rows):
        order = [candidates[place] for place in ranking.order().tolist()]
        found.append(
            _compared("exact", [_place(order, row) if row in ranking.hits else None for row in rows], [None, None])
        )
    return tuple(found)


def _compared(stage: str, ranks: Sequence[int | None], scores: Sequence[float | None]) -> StageComparison:
    """What had no rank comes behind what had one; of two without, the scores say."""
    ahead: Side | None = None
    if ranks[0] is not None or ranks[1] is not None:
        ahead = "first" if ranks[1] is None or (ranks[0] is not None and ranks[0] < ranks[1]) else "second"
    elif scores[0] is not None and scores[1] is not None and scores[0] != scores[1]:
        ahead = "first" if scores[0] > scores[1] else "second"
    return StageComparison(stage, Place(ranks[0], scores[0]), Place(ranks[1], scores[1]), ahead)


def _place(rows: Sequence[int], row: int) -> int | None:
    return rows.index(row) + 1 if row in rows else None


def _decided(stages: Sequence[StageComparison], above: Side) -> str:
    """The first stage since which none had the two the other way round; being an exact hit counts over all."""
    decided = stages[-1].stage
    if decided == "exact" and None in (stages[-1].first.rank, stages[-1].second.rank):
        return decided
    for stage in reversed(stages):
        if stage.ahead not in (above, None):
            break
        decided = stage.stage
    return decided


def _blend(cascade: Cascade, ranking: Ranking, stages: Sequence[StageComparison]) -> float | None:
    """What the first stage's scores add to the difference after re-ranking; None if nothing was re-ranked by both."""
    blend = cascade.model.blend
    before = next((stage for stage in stages if stage.stage == ranking.first), None)
    if ranking.stage != "rerank" or not blend or before is None or before.difference is None:
        return None
    return blend * before.difference


def _words(
    cascade: Cascade, ranking: Ranking, rows: tuple[int, int], names: tuple[str, str]
) -> tuple[tuple[WordComparison, ...], tuple[WordComparison, ...], Unit | None, list[str]]:
    """What the words and nodes of the query say for each, in which unit, and why there may be none."""
    if not isinstance(ranking.query, TextQuery):
        return (), (), None, ["only a sentence is compared word by word; of other queries the stages are."]
    notes: list[str] = []
    if ranking.stage != "rerank" and cascade.model.method.reranks:
        notes.append(f"nothing was re-ranked ({ranking.why}); words say where each was found, not why the order is so.")
    found: list[Alignment] = []
    for row, name in zip(rows, names, strict=True):
        try:
            found.append(cascade.model.explain(ranking.query.sentence, ranking.scope.item(row).path))
        except ImageError as error:
            notes.append(f"the file of {name} cannot be read any more ({error.reason}), so its words are not known.")
    if len(found) < 2:
        return (), (), None, notes
    one, other = found
    nodes = _nodes(one, other)
    if one.words != other.words:
        return (), nodes, "contribution" if nodes else None, [*notes, "the two were read in other words."]
    if one.contributions is None or other.contributions is None:
        return _paired(one.words, one.word_scores, other.word_scores), nodes, "score", notes
    return _paired(one.words, one.contributions, other.contributions), nodes, "contribution", notes


def _paired(words: Sequence[str], one: Float[Tensor, " w"], other: Float[Tensor, " w"]) -> tuple[WordComparison, ...]:
    return tuple(map(WordComparison, words, one.tolist(), other.tolist()))


def _nodes(one: Alignment, other: Alignment) -> tuple[WordComparison, ...]:
    """The nodes of the query's scene graph, which come in one order for every picture."""
    if [(match.kind, match.text) for match in one.matches] != [(match.kind, match.text) for match in other.matches]:
        return ()
    pairs = zip(one.matches, other.matches, strict=True)
    return tuple(WordComparison(a.text, a.contribution, b.contribution) for a, b in pairs)


def _sentences(found: Comparison, names: Mapping[Side, str]) -> tuple[str, ...]:
    above, below = names[found.above], names["second" if found.above == "first" else "first"]
    by_name = {stage.stage: stage for stage in found.stages}
    order = [stage.stage for stage in found.stages]
    at = order.index(found.decided)
    if found.decided == "exact":
        told = [f"{above} is an exact hit: its caption, tag or name is the query itself, so it comes first."]
    elif at == 0:
        later = "" if len(order) == 1 else ", and no later stage turned them"
        told = [f"{_upper(_STAGES[order[0]])} had {above} before {below} {_ranks(by_name[order[0]], found)}{later}."]
    else:
        before, now = by_name[order[at - 1]], by_name[found.decided]
        told = [
            f"{_upper(_STAGES[before.stage])} had {below} before {above} {_ranks(before, found, turned=True)}; "
            f"{_STAGES[now.stage]} turned them {_ranks(now, found)}."
        ]
    told += _told_words(found, above, below)
    return tuple(told)


def _told_words(found: Comparison, above: str, below: str) -> list[str]:
    """The words that say most for the picture above."""
    sign = 1 if found.above == "first" else -1
    offered = found.nodes or found.words
    best = sorted((one for one in offered if sign * one.difference > 0), key=lambda one: -sign * one.difference)
    best = ([one for one in best if one.word.lower() not in _LITTLE] or best)[:_TOLD]
    if not best:
        return []
    if found.unit == "contribution" or found.nodes:
        parts = [f"'{one.word}' adds {_number(abs(one.difference))} more" for one in best]
        return [f"{' and '.join(parts)} in {above} than in {below}."]
    parts = [
        f"'{one.word}' ({_number(max(one.first, one.second))} against {_number(min(one.first, one.second))})"
        for one in best
    ]
    return [f"Found better in {above} than in {below}: {', '.join(parts)}."]


def _ranks(stage: StageComparison, found: Comparison, *, turned: bool = False) -> str:
    """The ranks of the two in the order they are told: the one above first, or, of a stage that had it below, last."""
    places = [stage.first, stage.second] if found.above == "first" else [stage.second, stage.first]
    told = [_ordinal(place.rank) for place in (reversed(places) if turned else places)]
    return f"({told[0]} and {told[1]})"


def _ordinal(rank: int | None) -> str:
    if rank is None:
        return "not among its answers"
    ending = "th" if 10 <= rank % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank:,}{ending}"


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) >= 0.01 else f"{value:.1g}"
