"""What is in files of matrices: `.mat` of any version, `.npz`, `.npy`, `.h5`, and the lists that go with Wikipedia's.

A file, or a folder of them, is a table of named variables whose shapes are known before anything large is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from crossgraph.data.assembly import malformed, text_lines
from crossgraph.data.feature_cache import Array
from crossgraph.errors import DataError

HDF5_SUFFIXES = (".h5", ".hdf5")
SUFFIXES = (".mat", ".npz", ".npy", *HDF5_SUFFIXES)
LIST_SUFFIX = ".list"


@dataclass(frozen=True)
class Variable:
    """A named array of a file; `shape` is as `read` gives it, None where only reading tells."""

    name: str
    file: Path
    shape: tuple[int, ...] | None
    read: Callable[[], Array]


def variables_in(path: Path) -> dict[str, Variable]:
    """The variables of a file and of the lists beside it, or of all files in a folder and its subfolders.

    Every variable is called "file:name" too, and by its bare name alone where only one file has it. Raises `DataError`
    for a file that is not what its ending says.
    """
    folder = path if path.is_dir() else path.parent
    files = sorted(file for file in folder.glob("*/*") if file.suffix in SUFFIXES) if path.is_dir() else []
    files = [*sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES), *files] if path.is_dir() else [path]
    lists = sorted(folder.glob(f"*{LIST_SUFFIX}"))
    found: dict[str, Variable] = {}
    shared: set[str] = set()
    for file in (*files, *lists):
        for variable in _variables_of(file):
            found[f"{file.name}:{variable.name}"] = variable
            shared |= {variable.name} & set(found)
            found[variable.name] = variable
    return {name: variable for name, variable in found.items() if name not in shared}


def described(variables: Mapping[str, Variable]) -> str:
    """Names and shapes in one line, for messages; with the file's name where two files share one."""
    bare = [(name, one) for name, one in variables.items() if ":" not in name or one.name not in variables]
    shown = [name if one.shape is None else f"{name} ({' x '.join(map(str, one.shape))})" for name, one in bare]
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "") or "no variables"


def _variables_of(file: Path) -> Iterator[Variable]:
    import h5py

    if not file.is_file():
        raise DataError(f"{file}: no such file.")
    try:
        if file.suffix == LIST_SUFFIX:
            yield Variable(file.name, file, None, partial(_read_list, file))
        elif file.suffix == ".npy":
            yield Variable(file.stem, file, np.load(file, mmap_mode="r").shape, partial(_read_npy, file))
        elif file.suffix == ".npz":
            yield from _of_npz(file)
        elif h5py.is_hdf5(file):
            yield from _of_hdf5(file)
        elif file.suffix in HDF5_SUFFIXES:
            raise DataError(f"{file}: not an HDF5 file; it may be damaged or cut short. Fetch it again.")
        else:
            yield from _of_mat(file)
    except DataError:
        raise
    except Exception as error:  # readers of damaged files raise whatever their parsing stumbles over
        raise DataError(f"{file}: cannot be read as {file.suffix[1:]} ({error}). Fetch or write it again.") from error


def _of_npz(file: Path) -> Iterator[Variable]:
    with ZipFile(file) as archive:
        for member in archive.namelist():
            name = member.removesuffix(".npy")
            yield Variable(name, file, _packed_shape(archive, member), partial(_read_npz, file, name))


def _packed_shape(archive: ZipFile, member: str) -> tuple[int, ...]:
    """The shape that an array's header says; raises `ValueError` where it holds objects, or is no array."""
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(stream)
    if kind.hasobject:
        raise ValueError("it holds Python objects, which are never loaded")
    return tuple(shape)


def _of_mat(file: Path) -> Iterator[Variable]:
    from scipy.io import whosmat

    for name, shape, _ in whosmat(file):
        yield Variable(name, file, tuple(shape), partial(_read_mat, file, name))


def _of_hdf5(file: Path) -> Iterator[Variable]:
    import h5py

    found: list[tuple[str, tuple[int, ...]]] = []

    def visit(name: str, node: Any) -> None:
        if name.startswith("#"):
            return
        if isinstance(node, h5py.Group) and "MATLAB_sparse" in node.attrs:
            found.append((name, (int(node.attrs["MATLAB_sparse"]), len(node["jc"]) - 1)))
        elif isinstance(node, h5py.Dataset) and "MATLAB_sparse" not in node.parent.attrs:
            found.append((name, tuple(node.shape[::-1]) if _is_matlab(node) else tuple(node.shape)))

    with h5py.File(file) as opened:
        opened.visititems(visit)
    for name, shape in found:
        yield Variable(name, file, shape, partial(_read_hdf5, file, name))


def _is_matlab(node: Any) -> bool:
    """MATLAB writes its arrays by columns, so their axes come in reverse order."""
    return "MATLAB_class" in node.attrs


def _read_npy(file: Path) -> Array:
    return np.asarray(np.load(file, allow_pickle=False))


def _read_npz(file: Path, name: str) -> Array:
    with np.load(file, allow_pickle=False) as archive:
        return np.asarray(archive[name])


def _read_mat(file: Path, name: str) -> Array:
    from scipy.io import loadmat
    from scipy.sparse import issparse

    value = loadmat(file, variable_names=[name])[name]
    return np.asarray(value.toarray() if issparse(value) else value)


def _read_hdf5(file: Path, name: str) -> Array:
    import h5py
    from scipy.sparse import csc_matrix

    with h5py.File(file) as opened:
        node = opened[name]
        if isinstance(node, h5py.Group):
            shape = (int(node.attrs["MATLAB_sparse"]), len(node["jc"]) - 1)
            empty = "data" not in node
            pieces = ([], []) if empty else (node["data"][()], node["ir"][()])
            return np.asarray(csc_matrix((*pieces, node["jc"][()]), shape=shape).toarray())
        if h5py.check_ref_dtype(node.dtype) is not None:
            return np.asarray(_cells(opened, node), dtype=object)
        array = np.asarray(node.asstr()[()] if h5py.check_string_dtype(node.dtype) else node[()])
        return array.T if _is_matlab(node) else array


def _cells(opened: Any, node: Any) -> Array:
    """A cell array: its cells, which are texts, arrays, or cells again, in MATLAB's order of axes."""
    import h5py

    def read(one: Any) -> Any:
        target = opened[one]
        if h5py.check_ref_dtype(target.dtype) is not None:
            return _cells(opened, target)
        values = np.asarray(target[()])
        return "".join(map(chr, values.T.reshape(-1))) if target.attrs.get("MATLAB_class") == b"char" else values.T

    references = node[()].T
    cells = np.empty(references.shape, dtype=object)
    for place in np.ndindex(references.shape):
        cells[place] = read(references[place])
    return cells


def _read_list(file: Path) -> Array:
    """The last of three tab-separated columns as whole numbers (text, image, category), or the lines as they are."""
    rows = [(number, line.split("\t")) for number, line in text_lines(file)]
    if not rows or len(rows[0][1]) != 3:
        return np.asarray(["\t".join(row) for _, row in rows])
    for number, row in rows:
        if len(row) != 3 or not row[2].strip().isdigit():
            raise malformed(file, f"line {number}", "\t".join(row), expected="text, image and the number of a category")
    return np.asarray([int(row[2]) for _, row in rows])
