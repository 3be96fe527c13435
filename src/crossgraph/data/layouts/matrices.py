"""`matrices`: image features, text features and labels as they are given away, in `.mat`, `.npz`, `.h5` or `.npy`.

Splits are those of the file; a release without a validation split gives a seeded share of its training items to it,
one without any splits gives shares to both.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int64

from crossgraph.data.assembly import NO_SPLIT
from crossgraph.data.corpus import Corpus, Understood
from crossgraph.data.feature_cache import Array
from crossgraph.data.given_features import GivenFeatures, text_names
from crossgraph.data.inventory import holds_images
from crossgraph.data.layouts.matrix_files import SUFFIXES, Variable, variables_in
from crossgraph.data.layouts.matrix_layouts import MatrixOptions, Part, find_layout, toml_beside
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
    """Whether a folder holds matrices, and either says what they are or has no pictures besides."""
    if (folder / "matrices.toml").is_file():
        return True
    return any(name.endswith(SUFFIXES) for name in os.listdir(folder)) and not holds_images(folder)


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
        understood=Understood(
            "matrices", _columns(first), splits=_origin(rows), rows=len(ids), rows_read=len(ids), notes=_notes(labels)
        ),
    )


def _columns(part: Part) -> tuple[tuple[str, str], ...]:
    told = (("image", part.images), ("caption", part.texts), ("labels", part.labels), ("links", part.links))
    return tuple((what, name) for what, name in told if name is not None)


def _origin(rows: Mapping[str, _Rows]) -> str:
    return "drawn" if NO_SPLIT in rows else "the file" if "val" in rows else "the file; val is a share of train"


def _notes(labels: Bool[np.ndarray, "n c"] | None) -> tuple[str, ...]:
    bare = [] if labels is None else np.flatnonzero(~labels.any(axis=1)).tolist()
    shown = ", ".join(str(row + 1) for row in bare[:5]) + (" and more" if len(bare) > 5 else "")
    return (f"{len(bare)} items have no label (row {shown})",) if bare else ()


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
            raise DataError(self._unpaired(part, images, texts, labels))
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

    def _unpaired(self, part: Part, images: Array, texts: Array, labels: Array | None) -> str:
        """What to say where there is not a text for every image, with what would help."""
        said = (
            f"{self.path}: {part.images} holds {len(images)} items and {part.texts} {len(texts)} ({_shape(images)} and "
            f"{_shape(texts)}, one row an item); there must be a text for every image."
        )
        columns = images.shape[1] == texts.shape[1] and (labels is None or images.shape[1] in labels.shape)
        if columns:
            option = f"transposed={'false' if self.transposed else 'true'}"
            return (
                f"{said} Both have {images.shape[1]} columns, so items may be columns: say transposed = "
                f"{str(not self.transposed).lower()} in {toml_beside(self.path)}, or matrices:{self.path}?{option}."
            )
        return (
            f"{said} Mend the file, or, if images have several texts, name the variable with the image of each: links."
        )

    def names(self, told: str | tuple[str, ...] | None) -> tuple[str, ...]:
        """Label names as told, or as a variable holds them; none if nothing is told."""
        if told is None or isinstance(told, tuple):
            return told or ()
        return tuple(str(np.asarray(one).reshape(-1)[0]) for one in self._array(told).reshape(-1))

    def _matrix(self, name: str) -> Float32[np.ndarray, "n d"]:
        array = self._array(name)
        if array.ndim != 2 or not (np.issubdtype(array.dtype, np.number) or array.dtype == np.bool_):
            raise DataError(f"{self.path}: {name} must be a matrix of numbers, one row an item; got {_kind(array)}")
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is named below
            matrix = np.ascontiguousarray(array.T if self.transposed else array, dtype=np.float32)
        if not np.isfinite(matrix).all():
            bad = ~np.isfinite(matrix)
            row, column = np.argwhere(bad)[0].tolist()
            raise DataError(
                f"{self.path}: {name} holds {int(bad.sum())} numbers that are not finite, the first in row {row + 1}, "
                f"column {column + 1}; mend these rows, or leave them out of all variables."
            )
        return matrix

    def _array(self, name: str) -> Array:
        if name not in self.variables:
            known = [variable for variable in self.variables if ":" not in variable]
            raise DataError(f"{self.path}: {unknown_name('variable', name, known)}")
        try:
            return self.variables[name].read()
        except Exception as error:  # readers of damaged files raise anything
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


def _kind(array: Array) -> str:
    """What an array is that is no matrix of numbers, and what can be done about it."""
    shape = _shape(array)
    if array.ndim == 4:
        return f"pixels ({shape}). Compute features of the pictures first, or save them as files and give that folder."
    if array.ndim == 3:
        return (
            f"numbers of shape {shape}. Regions are read from NAME_ims.npy with sentences in NAME_caps.txt (precomp); "
            "here, save their mean over the second axis."
        )
    if not np.issubdtype(array.dtype, np.number):
        return (
            f"{array.dtype} of shape {shape}, which is text. Captions are read beside pictures (captions.csv, or "
            "index.mat with caption.mat); here, give numbers, such as a bag of words."
        )
    return f"{array.dtype} of shape {shape}."


def _shape(array: Array) -> str:
    return " x ".join(map(str, array.shape))
