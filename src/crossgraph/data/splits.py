"""Splits for a corpus that has none: some pictures are held out as `val`, the rest is `train`, by a rule that is kept.

Every picture draws a number from its name (`shares.draw`), and those up to a line are held out; the line is set where a
tenth of the pictures with captions is below it. Since the line is kept with the run that was trained, a picture that
was trained on is never held out later, whatever joins the corpus. Pictures of equal content share the highest of their
numbers, so that all of them are on one side.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from crossgraph.data.assembly import NO_SPLIT
from crossgraph.data.corpus import Corpus
from crossgraph.data.given_features import row_key
from crossgraph.data.images import image_bytes_digest
from crossgraph.data.shares import draw
from crossgraph.errors import DataError, ImageError

TRAIN, VAL, TEST = "train", "val", "test"

SHARE, FEWEST, MOST = 0.1, 2, 1000
"""How many of the pictures with captions are held out: this share, but never fewer nor more."""
LEFT = 2
"""So many must be left to train on: a step compares two."""
TAIL = 4096  # bytes at the end of a file, in which different pictures of equal size nearly always differ


class HeldOut(BaseModel):
    """The rule by which pictures of the split `of` are held out as `val`: those whose number is at most `line`.

    When it was made, `held` of `images` pictures with captions were.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    of: str
    line: str
    held: int
    images: int
    seed: int = 0

    def text(self) -> str:
        """The rule in one line, for people."""
        source = "no splits in the source" if self.of == NO_SPLIT else f"{self.of} and no val in the source"
        return (
            f"{source}: {self.held:,} of {self.images:,} pictures with captions are val, by the hash of their names "
            f"(seed {self.seed}), equal pictures on one side; the rest is train"
        )


def one_in(count: int | None, corpus: Corpus) -> Corpus:
    """The corpus with one in `count` pictures as `val`: those whose hash of the file's name is divided by `count`.

    The hash is the first 32 bits of SHA-256 of the name without folders. The other pictures are as they were, or
    `train` if they had no split; a corpus with a `val` of its own is left as it is, as is every one for None. Unlike
    `HeldOut`, no picture's side hangs on which others there are, and pictures of equal content may be on both.
    """
    if count is None or undivided(corpus) is None:
        return corpus
    splits = [TRAIN if split == NO_SPLIT else split for split in corpus.image_splits]
    for row, path in enumerate(corpus.image_paths):
        number = int(sha256(path.name.encode("utf-8", "surrogateescape")).hexdigest()[:8], 16)
        if splits[row] == TRAIN and number % count == 0:
            splits[row] = VAL
    said = f"one picture in {count} is val, by the hash of its file's name"
    understood = replace(corpus.understood, notes=(*corpus.understood.notes, said))
    return replace(corpus, image_splits=tuple(splits), understood=understood)


def undivided(corpus: Corpus) -> str | None:
    """The split that `val` can be held out of: `train`, or what has no split; None where there is a `val`."""
    if VAL in corpus.splits:
        return None
    return next((name for name in (TRAIN, NO_SPLIT) if name in corpus.splits), None)


def rule_for(corpus: Corpus) -> HeldOut | None:
    """The rule that holds out a tenth of the pictures with captions; None where `val` is there already.

    Raises `DataError` where too few would be left on either side.
    """
    of = undivided(corpus)
    if of is None:
        return None
    drawn = _drawn(corpus, of, seed=0)
    described = [row for row, captions in enumerate(corpus.captions_of_images()) if captions and row in drawn]
    wanted = min(max(round(SHARE * len(described)), FEWEST), MOST)
    numbers = sorted(drawn[row] for row in described)
    below = {number: place for place, number in enumerate(numbers, start=1)}  # how many are held out up to each
    fit = [number for number, held in below.items() if FEWEST <= held <= wanted]
    line = fit[-1] if fit else next((number for number, held in below.items() if held >= FEWEST), "")
    if not line or len(described) - below[line] < LEFT:
        raise DataError(
            f"corpus {corpus.name!r} has no val split and {len(described)} pictures with captions (equal ones "
            f"stay together), too few to hold any out: at least {FEWEST} are selected by and {LEFT} trained on. Give "
            "more pictures with captions, or a source that names its splits."
        )
    return HeldOut(of=of, line=line, held=below[line], images=len(described))


def held_out(corpus: Corpus, rule: HeldOut) -> Corpus:
    """The corpus with `val` held out by `rule`, and `train` for the rest of what it is held out of.

    Pictures without captions are not held out: nothing could be measured of them. A corpus with a `val` of its own is
    left as it is.
    """
    of = undivided(corpus)
    if of is None:
        return corpus
    drawn, splits = _drawn(corpus, of, seed=rule.seed), list(corpus.image_splits)
    described = set(corpus.caption_image.tolist())
    for row, number in drawn.items():
        splits[row] = VAL if number <= rule.line and row in described else TRAIN
    return replace(corpus, image_splits=tuple(splits))


def drawn_splits(corpus: Corpus, rule: HeldOut | None = None) -> Corpus:
    """The corpus with `train` and `val`, drawn by `rule` or by its own where it has none."""
    rule = rule or rule_for(corpus)
    return corpus if rule is None else held_out(corpus, rule)


def split_of(corpus: Corpus, name: str, rule: HeldOut | None = None) -> Corpus:
    """One split of a corpus: its own, or one drawn where it has none; "all" is everything.

    Raises `DataError` for any other split that is not there, or that `rule` leaves empty.
    """
    if name == NO_SPLIT and len(corpus):
        return corpus
    of = undivided(corpus)
    if name == VAL or (name == TRAIN and (of == NO_SPLIT or rule is not None)):
        try:
            corpus = drawn_splits(corpus, rule)
        except DataError as error:
            raise _undrawn(corpus, name) if of == NO_SPLIT else error from None
    if name not in corpus.splits and of == NO_SPLIT:
        can_be = (
            "none of its pictures is held out by the rule of this run" if name == VAL else "train and val are drawn"
        )
        raise DataError(
            f"corpus {corpus.name!r} has no split {name!r}: its source names none; {can_be}, and all is everything."
        )
    return corpus.split(name)


def _undrawn(corpus: Corpus, name: str) -> DataError:
    """The error that a split was asked for where there are none, and too few captions to draw any."""
    described = sum(map(bool, corpus.captions_of_images()))
    return DataError(
        f"corpus {corpus.name!r} has no split {name!r}: its source names none, and {described} pictures with captions "
        f"are too few to draw train and val (at least {FEWEST + LEFT}, no two alike). Leave the split out, or say "
        "all, for every picture."
    )


def _drawn(corpus: Corpus, of: str, *, seed: int) -> dict[int, str]:
    """The number of every picture of the split `of`, by row; equal pictures have that of the one with the highest."""
    rows = [row for row, split in enumerate(corpus.image_splits) if split == of]
    names = [unicodedata.normalize("NFC", corpus.image_ids[row]).replace("\\", "/") for row in rows]
    numbers = [draw(name, seed).hex() for name in names]
    highest: dict[Hashable, str] = {}
    alike = _alike(corpus, rows)
    for key, number in zip(alike, numbers, strict=True):
        highest[key] = max(number, highest.get(key, ""))
    return {row: highest[key] for row, key in zip(rows, alike, strict=True)}


def _alike(corpus: Corpus, rows: Sequence[int]) -> list[Hashable]:
    """A key for each picture at `rows`, which equal pictures share."""
    if corpus.features is not None:
        images = corpus.features.images
        return [row_key(images[row]) for row in rows]
    return content_keys([corpus.image_paths[row] for row in rows])


def content_keys(paths: Sequence[Path]) -> list[Hashable]:
    """A key for each file, equal for files of equal bytes; a file that cannot be read is like no other.

    Files are read whole only where size and end are those of another.
    """
    keys: list[Hashable] = [_key(path, lambda path: path.stat().st_size) for path in paths]
    for finer in (_tail, image_bytes_digest):
        sharing: dict[Hashable, list[int]] = defaultdict(list)
        for place, key in enumerate(keys):
            sharing[key].append(place)
        for key, places in sharing.items():
            for place in places if len(places) > 1 else ():
                keys[place] = (key, _key(paths[place], finer))
    return keys


def _key(path: Path, of: Callable[[Path], Hashable]) -> Hashable:
    try:
        return of(path)
    except (OSError, ImageError):
        return str(path)


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL))
        return file.read()
