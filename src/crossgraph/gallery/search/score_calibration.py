"""Whether a query has a good answer at all: per query strong, weak, or nothing good found.

A logistic regression on four signs of one search, fitted on queries whose picture was in the gallery and the same
queries with it taken out (`gallery.calibration.pairs`):

    top      score of the best answer, by the last stage
    lead     by how much it beats the mean of the next nine
    first    the best score of the stage before re-ranking
    excess   by how many standard deviations `first` is above the gallery's mean for this query, less what the best of
             so many unrelated pictures would be: the expected maximum of that many normal numbers

`excess` makes galleries of different size comparable. Mean and deviation are those of 1,024 rows spread evenly. A
phrase of one to three words is another kind of query than a caption, with lower scores, and has its own regression.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from pydantic import BaseModel, ConfigDict

from crossgraph.errors import GalleryError
from crossgraph.gallery.search.results import Stage, Verdict

SIGNS = ("top", "lead", "first", "excess")
SAMPLE = 1024
NEXT = 9
LINED = 200
"""So many answers are looked at for the scores that divide good from weaker ones."""
RIDGE = 1e-3
"""How strongly weights are kept small, per query."""
MISSED = 0.06
"""The share of queries with a good answer that may be told that there is none, where the line is drawn."""
SURE = 0.95
"""A verdict is strong where the probability of a good answer is at least this."""


@dataclass(frozen=True)
class Evidence:
    """What one search showed: its scores, best first; those of the stage before; those of a sample of all rows."""

    scores: Float[np.ndarray, " k"]
    first: Float[np.ndarray, " k"]
    background: Float[np.ndarray, " s"]
    searched: int

    def signs(self) -> Float[np.ndarray, " 4"]:
        """The signs, in the order of `SIGNS`."""
        top, following = self.scores[0], self.scores[1 : 1 + NEXT]
        lead = float(top - following.mean()) if len(following) else 0.0
        best, spread = float(self.first.max()), float(self.background.std()) if len(self.background) > 1 else 0.0
        above = (best - float(self.background.mean())) / spread if spread > 1e-9 else 0.0
        return np.array([float(top), lead, best, above - expected_maximum(self.searched)], np.float32)


class Bin(BaseModel):
    """Queries whose predicted probability fell between two values: how many, the mean said, and the share it was."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: float
    high: float
    queries: int
    said: float
    observed: float


class Calibration(BaseModel):
    """The fitted regression of one stage, the lines between verdicts, and its reliability on queries it was not
    fitted on.

    `nothing_below` and `strong_from` are probabilities; `rates` are shares of the held-out queries. `phrases` is
    what holds for queries of one to three words, where that was fitted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    nothing_below: float
    strong_from: float
    reliability: tuple[Bin, ...] = ()
    error: float = 0.0
    rates: dict[str, float] = {}
    phrases: Calibration | None = None

    def of(self, *, phrase: bool) -> Calibration:
        """What holds for a phrase, or for a sentence."""
        return self.phrases if phrase and self.phrases is not None else self

    def probability(self, signs: Float[np.ndarray, "q 4"]) -> Float[np.ndarray, " q"]:
        """The probability that each query has a good answer."""
        mean, scale, weights = (np.array(one, np.float32) for one in (self.mean, self.scale, self.weights))
        said = (signs.astype(np.float32) - mean) / scale @ weights + np.float32(self.bias)
        probability: Float[np.ndarray, " q"] = 0.5 * (1 + np.tanh(said / 2))
        return probability

    def verdict(self, probability: float) -> Verdict:
        """What is said of a query of that probability."""
        if probability < self.nothing_below:
            return "nothing good found"
        return "strong" if probability >= self.strong_from else "weak"


def sample_rows(count: int, allowed: Bool[np.ndarray, " n"] | None = None) -> Int[np.ndarray, " s"]:
    """At most `SAMPLE` rows, spread evenly over the allowed ones."""
    rows = np.arange(count) if allowed is None else allowed.nonzero()[0]
    if len(rows) <= SAMPLE:
        return rows
    return rows[(np.arange(SAMPLE) * len(rows)) // SAMPLE]


def expected_maximum(count: int) -> float:
    """About the expected largest of `count` standard normal numbers *(Blom 1958)*."""
    return NormalDist().inv_cdf((count - 0.375) / (count + 0.25)) if count > 1 else 0.0


def judge(
    calibration: Mapping[str, Any], stage: Stage, evidence: Evidence | None, *, phrase: bool = False
) -> tuple[float | None, Verdict | None]:
    """Probability and verdict of one search, for a `phrase` or not; None without calibration for its last stage."""
    if evidence is None or stage not in calibration:
        return None, None
    fitted = Calibration.model_validate(calibration[stage]).of(phrase=phrase)
    probability = float(fitted.probability(evidence.signs()[None])[0])
    return probability, fitted.verdict(probability)


def lines(
    calibration: Mapping[str, Any], stage: Stage, evidence: Evidence | None, *, phrase: bool = False
) -> tuple[float | None, float | None]:
    """The scores below which answers are weaker than a strong one, and below which they are none.

    An answer is judged as the best one would be if all before it were not in the gallery, which is how the regression
    was fitted. None where the answers do not begin above a line, or none of the first `LINED` falls below it.
    """
    if evidence is None or stage not in calibration:
        return None, None
    fitted = Calibration.model_validate(calibration[stage]).of(phrase=phrase)
    scores = evidence.scores
    most = min(LINED, len(scores), len(evidence.first))
    best = Evidence(scores, evidence.first, evidence.background, evidence.searched).signs()
    first = -np.sort(-evidence.first)[:most]
    spread = float(evidence.background.std()) if len(evidence.background) > 1 else 0.0
    following = np.array(
        [_mean(scores[place + 1 : place + 1 + NEXT], scores[place]) for place in range(most)], np.float32
    )
    signs = np.tile(best, (most, 1))
    signs[:, 0] = scores[:most]
    signs[:, 1] = scores[:most] - following
    signs[:, 2] = first
    signs[:, 3] += (first - first[0]) / spread if spread > 1e-9 else 0.0
    probability = fitted.probability(signs)
    return (
        _line(scores, probability >= fitted.strong_from),
        _line(scores, probability >= fitted.nothing_below),
    )


def _mean(scores: Float[np.ndarray, " k"], otherwise: np.float32) -> np.float32:
    return np.float32(scores.mean()) if len(scores) else otherwise


def _line(scores: Float[np.ndarray, " k"], above: Bool[np.ndarray, " n"]) -> float | None:
    """The lowest score of those that are above from the first on; None where that is none, or all."""
    run = int(np.logical_and.accumulate(above).sum())
    return float(scores[run - 1]) if 0 < run < len(above) else None


def fit(signs: Float[np.ndarray, "q 4"], good: Bool[np.ndarray, " q"]) -> Calibration:
    """The regression fitted on queries of which it is known whether they have a good answer.

    The lines are drawn on the same queries: `nothing_below` where `MISSED` of those with a good answer fall under it.
    Raises `GalleryError` unless there are some of both.
    """
    from sklearn.linear_model import LogisticRegression

    if not bool(good.any()) or bool(good.all()):
        raise GalleryError("calibration needs queries with a good answer and queries without; got only one kind.")
    wide = signs.astype(np.float64)
    mean, scale = wide.mean(0), wide.std(0, ddof=1).clip(min=1e-9)
    columns = (wide - mean) / scale
    regression = LogisticRegression(C=1 / (RIDGE * len(signs)), solver="newton-cholesky", tol=1e-10)
    said = regression.fit(columns, good).predict_proba(columns)[:, 1]
    nothing_below = float(np.quantile(said[good], MISSED))
    return Calibration(
        mean=tuple(mean.tolist()),
        scale=tuple(scale.tolist()),
        weights=tuple(regression.coef_[0].tolist()),
        bias=float(regression.intercept_[0]),
        nothing_below=nothing_below,
        strong_from=max(SURE, nothing_below),
    )


def with_reliability(
    fitted: Calibration, signs: Float[np.ndarray, "q 4"], good: Bool[np.ndarray, " q"], *, bins: int
) -> Calibration:
    """`fitted` with its reliability on other queries: bins of equal width, and their mean error weighed by queries."""
    said = fitted.probability(signs)
    curve: list[Bin] = []
    for place in range(bins):
        low, high = place / bins, (place + 1) / bins
        inside = (said >= low) & ((said < high) if place < bins - 1 else (said <= 1))
        if bool(inside.any()):
            observed = float(good[inside].mean())
            curve.append(
                Bin(low=low, high=high, queries=int(inside.sum()), said=float(said[inside].mean()), observed=observed)
            )
    error = sum(part.queries * abs(part.said - part.observed) for part in curve) / len(said)
    verdicts = [fitted.verdict(value) for value in said.tolist()]
    return fitted.model_copy(update={"reliability": tuple(curve), "error": error, "rates": _rates(verdicts, good)})


def _rates(verdicts: Sequence[Verdict], good: Bool[np.ndarray, " q"]) -> dict[str, float]:
    """Of the queries with and without a good answer, the share that got each verdict."""
    rates: dict[str, float] = {}
    for there, name in ((True, "there"), (False, "removed")):
        said = [verdict for verdict, answer in zip(verdicts, good.tolist(), strict=True) if answer is there]
        for verdict in ("strong", "weak", "nothing good found"):
            rates[f"{name}: {verdict}"] = said.count(verdict) / len(said) if said else math.nan
    return rates
