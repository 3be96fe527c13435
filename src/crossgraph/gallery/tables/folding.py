"""Pictures that look alike, found by a perceptual hash, and answers with those folded under the best of them.

The hash says of each of 16 x 16 places whether the picture gets clearly brighter to the right, clearly darker, or
neither: a difference hash with a third value, so that noise in flat areas says nothing. Two pictures are alike if they
differ in few of the places where either is not flat. Nothing is ever deleted for looking like another.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, UInt8
from PIL import Image

SIDE, BYTES = 16, 64
CLEARLY = 4
"""Grey levels of 256 that count as a change of brightness."""
ALIKE = 0.2
"""Differing values per place that is not flat, below which pictures are alike (see docs/log.md for how it was set)."""
COMPARED = 8192  # pictures whose every pair is compared while somebody waits for `gallery stats`
BLOCK = 1024


def perceptual_hash(image: Image.Image) -> bytes:
    """The perceptual hash of `image`: two bits for each place, first all of "brighter", then all of "darker"."""
    grey = image.convert("L").resize((SIDE + 1, SIDE), Image.Resampling.BOX)
    values = np.asarray(grey, np.int16)
    steps = values[:, 1:] - values[:, :-1]
    return np.packbits(np.stack([steps > CLEARLY, steps < -CLEARLY])).tobytes()


def unlike(first: UInt8[np.ndarray, "n b"], second: UInt8[np.ndarray, " b"]) -> Float[np.ndarray, " n"]:
    """How much each of the `first` hashes differs from `second`: 0 equal; two flat pictures count as equal."""
    apart = np.bitwise_count(first ^ second).sum(1)
    either = first | second
    places = np.bitwise_count(either[:, : BYTES // 2] | either[:, BYTES // 2 :]).sum(1)
    ratio: Float[np.ndarray, " n"] = apart / np.maximum(places, 1)
    return ratio


def folded(items: pa.Table, rows: Sequence[int], order: Sequence[int], *, k: int) -> list[tuple[int, list[int]]]:
    """The first `k` of `order` that do not look like a better one, each with those that look like it.

    `order` are places in `rows`, which are rows of `items`, best first. Equal files are alike without a hash.
    """
    chosen = items.select(["digest", "perceptual_hash"]).take(pa.array(rows, pa.int64()))
    digests = chosen["digest"].to_pylist()
    known, hashes = _hashes(chosen["perceptual_hash"].to_pylist())
    groups: list[tuple[int, list[int]]] = []
    heads: list[int] = []
    for place in order:
        same = np.asarray([digests[head] == digests[place] for head in heads], np.bool_)
        near = known[heads] & known[place] & (unlike(hashes[heads], hashes[place]) <= ALIKE)
        home = np.flatnonzero(same | near)
        if len(home):
            groups[int(home[0])][1].append(place)
        elif len(groups) < k:
            groups.append((place, []))
            heads.append(place)
    return groups


def count_alike(items: pa.Table) -> tuple[int, int | None]:
    """How many pictures have the content of another before them, and how many others only look like one.

    The second is None for more than `COMPARED` pictures.
    """
    equal = len(items) - pc.count_distinct(items["digest"]).as_py()
    if len(items) - equal > COMPARED:
        return equal, None
    _, firsts = np.unique(items["digest"].to_numpy(), return_index=True)
    known, hashes = _hashes(items["perceptual_hash"].take(pa.array(np.sort(firsts))).to_pylist())
    bits = np.unpackbits(hashes[known], axis=1).astype(np.float32)
    places = bits[:, : SIDE * SIDE] + bits[:, SIDE * SIDE :]  # no place is both brighter and darker
    ones, filled = bits.sum(1), places.sum(1)
    alike = 0
    for start in range(0, len(bits), BLOCK):
        end = start + BLOCK
        apart = ones[start:end, None] + ones[:end] - 2 * bits[start:end] @ bits[:end].T
        either = filled[start:end, None] + filled[:end] - places[start:end] @ places[:end].T
        before = np.arange(len(apart))[:, None] + start > np.arange(apart.shape[1])
        alike += int(((apart <= ALIKE * np.maximum(either, 1)) & before).any(1).sum())
    return equal, alike


def _hashes(stored: Sequence[bytes | None]) -> tuple[Bool[np.ndarray, " n"], UInt8[np.ndarray, "n b"]]:
    """Which pictures have a hash, and the hashes as rows."""
    known = [one is not None and len(one) == BYTES for one in stored]
    filled = [one if one and there else bytes(BYTES) for one, there in zip(stored, known, strict=True)]
    return np.asarray(known, np.bool_), np.frombuffer(b"".join(filled), np.uint8).reshape(-1, BYTES)
