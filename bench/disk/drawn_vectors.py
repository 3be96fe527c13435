"""Vectors and codes that look like those of pictures, as many as asked for, block by block.

A mixture: centres with unequal shares, spread in few directions more than in many (the spectrum of embeddings falls),
each row a centre with noise of the same spectrum, of unit length. A query is such a row with more noise, as a sentence
lies beside its picture. Codes say on which side of random planes a row lies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 20_000
NOISE = 0.8  # length of a row's own part, beside a centre of unit length
ASIDE = 0.6  # length of what a query has besides the row it was made of
CENTRES = 4_000


@dataclass(frozen=True)
class Drawn:
    """`rows` rows of `width` numbers with codes of `bits`; the same for the same `seed`."""

    rows: int
    width: int
    bits: int = 256
    seed: int = 0

    def blocks(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.uint8]]]:
        """Vectors and packed codes, in blocks of `BLOCK` rows."""
        for start in range(0, self.rows, BLOCK):
            vectors = self._rows(min(BLOCK, self.rows - start), np.random.default_rng([self.seed, 1, start]))
            yield vectors, self.codes(vectors)

    def queries(self, count: int) -> NDArray[np.float32]:
        """Vectors of queries, of unit length."""
        generator = np.random.default_rng([self.seed, 2])
        rows = self._rows(count, generator)
        return _unit(rows + ASIDE * self._noise(count, generator))

    def codes(self, vectors: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The codes of vectors, eight bits to a byte."""
        planes = np.random.default_rng([self.seed, 3]).standard_normal((self.width, self.bits)).astype(np.float32)
        return np.packbits(vectors @ planes > 0, axis=1)

    def _rows(self, count: int, generator: np.random.Generator) -> NDArray[np.float32]:
        centres = self._noise(CENTRES, np.random.default_rng([self.seed, 0]))
        shares = 1 / np.arange(1, CENTRES + 1) ** 0.7
        chosen = generator.choice(CENTRES, count, p=shares / shares.sum())
        return _unit(centres[chosen] + NOISE * self._noise(count, generator))

    def _noise(self, count: int, generator: np.random.Generator) -> NDArray[np.float32]:
        spectrum = (1 / np.sqrt(np.arange(1, self.width + 1))).astype(np.float32)
        return _unit(generator.standard_normal((count, self.width), np.float32) * spectrum)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found
