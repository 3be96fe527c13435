"""Sums of queries, and queries moved by feedback, in the space of embeddings and in that of codes.

Every vector counts as unit length, so that weights mean what they say whatever encoded the terms. The codes of a sum
are the signs of the weighted sum of codes of +1 and -1; where that is 0, the first term with a positive weight decides.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import normalize

from crossgraph.bits import pack_bits, unpack_bits
from crossgraph.errors import GalleryError

LIKED, DISLIKED = 0.75, 0.25
"""Shares of liked and of disliked pictures in a moved query whose own share is 1 *(Rocchio 1971)*."""


def weighted_sum(vectors: Float[Tensor, "t d"], weights: Float[Tensor, " t"]) -> Float[Tensor, " d"]:
    """The sum of unit vectors by weight, of unit length. Raises `GalleryError` where the terms cancel out."""
    total = weights @ normalize(vectors, dim=1)
    if float(total.norm()) < 1e-6 * float(weights.abs().sum()):
        raise GalleryError("the terms of the query cancel each other out; nothing is left to look for.")
    return normalize(total, dim=0)


def moved(
    query: Float[Tensor, " d"], liked: Float[Tensor, "l d"], disliked: Float[Tensor, "k d"]
) -> Float[Tensor, " d"]:
    """The query drawn to the mean of what was liked and pushed from that of what was disliked, of unit length.

    However many pictures were disliked, their share is `DISLIKED` of the query's length: they never turn it by more
    than asin(`DISLIKED`), 14.5 degrees, from where the rest put it.
    """
    found = normalize(query, dim=0)
    if len(liked):
        found = normalize(found + LIKED * normalize(liked, dim=1).mean(dim=0), dim=0)
    if len(disliked):
        found = normalize(found - DISLIKED * normalize(disliked, dim=1).mean(dim=0), dim=0)
    return found


def sum_of_codes(
    codes: UInt8[Tensor, "t bytes"], weights: Float[Tensor, " t"], *, bits: int
) -> UInt8[Tensor, " bytes"]:
    """The code of a weighted sum of codes."""
    values = _values(codes, bits)
    first = int((weights > 0).nonzero()[0, 0])
    return _code(weights @ values, values[first])


def moved_code(
    query: UInt8[Tensor, " bytes"],
    liked: UInt8[Tensor, "l bytes"],
    disliked: UInt8[Tensor, "k bytes"],
    *,
    bits: int,
) -> UInt8[Tensor, " bytes"]:
    """The code of a query moved by feedback as `moved` moves vectors."""
    own = _values(query[None], bits)[0]
    return _code(moved(own, _values(liked, bits), _values(disliked, bits)), own)


def _values(codes: UInt8[Tensor, "t bytes"], bits: int) -> Float[Tensor, "t bits"]:
    """Codes as vectors of +1 and -1."""
    return unpack_bits(codes, bits=bits).float() * 2 - 1


def _code(total: Float[Tensor, " bits"], ties: Float[Tensor, " bits"]) -> UInt8[Tensor, " bytes"]:
    return pack_bits((torch.where(total.abs() < 1e-6, ties, total) > 0)[None])[0]
