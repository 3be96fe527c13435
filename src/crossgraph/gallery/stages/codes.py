"""Binary codes: the nearest of many by Hamming distance, and codes made of dense vectors by planes.

Distances are whole numbers, so ties are the rule: equal distances keep the order of the rows.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor
from torch.nn.functional import normalize

from crossgraph.bits import pack_bits
from crossgraph.data.corpus import Skipped
from crossgraph.data.image_reader import PLAIN, ImageReader
from crossgraph.errors import ConfigError, ModelError
from crossgraph.gallery.stages.quantisation import Quantisation
from crossgraph.gallery.stages.shortlist import Candidates
from crossgraph.gallery.tables.matrix import Matrix
from crossgraph.training.checkpoint import write_tensors

SEED = 0
PLANES = "planes.safetensors"
MOST_BITS = 4096
FAR = 2**15 - 1
"""Farther than any code can be."""

BLOCK = 16_384  # codes compared at once: they stay in the cache of the processor


class PlaneCodes(ABC):
    """Codes of dense vectors alone, whatever they are the vectors of."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """None: no labels had part in them."""
        return ()

    def codes_of_texts(self, sentences: Sequence[str], vectors: Float[Tensor, "n d"]) -> UInt8[Tensor, "n bytes"]:
        """The codes of the vectors of `sentences`."""
        return self.codes_of_vectors(vectors)

    def codes_of_images(
        self, paths: Sequence[Path], vectors: Float[Tensor, "n d"], *, reader: ImageReader = PLAIN
    ) -> tuple[UInt8[Tensor, "n bytes"], tuple[int, ...], tuple[Skipped, ...]]:
        """The codes of the vectors of the pictures at `paths`, all of them: no file is read."""
        return self.codes_of_vectors(vectors), tuple(range(len(vectors))), ()

    @abstractmethod
    def codes_of_vectors(self, vectors: Float[Tensor, "n d"]) -> UInt8[Tensor, "n bytes"]:
        """The codes of `vectors`, eight bits to a byte."""


@dataclass(frozen=True)
class RandomPlanes(PlaneCodes):
    """Codes of dense vectors: bit i says on which side of the i-th random plane a vector lies *(Charikar 2002)*.

    Two vectors disagree in a bit with probability angle / pi, so more bits rank more like the vectors themselves.
    """

    bits: int
    width: int
    seed: int = SEED

    def __post_init__(self) -> None:
        require_bits(self.bits, "random")

    @property
    def fingerprint(self) -> str:
        """Changes with the planes."""
        return hashlib.sha256(f"random planes {self.bits} {self.width} {self.seed}".encode()).hexdigest()[:16]

    def codes_of_vectors(self, vectors: Float[Tensor, "n d"]) -> UInt8[Tensor, "n bytes"]:
        """The codes of `vectors`, eight bits to a byte."""
        generator = torch.Generator().manual_seed(self.seed)
        planes = torch.randn(self.width, self.bits, generator=generator)
        return pack_bits(vectors.float().cpu() @ planes > 0)


@dataclass(frozen=True, eq=False)
class LearnedPlanes(PlaneCodes):
    """Codes of dense vectors by planes that were learned of such vectors (`quantisation`)."""

    learned: Quantisation

    @property
    def bits(self) -> int:
        """How many bits the codes have: one a plane."""
        return self.learned.planes.shape[1]

    @property
    def width(self) -> int:
        """How many numbers the vectors have."""
        return self.learned.planes.shape[0]

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the planes."""
        digest = hashlib.sha256(f"learned planes {self.bits} {self.width}".encode())
        for tensor in (self.learned.centre, self.learned.planes):
            digest.update(tensor.contiguous().numpy().astype("<f4").tobytes())
        return digest.hexdigest()[:16]

    def codes_of_vectors(self, vectors: Float[Tensor, "n d"]) -> UInt8[Tensor, "n bytes"]:
        """The codes of `vectors`, whose lengths do not count, eight bits to a byte."""
        units = normalize(vectors.float().cpu(), dim=1)
        return pack_bits((units - self.learned.centre) @ self.learned.planes > 0)

    def write(self, folder: Path) -> None:
        """Store the planes in `folder`, which is made."""
        write_tensors(folder / PLANES, {"centre": self.learned.centre, "planes": self.learned.planes}, {})

    @classmethod
    def read(cls, folder: Path) -> LearnedPlanes:
        """The planes that `write` stored in `folder`. Raises `ModelError` if they are missing or damaged."""
        try:
            tensors = load((folder / PLANES).read_bytes())
            return cls(Quantisation(tensors["centre"], tensors["planes"]))
        except (OSError, SafetensorError, KeyError) as error:
            raise ModelError(f"{folder / PLANES} cannot be read: {error}. Build the cascade again.") from error


def require_bits(bits: int, kind: str) -> None:
    """Raise `ConfigError` for a number of bits that codes of planes cannot have; `kind` is the word for them."""
    if not 8 <= bits <= MOST_BITS or bits % 8:
        raise ConfigError(f"{kind} codes have 8 to {MOST_BITS} bits, a multiple of 8; got {bits}.")


def agreement(distances: Int[Tensor, " k"], bits: int) -> Float[Tensor, " k"]:
    """Hamming distances as the cosine of codes of +1 and -1: 1 - 2 distance / bits."""
    return 1 - 2 * distances.float() / bits


def hamming(codes: UInt8[Tensor, "n bytes"], query: UInt8[Tensor, " bytes"]) -> Int[Tensor, " n"]:
    """In how many bits each code differs from `query`."""
    rows, asked = codes.numpy(), query.numpy()
    if rows.shape[1] % 8 == 0:  # eight bytes at a time
        rows, asked = rows.view(np.uint64), asked.view(np.uint64)
    found = np.zeros(len(rows), np.int16)
    for start in range(0, len(rows), BLOCK):
        for column in range(rows.shape[1]):
            found[start : start + BLOCK] += np.bitwise_count(rows[start : start + BLOCK, column] ^ asked[column])
    return torch.from_numpy(found)


class CodeIndex:
    """Codes in memory, searched in full: `bits` is how many of a code count, for scores; its padding is zeros."""

    def __init__(self, codes: Matrix, *, bits: int) -> None:
        self.codes, self.bits = codes, bits

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
        rows = None if allowed is None else allowed.nonzero()[:, 0]
        if rows is None:
            distances = self.codes.in_order(hamming(self.codes.pooled(), query))
        else:
            distances = hamming(self.codes[rows], query)
        if without:
            compared = torch.arange(len(distances)) if rows is None else rows
            distances[torch.isin(compared, torch.tensor(without))] = FAR
        near = _first(distances, k)
        return Candidates(near if rows is None else rows[near], agreement(distances[near], self.bits))

    def scores(self, rows: Int[Tensor, " k"], query: UInt8[Tensor, " bytes"]) -> Float[Tensor, " k"]:
        """The agreement of `query` with some rows."""
        return agreement(hamming(self.codes[rows], query), self.bits)


def _first(distances: Int[Tensor, " n"], k: int) -> Int[Tensor, " k"]:
    """Where the `k` least distances are, equal ones in order; none that is `FAR`."""
    values: NDArray[np.int16] = distances.numpy()
    counts = np.bincount(values, minlength=FAR + 1)[:FAR]
    reached = np.flatnonzero(counts.cumsum() >= k)
    near = np.flatnonzero(values <= (reached[0] if len(reached) else FAR - 1))
    return torch.from_numpy(near[np.argsort(values[near], kind="stable")][: max(k, 0)])
