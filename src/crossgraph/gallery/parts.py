"""Fine features as columns of a table and back: embedding, and the real parts of each row end to end.

They are kept in single precision, as they were encoded, so that a search scores exactly as an evaluation does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from crossgraph.errors import GalleryError
from crossgraph.types import Encoded

Fine = tuple[NDArray[np.float32], NDArray[np.float32] | None]
"""Embedding, and parts (p e) if the model has any, of one row."""


def fine_columns(encoded: Encoded) -> dict[str, pa.Array]:
    """The columns of the parts table for the rows of `encoded`: only real parts, end to end."""
    n = len(encoded)
    embedding = finite(encoded.embedding.float().cpu().numpy())
    count, width, values = np.zeros(n, np.int32), 0, np.empty(0, np.float32)
    if encoded.parts is not None:
        width = encoded.parts.shape[2]
        real = torch.ones(encoded.parts.shape[:2], dtype=torch.bool) if encoded.mask is None else encoded.mask.cpu()
        count = real.sum(1).numpy().astype(np.int32)
        values = finite(encoded.parts.to(torch.float32).cpu()[real].numpy()).ravel()
    offsets = np.concatenate([[0], np.cumsum(count * width)]).astype(np.int32)
    return {
        "embedding": pa.array(list(embedding), pa.list_(pa.float32())),
        "count": pa.array(count),
        "width": pa.array(np.full(n, width, np.int32)),
        "values": pa.ListArray.from_arrays(pa.array(offsets), pa.array(values)),
    }


def fine_rows(table: pa.Table) -> Iterator[tuple[str, Fine]]:
    """Key and features of every row of the parts table."""
    for row in range(len(table)):
        key, embedding, count, width, values = (
            table[name][row] for name in ("key", "embedding", "count", "width", "values")
        )
        shape = (count.as_py(), width.as_py())
        parts = values.values.to_numpy().reshape(shape).copy() if shape[1] else None
        yield key.as_py(), (embedding.values.to_numpy(), parts)


def pad_fine(rows: Sequence[Fine]) -> Encoded:
    """The rows as one `Encoded`, parts padded to the longest."""
    embedding = torch.from_numpy(np.stack([embedding for embedding, _ in rows]))
    pieces = [torch.from_numpy(parts) for _, parts in rows if parts is not None]
    if not pieces:
        return Encoded(embedding)
    counts = torch.tensor([len(piece) for piece in pieces])
    parts = torch.nn.utils.rnn.pad_sequence(pieces, batch_first=True)
    return Encoded(embedding, parts, torch.arange(parts.shape[1]) < counts[:, None])


def finite(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """`values`, or a `GalleryError` if any of them is not a number that can be stored."""
    if not np.isfinite(values).all():
        raise GalleryError(
            f"the model gave features that are not finite in {values.dtype}; nothing of this batch was stored. "
            "Check the trained run."
        )
    return values
