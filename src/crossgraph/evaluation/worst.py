"""The queries that went worst, with what was found in their right answer's place; read off scores that are there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crossgraph.data.corpus import Corpus
from crossgraph.errors import ConfigError
from crossgraph.evaluation.metrics import Answers, FirstAnswers
from crossgraph.evaluation.two_stage import TwoStageResult

KEPT = 20
"""How many of each direction are kept with an evaluation."""

SHOWN_ANSWERS = 5
RANK = "rank of the first right answer"


@dataclass(frozen=True)
class Item:
    """A picture or a caption of a corpus: `image` is the picture's id, `path` its file, empty where there is none.

    `text` is the caption, or the first of the picture's; empty where it has none.
    """

    image: str
    text: str
    path: str

    @property
    def name(self) -> str:
        """The picture's id without the folders it lies in."""
        return self.image.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class FoundItem:
    """An answer with the score that ranked it, None where only its place is known, and whether it is right."""

    item: Item
    score: float | None
    right: bool


@dataclass(frozen=True)
class WorstQuery:
    """A query, its number (a rank or an average precision), the rank and score of its best right answer, and the first
    answers. Ranks are from 1 and, where items tie, the mean over their orders."""

    query: Item
    value: float
    rank: float
    right: FoundItem
    answers: tuple[FoundItem, ...]

    @property
    def place(self) -> str:
        """The rank as it is printed: the mean over the orders of ties is seldom whole."""
        return f"{self.rank:,.0f}" if self.rank == int(self.rank) else f"{self.rank:,.1f} (mean over ties)"


@dataclass(frozen=True)
class WorstQueries:
    """The worst of both directions, worst first: `by` says by which number, `scores` what the scores are.

    Pictures are the queries of `image_to_text`. Queries without any right answer are left out.
    """

    by: str
    scores: str
    image_to_text: tuple[WorstQuery, ...]
    text_to_image: tuple[WorstQuery, ...]


@dataclass(frozen=True)
class RankedRow:
    """The same as rows of the queries and of the gallery."""

    query: int
    value: float
    rank: float
    right: tuple[int, float | None]
    answers: tuple[tuple[int, float | None, bool], ...]


def worst_by_rank(
    scores: Float[Tensor, "n m"] | TwoStageResult,
    answers: Answers,
    relevant: Bool[Tensor, "n m"],
    corpus: Corpus,
    *,
    count: int = KEPT,
) -> WorstQueries:
    """The `count` queries of each direction whose first right answer comes last, of scores (images x captions).

    `answers` and `relevant` are what the scores were judged by. Of two stages the scores told are those that ordered
    the shortlist; what is not on it has none.
    """
    staged = scores if isinstance(scores, TwoStageResult) else None
    there, back = (staged.image_to_text, staged.text_to_image) if staged else (scores, scores)
    assert isinstance(there, Tensor)
    assert isinstance(back, Tensor)
    pictures, captions = picture_of(corpus), caption_of(corpus)
    images = worst_rows(there, relevant, answers.image_to_text, count=count)
    texts = worst_rows(back.T, relevant.T, answers.text_to_image, count=count)
    told = "the method's score"
    if staged:
        images = [with_scores(row, staged.captions_of_images, staged.scores_of_captions) for row in images]
        texts = [with_scores(row, staged.images_of_captions, staged.scores_of_images) for row in texts]
        told = "the fine score" + (f" + {staged.blend:g} of the shortlist's" if staged.blend else "")
    return WorstQueries(
        RANK,
        told,
        tuple(named(row, pictures, captions) for row in images),
        tuple(named(row, captions, pictures) for row in texts),
    )


def worst_rows(
    scores: Float[Tensor, "q g"],
    relevant: Bool[Tensor, "q g"],
    answers: FirstAnswers,
    *,
    count: int,
    values: Float[Tensor, " q"] | None = None,
) -> list[RankedRow]:
    """The queries (rows) whose right answer comes last, or whose `values` are least; equals in order of index."""
    if count < 0:
        raise ConfigError(f"{count} worst queries cannot be listed; ask for 0 or more.")
    ranks = answers.ranks()
    badness = (ranks if values is None else -values).double().masked_fill(~answers.answerable, -torch.inf)
    order = badness.argsort(descending=True, stable=True)[:count]
    rows = []
    for query in order[answers.answerable[order]].tolist():
        row, right = scores[query].cpu(), relevant[query].cpu()
        best = int(row.masked_fill(~right, -torch.inf).argmax())
        first = row.argsort(descending=True, stable=True)[:SHOWN_ANSWERS].tolist()
        rows.append(
            RankedRow(
                query,
                float(ranks[query] if values is None else values[query]),
                float(ranks[query]),
                (best, float(row[best])),
                tuple((item, float(row[item]), bool(right[item])) for item in first if row[item] > -torch.inf),
            )
        )
    return rows


def with_scores(row: RankedRow, shortlist: Tensor, scores: Tensor) -> RankedRow:
    """The row with the scores of a shortlist in the place of numbers that only order it."""
    known = dict(zip(shortlist[row.query].tolist(), scores[row.query].tolist(), strict=True))
    right = row.right[0]
    answers = tuple((item, known.get(item), good) for item, _, good in row.answers)
    return RankedRow(row.query, row.value, row.rank, (right, known.get(right)), answers)


def named(row: RankedRow, query: Callable[[int], Item], answer: Callable[[int], Item]) -> WorstQuery:
    """The row with what its numbers stand for."""
    right, score = row.right
    return WorstQuery(
        query(row.query),
        row.value,
        row.rank,
        FoundItem(answer(right), score, True),
        tuple(FoundItem(answer(item), value, good) for item, value, good in row.answers),
    )


def picture_of(corpus: Corpus, rows: Int[np.ndarray, " n"] | None = None) -> Callable[[int], Item]:
    """What the pictures of a corpus are called, or those at `rows` of it, by their place."""
    captions = corpus.captions_of_images()

    def item(place: int) -> Item:
        row = place if rows is None else int(rows[place])
        text = corpus.captions[captions[row][0]] if captions[row] else ""
        return Item(corpus.image_ids[row], text, _path(corpus, row))

    return item


def caption_of(corpus: Corpus, rows: Int[np.ndarray, " n"] | None = None) -> Callable[[int], Item]:
    """The same of captions."""

    def item(place: int) -> Item:
        row = place if rows is None else int(rows[place])
        image = int(corpus.caption_image[row])
        return Item(corpus.image_ids[image], corpus.captions[row], _path(corpus, image))

    return item


def _path(corpus: Corpus, row: int) -> str:
    return "" if corpus.features is not None else str(corpus.image_paths[row].absolute())
