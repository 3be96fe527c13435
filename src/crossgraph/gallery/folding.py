"""Pictures that look alike, found by a perceptual hash, and answers with those folded under the best of them.

The hash says of each of 16 x 16 places whether the picture gets brighter to the right (a difference hash): 256 bits
that survive scaling and compression. Nothing is ever deleted for looking like another.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from PIL import Image

SIDE, BYTES = 16, 32
ALIKE = 16
"""Pictures whose hashes differ in at most so many of 256 bits are near-duplicates."""


def look_of(picture: Image.Image) -> bytes:
    """The perceptual hash of `picture`: 32 bytes."""
    grey = picture.convert("L").resize((SIDE + 1, SIDE), Image.Resampling.BOX)
    values = np.asarray(grey, np.int16)
    return np.packbits(values[:, 1:] > values[:, :-1]).tobytes()


def folded(items: pa.Table, rows: Sequence[int], order: Sequence[int], *, k: int) -> list[tuple[int, list[int]]]:
    """The first `k` of `order` that do not look like a better one, each with those that look like it.

    `order` are places in `rows`, which are rows of `items`, best first. Equal files are alike without a hash.
    """
    digests = items["digest"].take(rows).to_pylist()
    looks = [look if look and len(look) == BYTES else None for look in items["look"].take(rows).to_pylist()]
    groups: list[tuple[int, list[int]]] = []
    heads = np.empty((0, BYTES), np.uint8)
    known = np.empty(0, np.bool_)
    for place in order:
        look = looks[place]
        bits = np.zeros(BYTES, np.uint8) if look is None else np.frombuffer(look, np.uint8)
        near = known & (look is not None) & (np.bitwise_count(heads ^ bits).sum(1) <= ALIKE)
        same = [digests[head] == digests[place] for head, _ in groups]
        home = np.flatnonzero(near | np.asarray(same, np.bool_))
        if len(home):
            groups[int(home[0])][1].append(place)
        elif len(groups) < k:
            groups.append((place, []))
            heads, known = np.vstack([heads, bits]), np.append(known, look is not None)
    return groups


def duplicates(digests: Sequence[str], looks: Sequence[bytes]) -> tuple[list[list[int]], list[list[int]]]:
    """Groups of two or more rows: of equal files, and of pictures that look alike without being equal.

    Each picture that looks like an earlier one joins the earliest such. Two hashes that differ in at most `ALIKE` bits
    agree in at least one of `ALIKE + 1` slices, so only pictures that share a slice are compared.
    """
    equal: dict[str, list[int]] = {}
    for row, digest in enumerate(digests):
        equal.setdefault(digest, []).append(row)
    firsts = [rows[0] for rows in equal.values() if len(looks[rows[0]] or b"") == BYTES]
    bits = np.unpackbits(np.frombuffer(b"".join(looks[row] for row in firsts), np.uint8).reshape(-1, BYTES), axis=1)
    near: dict[int, list[int]] = {}
    heads: list[dict[bytes, list[int]]] = [{} for _ in range(ALIKE + 1)]
    for place, row in enumerate(firsts):
        slices = [piece.tobytes() for piece in np.array_split(bits[place], ALIKE + 1)]
        maybe = sorted({other for table, key in zip(heads, slices, strict=True) for other in table.get(key, ())})
        apart = (bits[maybe] != bits[place]).sum(1) if maybe else np.empty(0)
        home = np.flatnonzero(apart <= ALIKE)
        if len(home):
            near.setdefault(maybe[int(home[0])], []).append(row)
        else:
            for table, key in zip(heads, slices, strict=True):
                table.setdefault(key, []).append(place)
    return [rows for rows in equal.values() if len(rows) > 1], [[firsts[head], *rows] for head, rows in near.items()]
