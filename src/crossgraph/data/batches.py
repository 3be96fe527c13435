"""Which pictures and captions meet in one training step: a pure function of seed and epoch.

A picture is encoded once per step however many captions it brings; an epoch shows every caption once, or is so many
steps of an endless walk. Where pictures are from several sources, a step is of one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import NDArray

from crossgraph.errors import ConfigError

QUARTERS = 4
"""Quarter turns until a picture is upright again."""


@dataclass(frozen=True)
class Crop:
    """A square of `side` cells of every map of a step; `top` and `left` are shares of the room there is to move it."""

    side: int
    top: float
    left: float


@dataclass(frozen=True)
class Step:
    """Rows of the pictures of one step, the captions, and for each caption the position of its picture in `images`."""

    images: tuple[int, ...]
    captions: tuple[int, ...]
    caption_image: tuple[int, ...]
    mirrored: tuple[bool, ...]
    crop: Crop | None = None
    turns: tuple[int, ...] = ()
    """Quarter turns of each picture, counter-clockwise, before it is mirrored; none: all are upright."""


def plan_epoch(
    captions_of_images: Sequence[Sequence[int]],
    *,
    batch_size: int,
    captions_per_image: int,
    seed: int,
    epoch: int,
    neighbours: Int[np.ndarray, "n k"] | None = None,
    group_size: int | None = None,
    mirror: bool = False,
    drop_tail: bool = False,
) -> list[Step]:
    """The steps of one epoch. Pictures without captions are left out; a last step of one picture is dropped.

    `drop_tail` drops every step of fewer than `batch_size` pictures.

    Each pass over the pictures takes their next `captions_per_image` captions in an order of this epoch.
    With `neighbours` (nearest first), a step is a random picture with look-alikes that are still to come, so that
    negatives resemble what a re-ranker meets in a shortlist; otherwise a step is a random sample. `group_size` makes
    a step of several such groups of at most so many pictures.
    """
    rng = np.random.default_rng((seed, epoch))
    shuffled = [rng.permutation(np.asarray(captions, dtype=np.int64)).tolist() for captions in captions_of_images]
    longest = max((len(captions) for captions in shuffled), default=0)
    steps: list[Step] = []
    for start in range(0, longest, captions_per_image):
        chosen = {image: c for image, all_ in enumerate(shuffled) if (c := all_[start : start + captions_per_image])}
        order = rng.permutation(np.fromiter(chosen, dtype=np.int64)).tolist()
        groups = (
            [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
            if neighbours is None
            else _groups_of_neighbours(order, neighbours, group_size or batch_size, batch_size, rng)
        )
        for images in groups:
            if len(images) < (batch_size if drop_tail else 2):
                continue
            steps.append(_step(images, chosen, rng, mirror=mirror))
    return [steps[i] for i in rng.permutation(len(steps))]


def cropped(steps: Sequence[Step], sides: Sequence[int], *, seed: int, epoch: int) -> list[Step]:
    """The steps of an epoch, each with a random crop of one of `sides`; a pure function of seed and epoch too."""
    rng = np.random.default_rng((seed, epoch, len(sides)))
    return [replace(step, crop=Crop(int(rng.choice(sides)), *rng.random(2).tolist())) for step in steps]


def turned(steps: Sequence[Step], may_turn: Bool[np.ndarray, " n"], *, seed: int, epoch: int) -> list[Step]:
    """The steps of an epoch with the pictures that may turn by a random number of quarters; pure like `cropped`."""
    rng = np.random.default_rng((seed, epoch, QUARTERS, 1))
    found = []
    for step in steps:
        turns = rng.integers(QUARTERS, size=len(step.images)) * may_turn[list(step.images)]
        found.append(replace(step, turns=tuple(turns.tolist())))
    return found


def plan_joint_epoch(
    captions_of_images: Sequence[Sequence[int]],
    *,
    sources: Int[np.ndarray, " n"],
    source_names: Sequence[str],
    shares: Mapping[str, float],
    steps: int,
    batch_size: int,
    captions_per_image: int,
    seed: int,
    epoch: int,
    neighbours: Int[np.ndarray, "n k"] | None = None,
    group_size: int | None = None,
    mirror: bool = False,
    drop_tail: bool = False,
) -> list[Step]:
    """The steps of one epoch over several sources, each of pictures from one of them, in random order.

    Without `shares` and `steps` an epoch shows every caption once, as `plan_epoch` does. Otherwise it has so many steps
    (0: as many as showing every caption once takes), of which every source has its share: those of `shares` (weights by
    name; a source that is not named is not trained on), else by its number of captions. An epoch takes up each source
    where the one before it stopped: all pictures of a source are met, in a new order, before any is met again
    (`drop_tail` leaves out what fills no step), and all captions of a picture, so far as whole steps of
    `captions_per_image` allow, before any is. Raises `ConfigError` for unknown sources, and for shares that so few
    steps or pictures cannot keep.
    """
    settings: dict[str, Any] = {
        "batch_size": batch_size,
        "captions_per_image": captions_per_image,
        "neighbours": neighbours,
        "group_size": group_size,
        "mirror": mirror,
        "drop_tail": drop_tail,
    }
    owned = [
        [captions if source == one else () for captions, source in zip(captions_of_images, sources, strict=True)]
        for one in range(len(source_names))
    ]
    order = np.random.default_rng((seed, epoch, len(source_names)))
    if not shares and not steps:
        every = [step for one in owned for step in plan_epoch(one, seed=seed, epoch=epoch, **settings)]
        return [every[i] for i in order.permutation(len(every))]
    weights = _weights(owned, source_names, shares)
    steps = steps or sum(len(plan_epoch(one, seed=seed, epoch=0, **settings)) for one in owned)
    counts = _apportioned(weights, steps, source_names)
    walks = [
        _walk(owned[one], source=one, first=epoch * count, count=count, seed=seed, **settings) if count else []
        for one, count in enumerate(counts)
    ]
    if lacking := [source_names[one] for one, count in enumerate(counts) if len(walks[one]) < count]:
        least = batch_size if drop_tail else 2
        raise ConfigError(
            f"source {lacking[0]!r} has fewer than {least} pictures with captions to train on, and a step compares "
            "that many; leave it out of training.shares."
        )
    turns = order.permutation(np.repeat(np.arange(len(counts)), counts)).tolist()
    following = [iter(walk) for walk in walks]
    return [next(following[one]) for one in turns]


def require_sources(named: Iterable[str], names: Sequence[str], *, setting: str = "training.shares") -> None:
    """Raise `ConfigError` for a `setting` that names what is none of the sources `names`."""
    if unknown := sorted(set(named) - set(names)):
        raise ConfigError(f"{setting} names {unknown[0]!r}, which is no source; there are {', '.join(names)}.")


def _weights(
    owned: Sequence[Sequence[Sequence[int]]], names: Sequence[str], shares: Mapping[str, float]
) -> NDArray[np.float64]:
    """How much of an epoch each source has: its weight in `shares`, else its number of captions."""
    require_sources(shares, names)
    found = [
        shares.get(name, 0.0) if shares else float(sum(map(len, captions)))
        for name, captions in zip(names, owned, strict=True)
    ]
    if not sum(found):
        raise ConfigError("training.shares gives no source any weight; give at least one more than 0.")
    return np.asarray(found) / sum(found)


def _apportioned(weights: NDArray[np.float64], steps: int, names: Sequence[str]) -> list[int]:
    """So many steps for each source, by largest remainders. Raises `ConfigError` where a source would have none."""
    exact = weights * steps
    counts = np.floor(exact).astype(np.int64)
    rest = np.argsort(counts - exact, kind="stable")[: steps - int(counts.sum())]
    counts[rest] += 1
    if none := [name for name, weight, count in zip(names, weights, counts, strict=True) if weight and not count]:
        raise ConfigError(
            f"of {steps} steps an epoch source {none[0]!r} would have none; set training.steps_per_epoch higher, or "
            "give it more of training.shares, or 0."
        )
    return [int(count) for count in counts]


def _walk(
    captions_of_images: Sequence[Sequence[int]],
    *,
    source: int,
    first: int,
    count: int,
    seed: int,
    batch_size: int,
    captions_per_image: int,
    neighbours: NDArray[np.int64] | None,
    group_size: int | None,
    mirror: bool,
    drop_tail: bool,
) -> list[Step]:
    """Steps `first` to `first + count` of the endless walk over a source; none where its pictures make no step."""
    pictures = np.flatnonzero([len(captions) > 0 for captions in captions_of_images])
    least = batch_size if drop_tail else 2
    if len(pictures) < least:
        return []
    steps: list[Step] = []
    # A round is a walk over all pictures; every round has as many steps.
    per_round = len(pictures) // batch_size if drop_tail else -(-len(pictures) // batch_size)
    if neighbours is not None and not drop_tail:
        per_round = len(pictures) // batch_size + (len(pictures) % batch_size >= least)
    if len(pictures) // per_round < least:
        per_round -= 1  # of an odd number of pictures in steps of two, one is left over
    for number in range(first // per_round, -(-(first + count) // per_round)):
        rng = np.random.default_rng((seed, source, number))
        order = rng.permutation(pictures)
        if neighbours is not None:
            near = _groups_of_neighbours(order.tolist(), neighbours, group_size or batch_size, batch_size, rng)
            groups = [group for group in near if len(group) >= least]
            groups = [groups[place] for place in rng.permutation(len(groups))]
        elif drop_tail:
            groups = order[: per_round * batch_size].reshape(per_round, batch_size).tolist()
        else:
            groups = [group.tolist() for group in np.array_split(order[: per_round * batch_size], per_round)]
        for place, images in enumerate(groups, start=number * per_round):
            if first <= place < first + count:
                drawn = np.random.default_rng((seed, source, number, place))
                chosen = {
                    image: _captions_of_round(captions_of_images[image], number, captions_per_image, seed, image)
                    for image in images
                }
                steps.append(_step(images, chosen, drawn, mirror=mirror))
    return steps


def _captions_of_round(captions: Sequence[int], number: int, size: int, seed: int, image: int) -> list[int]:
    """The captions that a picture brings in a round: all of them, in a new order, over each few rounds.

    The last of these rounds is filled up with the first.
    """
    rounds = -(-len(captions) // size)
    order = np.random.default_rng((seed, image, number // rounds, 1)).permutation(np.asarray(captions)).tolist()
    start = number % rounds * size
    return [*order[start : start + size], *order[: max(0, start + size - len(order))]][: len(order)]


def _step(
    images: Sequence[int], chosen: Mapping[int, Sequence[int]], rng: np.random.Generator, *, mirror: bool
) -> Step:
    """The step of these pictures with the captions `chosen` for each, a random half of them mirrored."""
    flips = rng.random(len(images)) < 0.5 if mirror else np.zeros(len(images), dtype=bool)
    return Step(
        images=tuple(images),
        captions=tuple(caption for image in images for caption in chosen[image]),
        caption_image=tuple(row for row, image in enumerate(images) for _ in chosen[image]),
        mirrored=tuple(bool(flip) for flip in flips),
    )


def _groups_of_neighbours(
    order: list[int], neighbours: NDArray[np.int64], group_size: int, batch_size: int, rng: np.random.Generator
) -> list[list[int]]:
    """Partition `order` into groups of look-alikes, and join these in random order into batches."""
    groups = _group_neighbours(order, neighbours, group_size, rng)
    if group_size == batch_size:
        return groups
    joined = [image for place in rng.permutation(len(groups)) for image in groups[place]]
    return [joined[i : i + batch_size] for i in range(0, len(joined), batch_size)]


def _group_neighbours(
    order: list[int], neighbours: NDArray[np.int64], batch_size: int, rng: np.random.Generator
) -> list[list[int]]:
    """Partition `order` into groups of look-alikes; what no neighbour list reaches is filled in order."""
    waiting = dict.fromkeys(order)
    groups: list[list[int]] = []
    while waiting:
        group = [next(iter(waiting))]
        del waiting[group[0]]
        near = [image for image in neighbours[group[0]].tolist() if image in waiting]
        group += rng.permutation(near)[: batch_size - 1].tolist()
        for image in group[1:]:
            del waiting[image]
        filling = list(islice(waiting, batch_size - len(group)))
        for image in filling:
            del waiting[image]
        groups.append(group + filling)
    return groups
