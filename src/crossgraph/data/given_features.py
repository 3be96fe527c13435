"""Features that come with a data set in the place of pictures, and maybe of sentences: one row, or some, an image."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from crossgraph.data.stored_rows import StoredRows


@dataclass(frozen=True)
class GivenFeatures:
    """Rows of numbers for the images and the texts of a corpus, in the order of its images and captions.

    An image has one row, or the rows of `p` regions. Without `texts` the captions are sentences, read as of any other
    corpus. `kind` says what was read ("I_tr and T_tr"): a model is good for features of one kind and width only. Texts
    of equal captions have equal rows. Images may stay on disk (`StoredRows`).
    """

    images: Float32[np.ndarray, "n d"] | Float32[np.ndarray, "n p d"] | StoredRows
    texts: Float32[np.ndarray, "m w"] | None
    kind: str

    def __post_init__(self) -> None:
        for array in (self.images, self.texts):
            if isinstance(array, np.ndarray):
                array.setflags(write=False)

    @property
    def image_width(self) -> int:
        """Numbers an image, or a region of one."""
        return int(self.images.shape[-1])

    @property
    def text_width(self) -> int:
        """Numbers a text; 0 where texts are sentences."""
        return 0 if self.texts is None else int(self.texts.shape[1])

    def describe(self) -> dict[str, Any]:
        """What a run must remember to know whether other features are of the same kind: plain JSON."""
        return {"kind": self.kind, "image_width": self.image_width, "text_width": self.text_width}

    def take(self, *, images: Sequence[int], texts: Sequence[int]) -> GivenFeatures:
        """The chosen rows, in the order given."""
        kept = self.images
        return GivenFeatures(
            kept.take(images) if isinstance(kept, StoredRows) else kept[_places(images)],
            None if self.texts is None else self.texts[_places(texts)],
            self.kind,
        )

    def add_to(self, digest: Any) -> None:
        """Feed a hash with everything that is here."""
        digest.update(f"{self.describe()}".encode())
        for array in (self.images, self.texts):
            if isinstance(array, StoredRows):
                for row in array:
                    digest.update(row.tobytes())
            elif array is not None:
                digest.update(np.ascontiguousarray(array).tobytes())


def row_key(row: Float32[np.ndarray, "*shape"]) -> str:
    """A short name for what a row says: equal for equal rows."""
    return hashlib.sha256(row.tobytes()).hexdigest()


def _places(rows: Sequence[int]) -> slice | Int64[np.ndarray, " r"]:
    """Rows as an index; those that follow each other as a slice, which copies nothing: regions take gigabytes."""
    if len(rows) and list(rows) == list(range(rows[0], rows[0] + len(rows))):
        return slice(rows[0], rows[0] + len(rows))
    return np.asarray(rows, dtype=np.int64)


def text_names(texts: Float32[np.ndarray, "m w"]) -> tuple[str, ...]:
    """A name for every row: "text 7" for the first of its kind, and the same again where an equal row follows.

    Nothing tells equal rows apart, so they count as one text, as equal captions do.
    """
    first: dict[bytes, int] = {}
    return tuple(f"text {first.setdefault(row.tobytes(), number)}" for number, row in enumerate(texts, start=1))
