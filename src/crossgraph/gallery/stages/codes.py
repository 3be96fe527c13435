"""Binary codes made of dense vectors by planes: bit i says on which side of plane i a vector lies."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from safetensors.numpy import load, save

from crossgraph.bits import pack_array
from crossgraph.data.corpus import Skipped
from crossgraph.data.image_reader import PLAIN, ImageReader
from crossgraph.errors import ConfigError, ModelError
from crossgraph.files import write_atomically
from crossgraph.gallery.stages.unit_length import unit_rows

SEED = 0
PLANES = "planes.safetensors"
MOST_BITS = 4096


class PlaneCodes(ABC):
    """Codes of dense vectors alone, whatever they are the vectors of."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """None: no labels had part in them."""
        return ()

    def codes_of_texts(
        self, sentences: Sequence[str], vectors: Float[np.ndarray, "n d"]
    ) -> UInt8[np.ndarray, "n bytes"]:
        """The codes of the vectors of `sentences`."""
        return self.codes_of_vectors(vectors)

    def codes_of_images(
        self, paths: Sequence[Path], vectors: Float[np.ndarray, "n d"], *, reader: ImageReader = PLAIN
    ) -> tuple[UInt8[np.ndarray, "n bytes"], tuple[int, ...], tuple[Skipped, ...]]:
        """The codes of the vectors of the pictures at `paths`, all of them: no file is read."""
        return self.codes_of_vectors(vectors), tuple(range(len(vectors))), ()

    @abstractmethod
    def codes_of_vectors(self, vectors: Float[np.ndarray, "n d"]) -> UInt8[np.ndarray, "n bytes"]:
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

    def codes_of_vectors(self, vectors: Float[np.ndarray, "n d"]) -> UInt8[np.ndarray, "n bytes"]:
        """The codes of `vectors`, eight bits to a byte."""
        import torch  # whose random numbers the codes that galleries store were made of

        generator = torch.Generator().manual_seed(self.seed)
        planes = torch.randn(self.width, self.bits, generator=generator).numpy()
        return pack_array(vectors.astype(np.float32) @ planes > 0)


@dataclass(frozen=True)
class Quantisation:
    """Bit i of a vector is set where `(unit vector - centre) @ planes` is above 0 in column i."""

    centre: Float[np.ndarray, " d"]
    planes: Float[np.ndarray, "d bits"]


@dataclass(frozen=True, eq=False)
class LearnedPlanes(PlaneCodes):
    """Codes of dense vectors by planes that were learned of such vectors (`quantisation`)."""

    learned: Quantisation

    @property
    def bits(self) -> int:
        """How many bits the codes have: one a plane."""
        return int(self.learned.planes.shape[1])

    @property
    def width(self) -> int:
        """How many numbers the vectors have."""
        return int(self.learned.planes.shape[0])

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the planes."""
        digest = hashlib.sha256(f"learned planes {self.bits} {self.width}".encode())
        for values in (self.learned.centre, self.learned.planes):
            digest.update(values.astype("<f4").tobytes())
        return digest.hexdigest()[:16]

    def codes_of_vectors(self, vectors: Float[np.ndarray, "n d"]) -> UInt8[np.ndarray, "n bytes"]:
        """The codes of `vectors`, whose lengths do not count, eight bits to a byte."""
        return pack_array((unit_rows(vectors) - self.learned.centre) @ self.learned.planes > 0)

    def write(self, folder: Path) -> None:
        """Store the planes in `folder`, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {"centre": self.learned.centre, "planes": np.ascontiguousarray(self.learned.planes)}
        write_atomically(folder / PLANES, save(tensors))

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
