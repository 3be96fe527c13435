"""Sums of queries, and queries moved by feedback, in the space of embeddings and in that of codes.

Every vector counts as unit length, so that weights mean what they say whatever encoded the terms. The codes of a sum
are the signs of the weighted sum of codes of +1 and -1; where that is 0, the first term with a positive weight decides.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

from crossgraph.bits import pack_array, unpack_array
from crossgraph.errors import GalleryError
from crossgraph.gallery.stages.unit_length import unit, unit_rows

LIKED, DISLIKED = 0.75, 0.25
"""Shares of liked and of disliked pictures in a moved query whose own share is 1 *(Rocchio 1971)*."""


def weighted_sum(vectors: Float[np.ndarray, "t d"], weights: Float[np.ndarray, " t"]) -> Float[np.ndarray, " d"]:
    """The sum of unit vectors by weight, of unit length. Raises `GalleryError` where the terms cancel out."""
    total = weights @ unit_rows(vectors)
    if float(np.linalg.norm(total)) < 1e-6 * float(np.abs(weights).sum()):
        raise GalleryError("the terms of the query cancel each other out; nothing is left to look for.")
    return unit(total)


def moved(
    query: Float[np.ndarray, " d"], liked: Float[np.ndarray, "l d"], disliked: Float[np.ndarray, "k d"]
) -> Float[np.ndarray, " d"]:
    """The query drawn to the mean of what was liked and pushed from that of what was disliked, of unit length.

    However many pictures were disliked, their share is `DISLIKED` of the query's length: they never turn it by more
    than asin(`DISLIKED`), 14.5 degrees, from where the rest put it.
    """
    found = unit(query)
    if len(liked):
        found = unit(found + LIKED * unit_rows(liked).mean(axis=0))
    if len(disliked):
        found = unit(found - DISLIKED * unit_rows(disliked).mean(axis=0))
    return found


def sum_of_codes(
    codes: UInt8[np.ndarray, "t bytes"], weights: Float[np.ndarray, " t"], *, bits: int
) -> UInt8[np.ndarray, " bytes"]:
    """The code of a weighted sum of codes."""
    values = _values(codes, bits)
    first = int((weights > 0).nonzero()[0][0])
    return _code(weights @ values, values[first])


def moved_code(
    query: UInt8[np.ndarray, " bytes"],
    liked: UInt8[np.ndarray, "l bytes"],
    disliked: UInt8[np.ndarray, "k bytes"],
    *,
    bits: int,
) -> UInt8[np.ndarray, " bytes"]:
    """The code of a query moved by feedback as `moved` moves vectors."""
    own = _values(query[None], bits)[0]
    return _code(moved(own, _values(liked, bits), _values(disliked, bits)), own)


def _values(codes: UInt8[np.ndarray, "t bytes"], bits: int) -> Float[np.ndarray, "t bits"]:
    """Codes as vectors of +1 and -1."""
    values: Float[np.ndarray, "t bits"] = unpack_array(codes, bits=bits).astype(np.float32) * 2 - 1
    return values


def _code(total: Float[np.ndarray, " bits"], ties: Float[np.ndarray, " bits"]) -> UInt8[np.ndarray, " bytes"]:
    found: UInt8[np.ndarray, " bytes"] = pack_array((np.where(np.abs(total) < 1e-6, ties, total) > 0)[None])[0]
    return found
