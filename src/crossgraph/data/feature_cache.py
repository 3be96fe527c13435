"""Features on disk: written in shards that are complete or absent, read from there by key.

    cache/
      efficientnet-lite0-3f0c.../      one folder per encoder (its fingerprint)
        plain/  mirror/                one per view of the pictures
          4711-9e....safetensors       one shard: the records of some hundred keys

A shard is written under a temporary name, synced and renamed, so that a kill at any moment loses at most the
records not yet flushed. Names are unique, so processes may share a cache: at worst one record is stored twice.
Each record has a checksum in its shard, which is compared when it is first read; shards of older versions have none.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from crossgraph.errors import FeatureError
from crossgraph.files import TEMPORARY, write_atomically

Array: TypeAlias = NDArray[Any]

SHARD = ".safetensors"
CACHE_VARIABLE = "CROSSGRAPH_CACHE"
"""The variable of the environment that says where features and drawn scenes are kept."""

log = logging.getLogger(__name__)


def cache_root() -> Path:
    """Where this user's features and drawn scenes are kept: $CROSSGRAPH_CACHE, by default ~/.cache/crossgraph."""
    root = os.environ.get(CACHE_VARIABLE)
    return Path(root) if root else Path.home() / ".cache" / "crossgraph"


def default_cache() -> FeatureCache:
    """The feature cache of this user: under $CROSSGRAPH_CACHE, by default ~/.cache/crossgraph."""
    return FeatureCache(cache_root() / "features")


class FeatureCache:
    """All cached features under one folder, which is made when first written to."""

    def __init__(self, folder: Path | str, *, shard_size: int = 256) -> None:
        self.folder = Path(folder)
        self.shard_size = shard_size
        self._stores: dict[Path, RecordStore] = {}
        self._opening = threading.Lock()

    def records(self, name: str, fingerprint: str, *, view: str) -> RecordStore:
        """The records of one encoder and view, with what other processes have added until now."""
        readable = re.sub(r"[^\w.-]+", "-", Path(name).name)
        folder = self.folder / f"{readable}-{fingerprint}" / view
        with self._opening:
            if folder not in self._stores:
                self._stores[folder] = RecordStore(folder, shard_size=self.shard_size)
                return self._stores[folder]
        self._stores[folder].refresh()
        return self._stores[folder]


@runtime_checkable
class Records(Protocol):
    """Where records are read from by key: a `RecordStore`, or matrices that were given."""

    def read(self, key: str) -> dict[str, Array]:
        """The record of `key`."""


class RecordStore:
    """Records (named arrays, each of one row or more) by key.

    Records of one store have the same fields, and each field the same type and shape but for the first axis. May be
    used by many threads: what one has written can be read once its own `flush` is done, whoever put it on the disk.
    """

    def __init__(self, folder: Path, *, shard_size: int = 256) -> None:
        self.folder = folder
        self.shard_size = shard_size
        self.damaged: tuple[Path, ...] = ()
        """Shards that were found damaged and removed; their keys are simply absent and will be computed again."""
        self._changing = threading.RLock()
        self._pending: dict[str, Mapping[str, Array]] = {}
        self._shards: dict[str, _Shard] = {}
        self._places: dict[str, tuple[_Shard, int]] = {}
        for leftover in folder.glob(f"*{TEMPORARY}"):
            leftover.unlink(missing_ok=True)
        self.refresh()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def refresh(self) -> None:
        """Take in the shards that have appeared since the last look; remove damaged ones."""
        with self._changing:
            for path in sorted(self.folder.glob(f"*{SHARD}")):
                if path.name not in self._shards:
                    self._take_in(path)

    def read(self, key: str) -> dict[str, Array]:
        """The record of `key`, as it was written.

        Raises `FeatureError` if there is none on disk, or a damaged one, whose shard is then removed.
        """
        place = self._places.get(key)
        if place is None:
            raise FeatureError(f"no cached features for {key!r} in {self.folder}; extract the features first.")
        shard, row = place
        record = shard.read(row)
        if record is None:
            self._drop(shard)
            if key in self._places:  # another process had stored it too
                return self.read(key)
            raise FeatureError(
                f"{shard.path} is damaged: the features of {key!r} are not what was written. It was removed; run the "
                f"command again, and the features of its {len(shard.keys):,} items are computed again."
            )
        return record

    def write(self, key: str, record: Mapping[str, Array]) -> None:
        """Keep a record; it reaches the disk, and can be read, once the shard is full or at `flush`."""
        with self._changing:
            self._pending[key] = record
            if len(self._pending) >= self.shard_size:
                self.flush()

    def flush(self) -> None:
        """Write what is pending as one shard. Raises `FeatureError` if the disk does not take it."""
        with self._changing:
            if not self._pending:
                return
            path = self.folder / f"{os.getpid()}-{uuid.uuid4().hex}{SHARD}"
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                write_atomically(path, _pack(self._pending))
            except OSError as error:
                raise FeatureError(
                    f"the feature cache cannot be written: {error}. Free some space, or name another folder "
                    f"in {CACHE_VARIABLE}; now it is {os.environ.get(CACHE_VARIABLE) or 'not set'}."
                ) from error
            self._pending = {}
            self._take_in(path)

    def _drop(self, shard: _Shard) -> None:
        """Remove a shard that was found damaged after it was taken in. Raises `FeatureError` if it cannot be."""
        with self._changing:
            if self._shards.get(shard.path.name) is not shard:
                return  # another thread found it damaged
            try:
                shard.path.unlink(missing_ok=True)
            except OSError as error:
                raise FeatureError(
                    f"{shard.path} is damaged and cannot be removed ({error.strerror}); remove it and run the command "
                    "again, and its features are computed again."
                ) from error
            log.warning("removed the feature shard %s: a record in it does not have its checksum", shard.path)
            del self._shards[shard.path.name]
            self.damaged += (shard.path,)
            places: dict[str, tuple[_Shard, int]] = {}
            for other in self._shards.values():
                for row, key in enumerate(other.keys):
                    places.setdefault(key, (other, row))
            self._places = places

    def _take_in(self, path: Path) -> None:
        try:
            shard = _Shard(path)
        except FileNotFoundError:
            return  # another process found it damaged and removed it
        except (SafetensorError, KeyError, ValueError, TypeError) as error:
            log.warning("removed the damaged feature shard %s (%s); its features will be computed again", path, error)
            path.unlink(missing_ok=True)
            self.damaged += (path,)
            return
        self._shards[path.name] = shard
        for row, key in enumerate(shard.keys):
            self._places.setdefault(key, (shard, row))


@dataclass(frozen=True)
class _Field:
    """The rows of all records of a shard end to end, in its file from byte `start` on."""

    path: Path
    start: int
    shape: tuple[int, ...]
    kind: np.dtype[Any]

    def rows(self, first: int, end: int) -> Array:
        """The rows from `first` up to `end`, read from the file: pages of a map would count as our memory."""
        per_row = int(np.prod(self.shape[1:], dtype=np.int64))
        count, start = (end - first) * per_row, self.start + first * per_row * self.kind.itemsize
        try:
            found = np.fromfile(self.path, self.kind, count, offset=start)
        except OSError as error:
            raise FeatureError(f"cached features cannot be read: {error}; extract the features again.") from error
        if len(found) != count:
            raise FeatureError(f"{self.path} has become shorter; remove it and extract the features again.")
        return found.reshape(end - first, *self.shape[1:])


class _Shard:
    """One complete shard: where each record lies in its file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        file = cast(Any, safe_open(path, framework="numpy"))
        metadata = file.metadata()
        self.keys: list[str] = json.loads(metadata["keys"])
        names: list[str] = json.loads(metadata["fields"])
        self._starts = {name: file.get_tensor(f"{name}.starts").tolist() for name in names}
        self._fields = _fields(path, names)
        for name, starts in self._starts.items():
            if len(starts) != len(self.keys) + 1 or starts[-1] != self._fields[name].shape[0]:
                raise ValueError(f"field {name!r} does not fit its {len(self.keys)} keys")
        self._checksums: list[int] = json.loads(metadata.get("checksums", "[]"))
        if self._checksums and len(self._checksums) != len(self.keys):
            raise ValueError(f"{len(self._checksums)} checksums do not fit its {len(self.keys)} keys")
        self._read_before = bytearray(len(self.keys))

    def read(self, row: int) -> dict[str, Array] | None:
        """A record; None for one that does not have its checksum, which is compared where it is read first."""
        record = {
            name: field.rows(self._starts[name][row], self._starts[name][row + 1])
            for name, field in self._fields.items()
        }
        if self._checksums and not self._read_before[row]:
            if _checksum(self.keys[row], record) != self._checksums[row]:
                return None
            self._read_before[row] = True
        return record


_KINDS = {"F16": np.float16, "F32": np.float32, "F64": np.float64, "U8": np.uint8, "I64": np.int64, "I32": np.int32}
"""What safetensors calls the types of numbers that records have."""


def _fields(path: Path, names: Sequence[str]) -> dict[str, _Field]:
    """Where fields lie, by the header of a safetensors file, which `safe_open` has found to be sound."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    return {
        name: _Field(
            path,
            8 + length + header[name]["data_offsets"][0],
            tuple(header[name]["shape"]),
            np.dtype(_KINDS[header[name]["dtype"]]),
        )
        for name in names
    }


def _pack(records: Mapping[str, Mapping[str, Array]]) -> bytes:
    """Records as one safetensors file: each field's rows end to end, and where each record's rows start."""
    fields = list(next(iter(records.values())))
    tensors: dict[str, Array] = {}
    for name in fields:
        pieces = [record[name] for record in records.values()]
        # safetensors writes memory as it lies, whatever the order of the axes in it.
        tensors[name] = np.ascontiguousarray(np.concatenate(pieces))
        tensors[f"{name}.starts"] = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
    checksums = [
        _checksum(
            key, {name: tensors[name][slice(*tensors[f"{name}.starts"][row : row + 2].tolist())] for name in fields}
        )
        for row, key in enumerate(records)
    ]
    told = {"keys": list(records), "fields": fields, "checksums": checksums}
    return save(tensors, metadata={name: json.dumps(value) for name, value in told.items()})


def _checksum(key: str, record: Mapping[str, Array]) -> int:
    """The CRC-32 of a record: its key, and of each field name, type, shape and numbers."""
    found = zlib.crc32(key.encode("utf-8", "surrogatepass"))
    for name, rows in record.items():
        found = zlib.crc32(f"{name} {rows.dtype.str} {rows.shape}".encode(), found)
        found = zlib.crc32(rows.tobytes(), found)
    return found
