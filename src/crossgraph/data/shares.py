"""Splits for sources that have none: seeded shares of the items, by their names.

Whether an item is drawn depends on the seed and its name, not on its place, so that a few missing pictures move hardly
any other picture from one split to another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pydantic import Field

from crossgraph.data.options import SourceOptions


class Shares(SourceOptions):
    """How much of a source without splits is kept for validation and test."""

    val_share: float = Field(0.05, ge=0, lt=1, description="share of the items that is the val split")
    test_share: float = Field(0.1, ge=0, lt=1, description="share of the items that is the test split")
    seed: int = Field(0, ge=0, description="which items these are")


def share_splits(names: Sequence[str], *, val: float, test: float, seed: int) -> list[str]:
    """A split for each of `names`, which are unique: `test` and `val` of these shares, rounded, the rest `train`."""
    order = sorted(range(len(names)), key=lambda row: draw(names[row], seed))
    tests, vals = round(test * len(names)), round(val * len(names))
    splits = ["train"] * len(names)
    for place, row in enumerate(order[: tests + vals]):
        splits[row] = "test" if place < tests else "val"
    return splits


def hold_out(names: Sequence[str], splits: Sequence[str], *, val: float, seed: int) -> list[str]:
    """`splits` with a share of `train` made `val`; unchanged if there is a `val` split already."""
    if "val" in splits:
        return list(splits)
    training = [row for row, split in enumerate(splits) if split == "train"]
    drawn = share_splits([names[row] for row in training], val=val, test=0.0, seed=seed)
    held = {row for row, split in zip(training, drawn, strict=True) if split == "val"}
    return ["val" if row in held else split for row, split in enumerate(splits)]


def draw(name: str, seed: int) -> bytes:
    """What a name draws by `seed`, as 32 bytes that are compared: as good as random, and always the same."""
    return hashlib.sha256(f"{seed}|{name}".encode("utf-8", "surrogateescape")).digest()
