"""Pictures that look alike under the best of them, and how many copies a gallery holds.

A picture goes under the first, in the order given, that it looks like and that goes under none itself. So no two that
others go under look alike, though one picture may look like both. Nothing is ever deleted for looking like another.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int, UInt8

from crossgraph.gallery.tables.likeness import APART_AT_FIRST, BYTES, alike_in_pairs, first_words, look_alike

BLOCK = 16  # pictures that are compared with all others at once
COMPARED = 8192  # pictures whose every pair is compared while somebody waits for `gallery stats`


def folded(hashes: UInt8[np.ndarray, "n b"], *, k: int) -> list[Int[np.ndarray, " g"]]:
    """The first `k` groups of pictures in order: where the head of each is, and behind it those that go under it."""
    left, groups = np.arange(len(hashes)), list[np.ndarray]()
    while len(left) and len(groups) < k:
        near = look_alike(hashes[left], hashes[left[0]])
        near[0] = True  # also where it is not known how it looks
        groups.append(left[near])
        left = left[~near]
    return groups


def heads(hashes: UInt8[np.ndarray, "n b"]) -> Bool[np.ndarray, " n"]:
    """Which pictures go under none before them: the heads of all groups of `folded`, found many at a time."""
    words, found = first_words(hashes), np.ones(len(hashes), np.bool_)
    for start in range(0, len(hashes), BLOCK):
        rows = start + np.flatnonzero(found[start : start + BLOCK])
        near = np.bitwise_count(words[rows, None] ^ words) <= APART_AT_FIRST
        near &= found & (np.arange(len(hashes)) > rows[:, None])
        places, others = near.nonzero()
        alike = alike_in_pairs(hashes[rows[places]], hashes[others])
        for one, other in zip(rows[places[alike]].tolist(), others[alike].tolist(), strict=True):
            if found[one]:
                found[other] = False
    return found


def count_alike(items: pa.Table) -> tuple[int, int | None]:
    """How many pictures have the content of another before them, and how many others only look like one.

    The second is None for more than `COMPARED` pictures.
    """
    equal = len(items) - pc.count_distinct(items["digest"]).as_py()
    if len(items) - equal > COMPARED:
        return equal, None
    _, firsts = np.unique(items["digest"].to_numpy(), return_index=True)
    stored = items["perceptual_hash"].take(pa.array(np.sort(firsts))).to_pylist()
    hashes = np.frombuffer(b"".join(stored), np.uint8).reshape(-1, BYTES)
    words, alike = first_words(hashes), 0
    for row in range(1, len(hashes)):
        near = np.flatnonzero(np.bitwise_count(words[:row] ^ words[row]) <= APART_AT_FIRST)
        alike += bool(look_alike(hashes[near], hashes[row]).any())
    return equal, alike
