"""`matrices`: image features, text features and labels as they are given away, in `.mat`, `.npz`, `.h5` or `.npy`.

Splits are those of the file; a release without a validation split gives a seeded share of its training items to it,
one without any splits gives shares to both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int64

from crossgraph.data.assembly import NO_SPLIT
from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import Array
from crossgraph.data.given_features import GivenFeatures, text_names
from crossgraph.data.layouts.matrix_files import SUFFIXES, Variable, variables_in
from crossgraph.data.layouts.matrix_layouts import MatrixOptions, Part, find_layout
from crossgraph.data.shares import hold_out, share_splits
from crossgraph.errors import DataError, unknown_name


@dataclass(frozen=True)
class _Rows:
    """One split's arrays, checked against each other; labels as the file has them."""

    images: Float32[np.ndarray, "n d"]
    texts: Float32[np.ndarray, "m w"]
    links: Int64[np.ndarray, " m"]
    labels: Array | None


def is_matrices(folder: Path) -> bool:
    """Whether a folder holds matrices and says so by their names alone."""
    return (folder / "matrices.toml").is_file() or any(file.suffix in SUFFIXES for file in folder.iterdir())


def open_matrices(path: Path, *, name: str | None = None, options: MatrixOptions = MatrixOptions()) -> Corpus:
    """The corpus in a file of matrices or a folder of such files.

    Raises `DataError` when nothing says which variable is what, or when they do not fit each other.
    """
    variables = variables_in(path)
    layout = find_layout(path, variables, options)
    reader = _Reader(path, variables, transposed=layout.transposed)
    rows = {split: reader.rows(part) for split, part in layout.parts.items()}
    for side in ("images", "texts"):
        widths = {split: getattr(one, side).shape[1] for split, one in rows.items()}
        if len(set(widths.values())) > 1:
            raise DataError(f"{path}: {side} are not equally wide in all splits: {widths}.")
    ids = [f"{split} {number}" for split, one in rows.items() for number in range(1, len(one.images) + 1)]
    starts = np.cumsum([0, *(len(one.images) for one in rows.values())])
    texts = np.concatenate([one.texts for one in rows.values()])
    labels, label_names = _labels(path, rows, reader.names(layout.label_names))
    first = next(iter(layout.parts.values()))
    images = np.concatenate([one.images for one in rows.values()])
    return Corpus(
        name=name or path.absolute().stem,
        image_paths=tuple(map(Path, ids)),
        image_ids=tuple(ids),
        image_splits=tuple(_splits(ids, [split for split, one in rows.items() for _ in one.images], layout)),
        captions=text_names(texts),
        caption_image=np.concatenate(
            [one.links + start for one, start in zip(rows.values(), starts[:-1], strict=True)]
        ),
        labels=labels,
        label_names=label_names,
        features=GivenFeatures(images, texts, layout.kind or f"{first.images}, {first.texts}"),
    )


def _splits(ids: list[str], splits: list[str], layout: MatrixOptions) -> list[str]:
    if NO_SPLIT not in splits:
        return hold_out(ids, splits, val=layout.val_share, seed=layout.seed)
    whole = [place for place, split in enumerate(splits) if split == NO_SPLIT]
    names = [ids[place] for place in whole]
    drawn = share_splits(names, val=layout.val_share, test=layout.test_share, seed=layout.seed)
    for place, split in zip(whole, drawn, strict=True):
        splits[place] = split
    return splits


@dataclass(frozen=True)
class _Reader:
    """Reads variables by name, and says what is there when one is not."""

    path: Path
    variables: Mapping[str, Variable]
    transposed: bool

    def rows(self, part: Part) -> _Rows:
        images, texts = self._matrix(part.images), self._matrix(part.texts)
        labels = None if part.labels is None else self._array(part.labels)
        if labels is not None and self.transposed and labels.ndim == 2:
            labels = labels.T
        links = np.arange(len(texts)) if part.links is None else self._array(part.links).reshape(-1).astype(np.int64)
        if part.links is None and len(texts) != len(images):
            raise DataError(
                f"{self.path}: {part.images} is {_shape(images)} and {part.texts} {_shape(texts)}; there must be a "
                "text for every image. If items are columns, say transposed = true; if images have several, say links."
            )
        if len(links) != len(texts) or (len(links) and not (links.min() >= 0 and links.max() < len(images))):
            raise DataError(
                f"{self.path}: {part.links} must give each of the {len(texts)} texts the row of its image, "
                f"0 to {len(images) - 1}; got {_shape(links)} from {links.min()} to {links.max()}."
            )
        if labels is not None and max(labels.shape, default=0) != len(images) and len(labels) != len(images):
            raise DataError(
                f"{self.path}: {part.labels} is {_shape(labels)}, but {part.images} holds {len(images)} images."
            )
        return _Rows(images, texts, links, labels)

    def names(self, told: str | tuple[str, ...] | None) -> tuple[str, ...]:
        """Label names as told, or as a variable holds them; none if nothing is told."""
        if told is None or isinstance(told, tuple):
            return told or ()
        return tuple(str(np.asarray(one).reshape(-1)[0]) for one in self._array(told).reshape(-1))

    def _matrix(self, name: str) -> Float32[np.ndarray, "n d"]:
        array = self._array(name)
        if array.ndim != 2 or not (np.issubdtype(array.dtype, np.number) or array.dtype == np.bool_):
            kind = "pixels" if array.ndim == 4 else f"{array.dtype} of shape {_shape(array)}"
            raise DataError(f"{self.path}: {name} must be a matrix of numbers, one row an item; got {kind}.")
        matrix = np.ascontiguousarray(array.T if self.transposed else array, dtype=np.float32)
        if not np.isfinite(matrix).all():
            raise DataError(f"{self.path}: {name} holds numbers that are not finite; mend or leave out these rows.")
        return matrix

    def _array(self, name: str) -> Array:
        if name not in self.variables:
            known = [variable for variable in self.variables if ":" not in variable]
            raise DataError(f"{self.path}: {unknown_name('variable', name, known)}")
        try:
            return self.variables[name].read()
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"{self.variables[name].file}: {name} cannot be read ({error}).") from error


def _labels(
    path: Path, rows: Mapping[str, _Rows], names: tuple[str, ...]
) -> tuple[Bool[np.ndarray, "n c"] | None, tuple[str, ...]]:
    """The truth table over all splits and its names; None where no split has labels."""
    found = [one.labels for one in rows.values() if one.labels is not None]
    if not found:
        return None, ()
    if len(found) < len(rows):
        raise DataError(f"{path}: some splits have labels and others none; name labels for all of {', '.join(rows)}.")
    flat = [one.reshape(-1) if 1 in one.shape[:2] or one.ndim == 1 else one for one in found]
    if {one.ndim for one in flat} == {1}:
        return _of_classes(path, np.concatenate(flat), names)
    if {one.ndim for one in flat} != {2} or len({one.shape[1] for one in flat}) > 1:
        raise DataError(f"{path}: labels of the splits do not fit each other: {', '.join(map(_shape, found))}.")
    table = np.concatenate(flat)
    if not np.isin(table, (-1, 0, 1)).all():
        raise DataError(f"{path}: labels in columns must be 0 and 1 (or -1 and 1), one column a label.")
    if names and len(names) != table.shape[1]:
        raise DataError(f"{path}: {len(names)} label names for {table.shape[1]} columns of labels.")
    return table > 0, names or tuple(f"label {number}" for number in range(1, table.shape[1] + 1))


def _of_classes(path: Path, classes: Array, names: tuple[str, ...]) -> tuple[Bool[np.ndarray, "n c"], tuple[str, ...]]:
    """One label an item, from class numbers (from 0 or 1) or class names."""
    if not np.issubdtype(classes.dtype, np.number):
        values, numbers = np.unique(classes.astype(str), return_inverse=True)
        return np.eye(len(values), dtype=np.bool_)[numbers], tuple(values.tolist())
    if not np.equal(np.mod(classes, 1), 0).all():
        raise DataError(f"{path}: class numbers must be whole; got {classes[np.mod(classes, 1) != 0][0]}.")
    values, numbers = np.unique(classes.astype(np.int64), return_inverse=True)
    first = 0 if values[0] == 0 else 1
    if names and not (values[0] >= first and values[-1] - first < len(names)):
        raise DataError(
            f"{path}: class numbers run from {values[0]} to {values[-1]}, but there are {len(names)} names."
        )
    shown = tuple(names[value - first] if names else f"class {value}" for value in values.tolist())
    return np.eye(len(values), dtype=np.bool_)[numbers], shown


def _shape(array: Array) -> str:
    return " x ".join(map(str, array.shape))
