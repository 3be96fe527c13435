"""Binary codes: the nearest of many by Hamming distance, and codes made of dense vectors by planes.

Distances are whole numbers, so ties are the rule: equal distances keep the order of the rows.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat
from pathlib import Path
from typing import Any

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
from crossgraph.gallery.stages import compiled
from crossgraph.gallery.stages.quantisation import Quantisation
from crossgraph.gallery.stages.shortlist import Candidates
from crossgraph.gallery.tables.matrix import Matrix
from crossgraph.training.checkpoint import write_tensors

SEED = 0
PLANES = "planes.safetensors"
MOST_BITS = 4096
FAR = 2**15 - 1
"""Farther than any code can be."""

BLOCKS = tuple(2**power for power in range(11, 17))
"""Codes compared at once: few while the bound of a search is loose, then what stays in a processor's cache."""


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
    found = np.empty(len(codes), np.int16)
    for start, distances in _distances(codes.numpy(), query.numpy(), BLOCKS[-1:]):
        found[start : start + len(distances)] = distances
    return torch.from_numpy(found)


def nearest_codes(
    codes: UInt8[Tensor, "n bytes"], query: UInt8[Tensor, " bytes"], *, k: int
) -> tuple[Int[Tensor, " k"], Int[Tensor, " k"]]:
    """The `k` rows closest to `query` (all of fewer), equal distances in order, and their distances.

    Very many codes are left to FAISS where it is installed (`crossgraph[faiss]`), which finds the same.
    """
    if k < 1:
        return torch.empty(0, dtype=torch.long), torch.empty(0, dtype=torch.int16)
    if compiled.pays(codes.numpy(), k=k):
        found, apart = compiled.nearest(codes.numpy(), query.numpy(), k=k)
        return torch.from_numpy(found), torch.from_numpy(apart)
    return nearest_by_a_bound(codes, query, k=k)


def nearest_by_a_bound(
    codes: UInt8[Tensor, "n bytes"], query: UInt8[Tensor, " bytes"], *, k: int
) -> tuple[Int[Tensor, " k"], Int[Tensor, " k"]]:
    """`nearest_codes` by numpy, of at least one row.

    The first rows set a bound; of the others only those below it are looked at again, since a later row as far as the
    k-th comes after it. So all but the count of differing bits is a comparison.
    """
    bound, count, below = FAR, 0, np.empty(BLOCKS[-1], np.bool_)
    rows: list[NDArray[np.int64]] = []
    distances: list[NDArray[np.int16]] = []

    def tightened() -> tuple[NDArray[np.int64], NDArray[np.int16]]:
        """The `k` closest of those found until now."""
        all_rows, all_distances = np.concatenate(rows), np.concatenate(distances)
        kept = np.argsort(all_distances, kind="stable")[:k]
        return all_rows[kept], all_distances[kept]

    for start, some in _distances(codes.numpy(), query.numpy(), BLOCKS):
        np.less(some, bound, out=below[: len(some)])
        near = below[: len(some)].nonzero()[0]
        if not len(near):
            continue
        rows.append(near + start)
        distances.append(some[near].astype(np.int16))
        count += len(near)
        if count >= (k if bound == FAR else 2 * k):
            closest, far = tightened()
            rows, distances, count, bound = [closest], [far], k, int(far[-1])
    if not rows:
        return torch.empty(0, dtype=torch.long), torch.empty(0, dtype=torch.int16)
    closest, far = tightened()
    return torch.from_numpy(closest), torch.from_numpy(far)


def _distances(
    codes: UInt8[np.ndarray, "n bytes"], query: UInt8[np.ndarray, " bytes"], blocks: Sequence[int]
) -> Iterator[tuple[int, NDArray[np.unsignedinteger[Any]]]]:
    """Where a run of codes begins, and in how many bits each of it differs; runs of so many numbers, the last repeated.

    What is given is overwritten by the next run.
    """
    width = codes.shape[1]
    if width % 8 == 0:  # eight bytes at a time
        codes, query = codes.view(np.uint64), query.view(np.uint64)
    words = codes.shape[1]
    # words in one row, and the query as often: numpy is slow where rows are short
    asked = query if words == 1 else np.tile(query, -(-blocks[-1] // words))
    differing, ones = (np.empty(blocks[-1] + words, kind) for kind in (codes.dtype, np.uint8))
    start, lengths = 0, (-(-block // words) for block in chain(blocks, repeat(blocks[-1])))
    while start < len(codes):
        some = codes[start : start + next(lengths)]
        count, numbers = len(some), some.size
        np.bitwise_xor(some.reshape(-1), asked if words == 1 else asked[:numbers], out=differing[:numbers])
        np.bitwise_count(differing[:numbers], out=ones[:numbers])
        yield start, _row_sums(ones[:numbers].reshape(count, words))
        start += count


def _row_sums(ones: UInt8[np.ndarray, "n words"]) -> NDArray[np.unsignedinteger[Any]]:
    """The sum of each row of bytes up to 64; of 2, 4 or 8 bytes all at once, as lanes of one number."""
    words = ones.shape[1]
    if words == 1:
        return np.asarray(ones[:, 0])
    if words not in (2, 4, 8):
        return np.asarray(ones.sum(axis=1, dtype=np.uint16))
    lanes: NDArray[Any] = ones.view(f"u{words}")[:, 0]
    lanes = (lanes & lanes.dtype.type(int("00ff" * (words // 2), 16))) + (
        (lanes >> lanes.dtype.type(8)) & lanes.dtype.type(int("00ff" * (words // 2), 16))
    )
    for shift in (16, 32)[: words.bit_length() - 2]:
        lanes = lanes + (lanes >> lanes.dtype.type(shift))
    sums: NDArray[np.uint16] = (lanes & lanes.dtype.type(0xFFFF)).astype(np.uint16)
    return sums


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
        if rows is None and self.codes.lies_in_order:
            near, distances = nearest_codes(self.codes.pooled(), query, k=max(k, 0) + len(without))
            if without:
                kept = ~torch.isin(near, torch.tensor(without))
                near, distances = near[kept][: max(k, 0)], distances[kept][: max(k, 0)]
            return Candidates(near, agreement(distances, self.bits))
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
