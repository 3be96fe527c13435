"""Fine features as columns of a table and back: embedding, and the real parts of each row end to end.

They are kept in single precision, as they were encoded, so that a search scores exactly as an evaluation does. Of a
method that reads scene graphs, the parts are nodes, and two more columns say what each is; they are null for others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crossgraph.errors import GalleryError

if TYPE_CHECKING:
    from crossgraph.types import Encoded

Kind = TypeVar("Kind", bound=np.generic)

COLUMNS = (
    ("embedding", pa.list_(pa.float32())),
    ("count", pa.int32()),
    ("width", pa.int32()),
    ("values", pa.list_(pa.float32())),
)
NODE_COLUMNS = (("kinds", pa.list_(pa.int8())), ("ends", pa.list_(pa.int32())))


@dataclass(frozen=True)
class Fine:
    """One row: its embedding, its real parts (p e) if the model has any, kinds (p) and ends (p 2) if they are nodes."""

    embedding: NDArray[np.float32]
    parts: NDArray[np.float32] | None
    kinds: NDArray[np.int64] | None
    ends: NDArray[np.int64] | None


def fine_columns(encoded: Encoded) -> dict[str, pa.Array]:
    """The columns of the parts table for the rows of `encoded`: only real parts, end to end.

    Those of `NODE_COLUMNS` are there if the parts are nodes, which must be real ones first: ends are positions.
    """
    n = len(encoded)
    embedding = finite(encoded.embedding.float().cpu().numpy())
    count, width, values = np.zeros(n, np.int32), 0, np.empty(0, np.float32)
    nodes: dict[str, pa.Array] = {}
    if encoded.parts is not None:
        width = encoded.parts.shape[2]
        real = np.ones(encoded.parts.shape[:2], np.bool_) if encoded.mask is None else encoded.mask.cpu().numpy()
        count = real.sum(1).astype(np.int32)
        values = finite(encoded.parts.float().cpu().numpy()[real]).ravel()
        if encoded.nodes is not None:
            kinds, ends = encoded.nodes.kinds.cpu().numpy()[real], encoded.nodes.ends.cpu().numpy()[real]
            nodes["kinds"] = _lists(count, kinds.astype(np.int8))
            nodes["ends"] = _lists(2 * count, ends.astype(np.int32).ravel())
    return {
        "embedding": pa.array(list(embedding), pa.list_(pa.float32())),
        "count": pa.array(count),
        "width": pa.array(np.full(n, width, np.int32)),
        "values": _lists(count * width, values),
        **nodes,
    }


def fine_rows(table: pa.Table) -> Iterator[tuple[str, Fine]]:
    """Key and features of every row of the parts table; the numbers are views of it."""
    for batch in table.to_batches():
        counts, widths = batch["count"].to_pylist(), batch["width"].to_pylist()
        embeddings, values = _pieces(batch["embedding"]), _pieces(batch["values"])
        kinds, ends = _pieces(batch["kinds"]), _pieces(batch["ends"])
        are_nodes = batch["kinds"].is_valid().to_pylist()
        for row, key in enumerate(batch["key"].to_pylist()):
            parts = values[row].reshape(counts[row], widths[row]) if widths[row] else None
            nodes = (kinds[row].astype(np.int64), ends[row].astype(np.int64).reshape(-1, 2)) if are_nodes[row] else None
            yield key, Fine(embeddings[row], parts, *(nodes or (None, None)))


def _pieces(lists: pa.ListArray) -> list[NDArray[Any]]:
    """The numbers of each row of a column of lists; of one that is null, none."""
    offsets, values = lists.offsets.to_pylist(), lists.values.to_numpy()
    return [values[start:stop] for start, stop in pairwise(offsets)]


def pad_fine(rows: Sequence[Fine]) -> Encoded:
    """The rows as one `Encoded`, parts padded to the longest."""
    import torch  # here, so that what only searches vectors need not wait for it

    from crossgraph.types import Encoded, NodeBatch

    embedding = torch.from_numpy(np.stack([row.embedding for row in rows]))
    pieces = [row.parts for row in rows if row.parts is not None]
    if not pieces:
        return Encoded(embedding)
    counts = torch.tensor([len(piece) for piece in pieces])
    parts = torch.from_numpy(_padded(pieces))
    mask = torch.arange(parts.shape[1]) < counts[:, None]
    kinds = [row.kinds for row in rows if row.kinds is not None]
    ends = [row.ends for row in rows if row.ends is not None]
    if not kinds:
        return Encoded(embedding, parts, mask)
    nodes = NodeBatch(torch.from_numpy(_padded(kinds)), torch.from_numpy(_padded(ends)), mask)
    return Encoded(embedding, parts, mask, nodes)


def _padded(pieces: Sequence[NDArray[Kind]]) -> NDArray[Kind]:
    """Arrays that differ in length alone as one, zeros behind each."""
    padded = np.zeros((len(pieces), max(map(len, pieces)), *pieces[0].shape[1:]), pieces[0].dtype)
    for row, piece in zip(padded, pieces, strict=True):
        row[: len(piece)] = piece
    return padded


def finite(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """`values`, or a `GalleryError` if any of them is not a number that can be stored."""
    if not np.isfinite(values).all():
        raise GalleryError(
            f"the model gave features that are not finite in {values.dtype}; nothing of this batch was stored. "
            "Check the trained run."
        )
    return values


def _lists(counts: NDArray[np.int32], values: NDArray[np.generic]) -> pa.ListArray:
    """A column of lists of so many of the values, which lie end to end."""
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))
