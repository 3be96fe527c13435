"""Columns of fixed width, of lists or of bytes, as rows of numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def fixed_columns(schema: pa.Schema) -> tuple[list[str], list[str]]:
    """The names of the plain columns, and of those of fixed width."""
    fixed = [
        field.name
        for field in schema
        if pa.types.is_fixed_size_list(field.type) or pa.types.is_fixed_size_binary(field.type)
    ]
    return [name for name in schema.names if name not in fixed], fixed


def is_searchable(schema: pa.Schema, name: str) -> bool:
    """Whether Lance compares rows of the column: lists of numbers, not bytes."""
    return name in schema.names and pa.types.is_fixed_size_list(schema.field(name).type)


def kind_of(schema: pa.Schema, name: str) -> np.dtype[np.generic]:
    """What the numbers of a column of fixed width are."""
    return _kind(schema.field(name).type)


def width_of(schema: pa.Schema, name: str) -> int:
    """How many numbers a row of a column of fixed width has."""
    return _width(schema.field(name).type)


def fixed_rows(column: pa.ChunkedArray) -> NDArray[np.generic]:
    """A column of lists or bytes of fixed width as the rows of an array."""
    pieces = [fixed_piece(chunk) for chunk in column.chunks]
    return np.concatenate(pieces) if pieces else np.empty((0, _width(column.type)), _kind(column.type))


def fixed_piece(chunk: pa.Array) -> NDArray[np.generic]:
    """The same for one piece of such a column."""
    if pa.types.is_fixed_size_binary(chunk.type):
        width = chunk.type.byte_width
        start = chunk.offset * width
        found = np.frombuffer(chunk.buffers()[1], np.uint8)[start : start + len(chunk) * width]
        return found.reshape(len(chunk), width)
    rows: NDArray[np.generic] = chunk.flatten().to_numpy().reshape(len(chunk), chunk.type.list_size)
    return rows


def _kind(kind: pa.DataType) -> np.dtype[np.generic]:
    return np.dtype(np.uint8 if pa.types.is_fixed_size_binary(kind) else kind.value_type.to_pandas_dtype())


def _width(kind: pa.DataType) -> int:
    width: int = kind.byte_width if pa.types.is_fixed_size_binary(kind) else kind.list_size
    return width
