"""Folding in a search: how many candidates it takes, which of them are re-ranked, and what goes under each answer.

Folding comes before every cut, so there are as many answers as were asked for wherever a gallery holds so many that do
not look alike. What goes under an answer is looked for in the whole gallery, as far as a filter keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Int

from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.search.scope import Scope
from crossgraph.gallery.stages.shortlist import Candidates
from crossgraph.gallery.tables.folding import folded
from crossgraph.gallery.tables.likeness import look_alike

FEWEST = 200  # candidates of the first look: enough for ten answers of twenty pictures each
MORE = 4
"""Times as many candidates at the next look, where too many look alike."""


def folds(options: SearchOptions) -> bool:
    """Whether pictures that look alike are to be one answer."""
    return options.fold and options.target == "images"


def gathered(
    look: Callable[[int], Candidates], scope: Scope, *, groups: int
) -> tuple[Candidates, Int[np.ndarray, " k"]]:
    """Candidates in which there are so many `groups` of pictures that look alike, or all there are; and the look that
    found each.

    `look` finds the best so many. What it finds comes behind all that was found before, so that the order does not
    depend on how much of it was asked for.
    """
    found, looks, count = Candidates.none(), np.empty(0, np.int64), FEWEST
    while True:
        now = look(count)
        new = ~np.isin(now.rows, found.rows)
        looks = np.concatenate([looks, np.full(int(new.sum()), count)])
        found = found.followed_by(now.rows[new], now.scores[new])
        if count >= len(scope) or len(groups_of(found.rows, scope, k=groups)) >= groups:
            return found, looks
        count *= MORE


def groups_of(rows: Int[np.ndarray, " n"], scope: Scope, *, k: int) -> list[Int[np.ndarray, " g"]]:
    """The first `k` groups of `rows` that look alike, as places among them: each with its best first."""
    return folded(scope.snapshot.looks[rows], k=k)


def reranked_places(
    rows: Int[np.ndarray, " n"], scope: Scope, *, shortlist: int, parts: int
) -> tuple[list[int], list[int]]:
    """Places among the candidates `rows` that are worth re-ranking, and the part of the answers each belongs to.

    A part is `shortlist` groups of pictures that look alike: the best of each, and of the others that come before the
    next part at most as many. It is ranked by itself, so that no page depends on how many pages are asked for.
    """
    groups, places, owners = groups_of(rows, scope, k=shortlist * parts + 1), list[int](), list[int]()
    for part in range(parts):
        own, after = groups[part * shortlist : (part + 1) * shortlist], groups[(part + 1) * shortlist :]
        end = int(after[0][0]) if after else len(rows)
        heads = [int(group[0]) for group in own]
        others = sorted(int(place) for group in own for place in group[1:] if place < end)
        chosen = sorted(heads + others[: 2 * shortlist - len(heads)])
        places += chosen
        owners += [part] * len(chosen)
    return places, owners


def rows_under(scope: Scope, heads: Sequence[int], *, start: int, without: Sequence[int]) -> list[list[int]]:
    """For each of the `heads` from `start` on, all rows that go under it, less those `without`.

    `heads` are the rows of the answers, best first. What looks like two goes under the better.
    """
    looks, found = scope.snapshot.looks, list[list[int]]()
    if start >= len(heads):
        return found
    own = looks[heads]
    for place in range(start, len(heads)):
        rows = scope.snapshot.may_look_like(own[place])
        rows = rows if scope.allowed is None else rows[scope.allowed[rows]]
        rows = rows[~np.isin(rows, [heads[place], *without])]
        hashes = looks[rows]
        for alike_to, under in ((own[place], True), *((better, False) for better in own[:place])):
            if not len(rows):
                break
            kept = look_alike(hashes, alike_to) == under
            rows, hashes = rows[kept], hashes[kept]
        found.append(rows.tolist())
    return found
