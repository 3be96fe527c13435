"""Binary codes: the nearest of many by Hamming distance, and codes that need no training.

Distances are whole numbers, so ties are the rule: equal distances keep the order of the rows, here and in `faiss`,
whose counting search (not its heap) has the same rule.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numpy.typing import NDArray
from torch import Tensor

from crossgraph.bits import pack_bits
from crossgraph.data.corpus import Skipped
from crossgraph.errors import ConfigError
from crossgraph.gallery.stages.shortlist import Candidates

SEED = 0
MOST_BITS = 4096


@dataclass(frozen=True)
class RandomPlanes:
    """Codes of dense vectors: bit i says on which side of the i-th random plane a vector lies *(Charikar 2002)*.

    Two vectors disagree in a bit with probability angle / pi, so more bits rank more like the vectors themselves.
    """

    bits: int
    width: int
    seed: int = SEED

    def __post_init__(self) -> None:
        if not 8 <= self.bits <= MOST_BITS or self.bits % 8:
            raise ConfigError(f"random codes have 8 to {MOST_BITS} bits, a multiple of 8; got {self.bits}.")

    @property
    def fingerprint(self) -> str:
        """Changes with the planes."""
        return hashlib.sha256(f"random planes {self.bits} {self.width} {self.seed}".encode()).hexdigest()[:16]

    @property
    def label_names(self) -> tuple[str, ...]:
        """None: no labels had part in them."""
        return ()

    def codes_of_texts(self, sentences: Sequence[str], vectors: Float[Tensor, "n d"]) -> UInt8[Tensor, "n bytes"]:
        """The codes of the vectors of `sentences`."""
        return self.codes_of_vectors(vectors)

    def codes_of_images(
        self, paths: Sequence[Path], vectors: Float[Tensor, "n d"]
    ) -> tuple[UInt8[Tensor, "n bytes"], tuple[int, ...], tuple[Skipped, ...]]:
        """The codes of the vectors of the pictures at `paths`, all of them: no file is read."""
        return self.codes_of_vectors(vectors), tuple(range(len(vectors))), ()

    def codes_of_vectors(self, vectors: Float[Tensor, "n d"]) -> UInt8[Tensor, "n bytes"]:
        """The codes of `vectors`, eight bits to a byte."""
        generator = torch.Generator().manual_seed(self.seed)
        planes = torch.randn(self.width, self.bits, generator=generator)
        return pack_bits(vectors.float().cpu() @ planes > 0)


def agreement(distances: Int[Tensor, " k"], bits: int) -> Float[Tensor, " k"]:
    """Hamming distances as the cosine of codes of +1 and -1: 1 - 2 distance / bits."""
    return 1 - 2 * distances.float() / bits


def hamming(codes: UInt8[Tensor, "n bytes"], query: UInt8[Tensor, " bytes"]) -> Int[Tensor, " n"]:
    """In how many bits each code differs from `query`."""
    differing: NDArray[np.uint8] = np.bitwise_xor(codes.numpy(), query.numpy())
    words = differing.view(np.uint64) if differing.shape[1] % 8 == 0 else differing  # eight bytes at a time
    return torch.from_numpy(np.bitwise_count(words).sum(axis=1, dtype=np.int64))


class CodeIndex:
    """Codes in memory, searched in full: `bits` is how many of a code count, for scores; its padding is zeros."""

    def __init__(self, codes: UInt8[Tensor, "n bytes"], *, bits: int) -> None:
        import faiss

        self.codes, self.bits = codes, bits
        self._index = faiss.IndexBinaryFlat(8 * codes.shape[1])
        self._index.use_heap = False  # type: ignore[attr-defined]  # the heap breaks ties at random, counting keeps the order of the rows
        if len(codes):
            self._index.add(codes.numpy())

    def __len__(self) -> int:
        return len(self.codes)

    def nearest(
        self,
        query: UInt8[Tensor, " bytes"],
        *,
        k: int,
        without: tuple[int, ...] = (),
        allowed: Bool[Tensor, " n"] | None = None,
    ) -> Candidates:
        """The `k` rows (fewer if there are fewer) closest to `query`, less the rows `without` and those not `allowed`.

        Scores are `agreement`; equal distances keep the order of the rows.
        """
        if allowed is not None:
            return self._among(allowed, query, k=k, without=without)
        wanted = min(k + len(without), len(self))
        if wanted <= 0 or k <= 0:
            return Candidates.none()
        distances, rows = self._index.search(query.numpy()[None], wanted)
        found = Candidates(torch.from_numpy(rows[0]), agreement(torch.from_numpy(distances[0]), self.bits))
        if without:
            kept = torch.isin(found.rows, torch.tensor(without), invert=True)
            found = Candidates(found.rows[kept], found.scores[kept])
        return Candidates(found.rows[:k], found.scores[:k])

    def scores(self, rows: Int[Tensor, " k"], query: UInt8[Tensor, " bytes"]) -> Float[Tensor, " k"]:
        """The agreement of `query` with some rows."""
        return agreement(hamming(self.codes[rows], query), self.bits)

    def _among(
        self, allowed: Bool[Tensor, " n"], query: UInt8[Tensor, " bytes"], *, k: int, without: tuple[int, ...]
    ) -> Candidates:
        """`nearest` among the allowed rows, which are compared one by one."""
        rows = allowed.nonzero()[:, 0]
        if without:
            rows = rows[torch.isin(rows, torch.tensor(without), invert=True)]
        distances = hamming(self.codes[rows], query)
        order = distances.argsort(stable=True)[:k]
        return Candidates(rows[order], agreement(distances[order], self.bits))
