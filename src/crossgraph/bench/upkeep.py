"""What changing a few pictures of a gallery costs, and looking at all of them, at two sizes of the gallery.

Pictures are tiny files that are decoded and hashed as any; the model gives drawn vectors, so that nothing but the
upkeep is measured. Every call opens the gallery, as a command does. Of what looks at all pictures the cost is that of
each picture of the gallery, of what is told which pictures, that of each of those.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np

from crossgraph.bench.drawn_gallery import IN_A_FOLDER, DrawnModel, draw_files, drawn_gallery
from crossgraph.bench.timing import Machine, Outcome
from crossgraph.gallery.changes.upsert import NewImage
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.upkeep.stats import gallery_stats

SIZES = (10_000, 1_000_000)
WANTED = 2.0
COMMITS = 40  # more than the small files that are left alone, so that they are merged

Told = TypeVar("Told")


def run(*, sizes: Sequence[int] = SIZES, changed: int = 1000, repeats: int = 3, work: Path | None = None) -> Outcome:
    """Microseconds of the processor for a picture at each size, medians, and how many times the first is the last.

    Calls name `changed` pictures, or a hundredth of all; the galleries lie in `work` meanwhile.
    """
    measured: dict[str, list[Cost]] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=work) as folder:
            for name, cost in _Bench(Path(folder), size, repeats).costs(changed):
                measured.setdefault(name, []).append(cost)
    rows = [_row(name, costs, sizes) for name, costs in measured.items()]
    return Outcome("upkeep", Machine.now(), rows, [f"wanted: at most {WANTED:g} times"])


@dataclass(frozen=True)
class Cost:
    """Seconds of the processor of each repetition, for so many `pictures`."""

    seconds: tuple[float, ...]
    pictures: int

    @property
    def microseconds(self) -> float:
        """Of a picture, the median."""
        return 1e6 * median(self.seconds) / self.pictures


def _row(name: str, costs: Sequence[Cost], sizes: Sequence[int]) -> dict[str, Any]:
    apart = [one / median(cost.seconds) for cost in costs for one in cost.seconds]
    return {
        "what": name,
        **{f"us a picture of {size:,}": cost.microseconds for size, cost in zip(sizes, costs, strict=True)},
        "times": costs[-1].microseconds / costs[0].microseconds,
        "least": min(apart),
        "most": max(apart),
    }


class _Bench:
    """One gallery of `size` pictures, changed again and again."""

    def __init__(self, work: Path, size: int, repeats: int) -> None:
        self._place, self._folder, self._new = work / "gallery", work / "pictures", work / "new"
        self._numbered = self._folder / "numbered"
        self._size, self._repeats, self._numbers = size, repeats, count()
        left = drawn_gallery(self._place, self._folder, size)[repeats * IN_A_FOLDER :]  # of the others, files change
        self._random = np.random.default_rng(0)
        self._ids = self._random.permutation(left).tolist()

    def costs(self, changed: int) -> Iterator[tuple[str, Cost]]:
        """What each kind of change costs, by its name."""
        yield "sync, nothing changed", self._cost(self._size, lambda: None, lambda gallery, _: gallery.sync())
        yield (
            f"sync, {changed:,} changed",
            self._cost(self._size, lambda: self._change_files(changed), lambda gallery, _: gallery.sync()),
        )
        self._add_numbered(changed)
        yield (
            f"sync, {changed:,} renumbered",
            self._cost(self._size, self._renumber, lambda gallery, _: gallery.sync()),
        )
        for pictures, called in ((changed, f"{changed:,}"), (self._size // 100, "a hundredth")):
            yield from self._named(pictures, called)
        yield "an upsert for each, folded", self._cost(COMMITS, lambda: self._drawn(COMMITS), _one_by_one)
        yield "stats", self._cost(self._size, lambda: None, lambda gallery, _: gallery_stats(gallery.storage))

    def _named(self, pictures: int, called: str) -> Iterator[tuple[str, Cost]]:
        """Calls that name so many pictures."""

        def some() -> list[str]:
            return [self._ids[row] for row in self._random.choice(len(self._ids), pictures, replace=False)]

        def others() -> list[str]:
            return [self._ids.pop() for _ in range(pictures)]

        def replaced() -> list[NewImage]:
            return [replace(one, id=key) for one, key in zip(self._drawn(pictures), some(), strict=True)]

        of = f" of {called}"
        yield f"upsert{of} new", self._cost(pictures, lambda: self._drawn(pictures), Gallery.upsert)
        yield f"upsert{of} replaced", self._cost(pictures, replaced, Gallery.upsert)
        yield f"annotate{of}", self._cost(pictures, some, _annotate)
        yield f"remove{of}", self._cost(pictures, others, Gallery.remove)

    def _cost(self, pictures: int, prepare: Callable[[], Told], change: Callable[[Gallery, Told], object]) -> Cost:
        """What it costs to open the gallery and change it as was prepared."""
        seconds = []
        for _ in range(self._repeats):
            told = prepare()
            began = time.process_time()
            change(Gallery.open(self._place, DrawnModel()), told)
            seconds.append(time.process_time() - began)
        return Cost(tuple(seconds), pictures)

    def _drawn(self, pictures: int) -> list[NewImage]:
        """So many new pictures, each with a caption."""
        number = next(self._numbers)
        files = draw_files(self._new / str(number), pictures, seed=number)
        return [NewImage(path, (f"what {path.name} of {number} shows",)) for path in files]

    def _change_files(self, changed: int) -> None:
        """A third of so many are new, a third have other content, and a third are gone."""
        number = next(self._numbers)
        drawn = draw_files(self._folder / f"new-{number}", 2 * (changed // 3), seed=number)
        inside = self._folder / f"{number:06}"
        there = sorted(inside.iterdir())[1:]
        for path, new in zip(there, drawn[: changed // 3]):  # noqa: B905
            path.unlink()  # a link: what it leads to stays as it is
            new.rename(path)
        for path in there[changed // 3 : 2 * (changed // 3)]:
            path.unlink()

    def _add_numbered(self, count: int) -> None:
        """So many pictures more, in a folder of their own."""
        draw_files(self._numbered, count, seed=next(self._numbers))
        Gallery.open(self._place, DrawnModel()).sync()

    def _renumber(self) -> None:
        """The pictures of that folder get the names of those after them, as where a new one is put before all."""
        for path in sorted(self._numbered.iterdir(), reverse=True):
            path.rename(path.with_stem(f"{int(path.stem) + 1:06}"))


def _annotate(gallery: Gallery, ids: Sequence[str]) -> int:
    return gallery.annotate({key: {"number": 7} for key in ids})


def _one_by_one(gallery: Gallery, images: Sequence[NewImage]) -> None:
    for image in images:
        gallery.upsert([image])
