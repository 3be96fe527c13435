"""Precision against recall, as numbers and as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from crossgraph.errors import MissingExtraError
from crossgraph.evaluation.label_metrics import hits_at
from crossgraph.evaluation.tie_groups import TieGroups

POINTS = 40


@dataclass(frozen=True)
class Curve:
    """Mean precision and recall over the queries that have a relevant item, after the first `ranks[i]` items."""

    ranks: tuple[int, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]


def curve_ranks(gallery: int, *, points: int = POINTS) -> Int[np.ndarray, " k"]:
    """Ranks from 1 to the size of the gallery, evenly spaced in their logarithm."""
    return np.unique(np.geomspace(1, gallery, points).round().astype(np.int64))


class CurveSums:
    """A curve in the making: takes rankings block by block."""

    def __init__(self, ranks: Int[np.ndarray, " k"]) -> None:
        self.ranks, self.queries = ranks, 0
        self.precision, self.recall = np.zeros(len(ranks)), np.zeros(len(ranks))

    def add(self, groups: TieGroups) -> None:
        """Take the rankings of some more queries."""
        kept = groups.found > 0
        hits = hits_at(groups, self.ranks.tolist())[kept]
        self.queries += int(kept.sum())
        self.precision += (hits / self.ranks).sum(0)
        self.recall += (hits / groups.found[kept, None]).sum(0)

    def curve(self) -> Curve:
        """What all queries so far make; zeros when none has a relevant item."""
        n = max(self.queries, 1)
        return Curve(
            tuple(self.ranks.tolist()), tuple((self.precision / n).tolist()), tuple((self.recall / n).tolist())
        )


def draw_curves(curves: Mapping[str, Curve], file: Path, *, title: str) -> None:
    """Write the curves, one line each under its name, as the kind of picture that the ending of `file` says."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            "drawing curves needs matplotlib; install it with: pip install 'crossgraph[plots]'. "
            "A name that ends in .json gets the numbers without it."
        ) from error
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1))
    for name, curve in curves.items():
        axes.plot(curve.recall, curve.precision, label=name)
    axes.set_title(title, fontsize="small", wrap=True)
    axes.legend()
    figure.savefig(file, dpi=150)
