"""An explanation as the page shows it: words that can be chosen, bars, and the same as a list."""

from __future__ import annotations

from dataclasses import dataclass

from crossgraph.serving.explanations import Box, ExplainOut
from crossgraph.serving.overlay import is_grid, regions_of, where

KINDS = {"object": "thing", "attribute": "quality", "relation": "relation"}


@dataclass(frozen=True)
class Bar:
    """A number as a bar, in hundredths of its width; `zero` is where nothing is."""

    start: float
    length: float
    zero: float
    minus: bool


@dataclass(frozen=True)
class Row:
    """A word or a match: what it says, adds, and where it was found. `weights` is for the script that lights regions,
    `regions` are those of a match.
    """

    index: int
    text: str
    kind: str
    value: float
    score: float
    bar: Bar
    place: str
    weights: str = ""
    regions: str = ""


@dataclass(frozen=True)
class Shown:
    """All of an explanation. `words` are in the sentence's order; `listed` is words or matches, what adds most first.

    `values` says what the numbers are; `found_apart` whether words have numbers beside the matches that make the score.
    """

    told: ExplainOut
    words: tuple[Row, ...]
    listed: tuple[Row, ...]
    values: str
    nowhere: bool
    code: str


def shown(told: ExplainOut) -> Shown:
    """What the page shows of an explanation."""
    grid = is_grid(told.boxes)
    scores = [one.score if one.contribution is None else one.contribution for one in told.words]
    words = [
        Row(
            index,
            one.word,
            "word",
            scores[index],
            one.score,
            bar,
            place_of(one.weights, told.boxes, grid=grid),
            weights=" ".join(f"{weight:.3f}" for weight in one.weights),
        )
        for index, (one, bar) in enumerate(zip(told.words, bars(scores), strict=True))
    ]
    matches = [
        Row(
            index,
            one.text,
            KINDS[one.kind],
            one.contribution,
            one.score,
            bar,
            " and ".join(dict.fromkeys(where(box, is_grid=grid) for box in one.boxes)) or "nowhere",
            regions=" ".join(map(str, regions_of(one, told.boxes))),
        )
        for index, (one, bar) in enumerate(
            zip(told.matches, bars([one.contribution for one in told.matches]), strict=True)
        )
    ]
    listed = sorted(matches or words, key=lambda row: -row.value)
    code = told.code
    return Shown(
        told,
        tuple(words),
        tuple(listed),
        "adds" if told.how != "apart" else "found",
        all(not any(one.weights) for one in told.words),
        "" if code is None else f"{len(code.agreeing)} of {code.bits} bits of the two codes agree",
    )


def bars(values: list[float]) -> list[Bar]:
    """Bars on one scale, from the least (or 0) to the most (or 0)."""
    least, most = min([0.0, *values]), max([0.0, *values])
    span = max(most - least, 1e-12)
    zero = 100 * -least / span
    return [
        Bar(
            round(zero if value >= 0 else zero - 100 * -value / span, 2),
            round(100 * abs(value) / span, 2),
            round(zero, 2),
            value < 0,
        )
        for value in values
    ]


def place_of(weights: list[float], boxes: list[Box], *, grid: bool) -> str:
    """Where a word looked most, in words; "nowhere" for one that looked nowhere."""
    most = max(weights, default=0.0)
    return where(boxes[weights.index(most)], is_grid=grid) if most > 0 else "nowhere"
