"""Which pictures and captions meet in one training step: a pure function of seed and epoch.

A picture is encoded once per step however many captions it brings; an epoch shows every caption once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray


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
            flips = rng.random(len(images)) < 0.5 if mirror else np.zeros(len(images), dtype=bool)
            steps.append(
                Step(
                    images=tuple(images),
                    captions=tuple(caption for image in images for caption in chosen[image]),
                    caption_image=tuple(row for row, image in enumerate(images) for _ in chosen[image]),
                    mirrored=tuple(bool(flip) for flip in flips),
                )
            )
    return [steps[i] for i in rng.permutation(len(steps))]


def cropped(steps: Sequence[Step], sides: Sequence[int], *, seed: int, epoch: int) -> list[Step]:
    """The steps of an epoch, each with a random crop of one of `sides`; a pure function of seed and epoch too."""
    rng = np.random.default_rng((seed, epoch, len(sides)))
    return [replace(step, crop=Crop(int(rng.choice(sides)), *rng.random(2).tolist())) for step in steps]


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
