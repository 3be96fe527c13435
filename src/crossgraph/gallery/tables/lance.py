"""What the stores share about Lance tables: opening, reading, merging and deleting by key, errors in plain words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from lance.commit import CommitConflictError
from lance.fragment import write_fragments
from numpy.typing import NDArray

from crossgraph.errors import GalleryError
from crossgraph.gallery.tables.fragments import ADDRESS, HALF, OFFSETS, readable, without
from crossgraph.gallery.tables.key_files import KeyFiles, keys_and_rows, rows_at
from crossgraph.storage.interface import Storage
from crossgraph.storage.opening import storage_of

INDEX_CACHE = 64 << 20  # bytes of indices that are kept in memory; the system keeps what it can of their files
FETCH_LIMIT = 4096  # keys in one filter expression: an index is read through for many as fast as for hundreds
INDEXED_FROM = 5000  # rows from which Lance's index of their keys pays; merging adds later rows to it
COMMITS = 20  # times that a commit is tried where another process committed something else meanwhile
FRAGMENTS = 32  # more small files than that are merged after a write
FULL = 2**20  # rows that Lance puts into one file; one that has as many is not merged
MOSTLY_THERE = 0.9  # a file of whose rows fewer are left is written anew
FEW_VERSIONS, CLEANED = 128, 1024
"""Looking for old versions reads all there are: few of them at every merge, more only once in so many commits."""

_REASONS = {
    "No space left on device": "the disk is full. Make room and run the same command again",
    "Disk quota exceeded": "the disk quota is used up. Make room and run the same command again",
    "Read-only file system": "it lies on a read-only file system. It can be searched there, not changed",
    "Permission denied": "permission denied. Ask the owner of the folder, or copy the gallery to one of your own",
    "File too large": "a file would grow over the size limit. Raise the limit and run the same command again",
}
_OVERTAKEN = ("too many concurrent writers", "incompatible transaction", "commit conflict")
_NOT_FOUND = ("Not found", "No such file", "NotFound", "was not found")


class ReplacedError(GalleryError):
    """What was about to be read was replaced meanwhile."""


class Table:
    """The Lance table in a folder, or under an address; every read sees what other processes have written until then.

    Where writers can be unaware that another took their place, every write looks at the table, then whether this one
    still is the writer, and is committed only onto what was looked at.
    """

    def __init__(self, place: Storage | Path) -> None:
        self.place = storage_of(place)
        self._dataset = lance.dataset(
            self.place.uri, storage_options=self.place.options, index_cache_size_bytes=INDEX_CACHE
        )

    @property
    def folder(self) -> Path:
        """The folder it lies in, if it lies in one."""
        return Path(self.place.uri)

    @property
    def dataset(self) -> lance.LanceDataset:
        """The table as of now; it stays as it is, whatever is written later."""
        found, latest = self._dataset, self._dataset.latest_version
        if found.version != latest:
            self._dataset = found = found.checkout_version(latest)
        return found

    @property
    def version(self) -> int:
        """Changes with every write."""
        version: int = self._dataset.latest_version
        return version

    def to_write(self) -> lance.LanceDataset:
        """The table as of now, to be written onto. Raises `GalleryError` if another writer took the place of this."""
        found = self.dataset
        self.place.check()
        return found

    @property
    def schema(self) -> pa.Schema:
        """Its columns."""
        return self.dataset.schema

    def count_rows(self) -> int:
        """How many rows there are."""
        rows: int = self.dataset.count_rows()
        return rows

    @property
    def fragments(self) -> int:
        """How many files its rows lie in."""
        return len(self.dataset.get_fragments())

    def unindexed(self, column: str) -> int | None:
        """Rows of which it is not noted where their keys are, and that are looked through; None: nothing is noted."""
        dataset = self.dataset
        if self._key_files is None:
            found = (one for one in dataset.describe_indices() if one.name == f"{column}_idx")
            return next((dataset.stats.index_stats(one.name)["num_unindexed_rows"] for one in found), None)
        others = self._key_files.unnoted(dataset, column)
        return None if len(others) == self.fragments else sum(one.count_rows() for one in others)

    def read(self, columns: Sequence[str] | None = None, *, where: str | None = None) -> pa.Table:
        """Some columns of every row, or of those that fit `where`."""
        return self.dataset.to_table(columns=None if columns is None else list(columns), filter=where)

    def find(self, column: str, keys: Iterable[str], columns: Sequence[str] = ()) -> pa.Table:
        """The rows whose `column` is one of `keys`, or a list that has one: it, other `columns`, and `ADDRESS`.

        They are in no order; names that are not Unicode are of no row.
        """
        return self._found(self.dataset, column, keys, columns)

    def append(self, rows: pa.Table) -> None:
        """Add rows of whose keys the one writer knows that they are not there yet, in one commit; nothing is read."""
        self._exchange(self.to_write(), np.empty(0, np.uint64), rows)

    def insert(self, rows: pa.Table, key: str) -> None:
        """Add the first row of each key that is not there yet, in one commit."""
        dataset, first = self.to_write(), first_of_each(rows, key)
        there = self._found(dataset, key, first[key].to_pylist())[key]
        self._exchange(dataset, np.empty(0, np.uint64), first.filter(pc.invert(pc.is_in(first[key], there))))

    def replace(self, rows: pa.Table, *keys: str) -> None:
        """Add rows, in the place of those with the same keys, in one commit. No keys may come twice."""
        dataset = self.to_write()
        before = self._found(dataset, keys[0], rows[keys[0]].to_pylist(), keys)
        wanted = set(zip(*(rows[key].to_pylist() for key in keys), strict=True))
        gone = [row in wanted for row in zip(*(before[key].to_pylist() for key in keys), strict=True)]
        self._exchange(dataset, before[ADDRESS].to_numpy()[np.array(gone, np.bool_)], rows)

    def update(self, rows: pa.Table, key: str) -> None:
        """Write the columns of `rows` into the rows with the same keys, in one commit; all else stays as it is."""
        merge = self.to_write().merge_insert(key).when_matched_update_all()
        (merge.conflict_retries(0) if self.place.fenced else merge).execute(rows)

    def delete(self, where: str) -> None:
        """Delete the rows that fit, in one commit, which where writers are fenced is not put onto another one's."""
        if self.place.fenced:
            self.to_write().delete(where, conflict_retries=0)
        else:
            self.dataset.delete(where)

    def delete_keys(self, column: str, keys: Collection[str]) -> None:
        """Delete the rows with these keys, in one commit."""
        dataset = self.to_write()
        self._exchange(dataset, self._found(dataset, column, keys)[ADDRESS].to_numpy(), None)

    def _found(
        self, dataset: lance.LanceDataset, column: str, keys: Iterable[str], columns: Sequence[str] = ()
    ) -> pa.Table:
        asked, wanted = sorted({key for key in keys if is_unicode(key)}), list(dict.fromkeys([column, *columns]))
        listed = pa.types.is_list(dataset.schema.field(column).type)
        none = dataset.schema.empty_table().select(wanted)
        pieces = [none.append_column(ADDRESS, pa.array([], pa.uint64()))]
        places, others = np.empty(0, np.uint64), None  # all of them
        if self._key_files is not None:
            places, others = self._key_files.look_up(dataset, column, asked)
        if asked and others != [] and not listed and len(asked) <= FETCH_LIMIT:
            chosen = one_of(column, asked)
            pieces.append(
                dataset.scanner(columns=wanted, filter=chosen, with_row_address=True, fragments=others).to_table()
            )
        elif asked and others != []:  # no filter finds lists, or so many keys, faster than a look at all
            read = dataset.scanner(columns=[column], with_row_address=True, fragments=others).to_table()
            held, rows = keys_and_rows(read, column)
            places = np.union1d(places, rows[pc.is_in(held, pa.array(asked, pa.string())).to_numpy()])
        for start in range(0, len(places), FETCH_LIMIT):
            chosen = rows_at(places[start : start + FETCH_LIMIT].tolist())
            read = dataset.scanner(columns=wanted, filter=chosen, with_row_address=True).to_table()
            held, rows = keys_and_rows(read, column)  # of keys with equal sums some are others
            having = rows[pc.is_in(held, pa.array(asked, pa.string())).to_numpy()]
            pieces.append(read.filter(pa.array(np.isin(read[ADDRESS].to_numpy(), having))))
        return pa.concat_tables(pieces)

    def _exchange(self, dataset: lance.LanceDataset, gone: NDArray[np.uint64], rows: pa.Table | None) -> None:
        """Put rows in the place of those that lie where `gone` says, in one commit, onto what was looked at."""
        if not len(gone) and not rows:
            return
        if not len(gone) and not self.place.fenced:
            dataset.insert(rows)
            return
        fragments, offsets, files = gone >> HALF, gone & OFFSETS, readable(dataset)
        after = {
            number: without(files[number], offsets[fragments == number]) for number in np.unique(fragments).tolist()
        }
        left = [one for one in after.values() if one is not None]
        emptied = [number for number, one in after.items() if one is None]
        change: lance.LanceOperation.BaseOperation = lance.LanceOperation.Delete(left, emptied, "some keys")
        if rows is not None:
            new = write_fragments(rows, dataset, mode="append", storage_options=self.place.options)
            change = lance.LanceOperation.Update(emptied, left, new)
        lance.LanceDataset.commit(
            dataset,
            change,
            read_version=dataset.version,
            max_retries=0 if self.place.fenced else COMMITS,
            storage_options=self.place.options,
        )

    @cached_property
    def _key_files(self) -> KeyFiles | None:
        return KeyFiles(self.folder / "_keys") if self.place.is_folder else None

    def optimize(self, *, keep: timedelta = timedelta(days=7), delete_unverified: bool = False) -> None:
        """Merge small files, bring the index up to date, and remove versions older than `keep`.

        With `delete_unverified` also files that no version names, whatever their age: only while nobody else writes,
        and not where a writer may be unaware that it lost its place; there such files go after seven days.
        """
        self.to_write().optimize.compact_files()
        self.to_write().optimize.optimize_indices()
        self.to_write().cleanup_old_versions(keep, delete_unverified=delete_unverified and not self.place.fenced)

    def index(self, *columns: str) -> None:
        """Make what rows are found by, by keys in these columns, where it is lacking: notes in a folder, else indexes.

        Lance's indexes are made if there are enough rows, and not of lists: one merge of files took more than a minute.
        """
        dataset = self.dataset
        there = {one.name for one in dataset.describe_indices()}
        if self._key_files is not None:
            for name in there & {f"{column}_idx" for column in columns}:
                self.to_write().drop_index(name)  # of a gallery made before
            self._key_files.make(self.dataset, columns)
        elif dataset.count_rows() >= INDEXED_FROM:
            for column in columns:
                if f"{column}_idx" not in there and not pa.types.is_list(dataset.schema.field(column).type):
                    self.to_write().create_scalar_index(column, "BTREE", name=f"{column}_idx")

    def merge_small_files(self) -> None:
        """Merge the smallest files if there are many, bring indexes up to date, and remove versions of a week ago.

        A file is merged only with smaller ones that hold as many rows, so that a row is written anew as often as the
        table doubles, however many commits that takes.
        """
        files = [fragment.metadata for fragment in self.dataset.get_fragments()]
        small = small_files([one.num_rows for one in files])
        if len(small) <= FRAGMENTS:
            return
        others = [one for place, one in enumerate(files) if place not in small]
        kept = [one.id for one in others if one.num_rows > MOSTLY_THERE * one.physical_rows]
        self.to_write().optimize.compact_files(excluded_fragment_ids=kept)
        self.to_write().optimize.optimize_indices()
        versions = self.place.under("_versions").names()
        if len(versions) <= FEW_VERSIONS or self.version // CLEANED != (self.version - len(small)) // CLEANED:
            self.to_write().cleanup_old_versions(timedelta(days=7))


def fence(table: Table) -> None:
    """Commit the table as it is, so that no write that began before can be committed any more."""
    for _ in range(20):
        dataset = table.to_write()
        fragments = [fragment.metadata for fragment in dataset.get_fragments()]
        same = lance.LanceOperation.Merge(fragments, dataset.lance_schema)
        try:
            lance.LanceDataset.commit(
                dataset, same, read_version=dataset.version, max_retries=0, storage_options=table.place.options
            )
            return
        except (OSError, CommitConflictError) as error:
            if not _is_overtaken(error):
                raise  # else a write was committed just before, and is kept
    raise GalleryError(f"{table.place.uri} is written to by others all the time. Try again.")


def open_table(folder: Storage | Path, name: str, schema: pa.Schema) -> Table:
    """The table of that name, made if it is not there."""
    place = storage_of(folder).under(f"{name}.lance")
    if not exists(place):
        try:
            lance.write_dataset(schema.empty_table(), place.uri, mode="create", storage_options=place.options)
        except OSError as error:
            if "already exists" not in str(error):  # another process was faster
                raise
    return Table(place)


def exists(place: Storage | Path) -> bool:
    """Whether a table is there: a kill while one was made leaves its folder without a version."""
    return any(name.endswith(".manifest") for name in storage_of(place).under("_versions").names())


@contextmanager
def plain_errors(folder: Storage | Path) -> Iterator[None]:
    """Errors of the disk beneath the tables in `folder` as `GalleryError`s that say what to do."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, CommitConflictError) as error:
        text = str(error)
        if not isinstance(error, OSError | CommitConflictError) and "lance" not in text.lower():
            raise
        reason = next((plain for sign, plain in _REASONS.items() if sign in text), None)
        if reason is None and _is_overtaken(error):
            raise GalleryError(
                f"{folder} was written by another process meanwhile, so this write was not done. What was stored "
                "before is safe; run the same command again."
            ) from error
        if reason is not None:
            raise GalleryError(f"{folder} could not be written: {reason}. What was stored before is safe.") from error
        if any(sign in text for sign in _NOT_FOUND):
            raise ReplacedError(f"{folder}: files of a table are gone. Open the gallery again.") from error
        raise GalleryError(f"{folder} could not be read or written: {text.splitlines()[0][:300]}") from error


def _is_overtaken(error: Exception) -> bool:
    """Whether a commit was refused because of another one."""
    return any(sign in str(error).lower() for sign in _OVERTAKEN)


def small_files(rows: Sequence[int]) -> set[int]:
    """Which files are to be merged: the smallest, none with more rows than all smaller ones; full ones stay."""
    order = [place for place in np.argsort(rows, kind="stable").tolist() if rows[place] < FULL]
    total, chosen = 0, 1
    for count, place in enumerate(order):
        if rows[place] <= total:
            chosen = count + 1
        total += rows[place]
    return set(order[:chosen])


def one_of(column: str, keys: Iterable[str]) -> str:
    """A filter for the rows whose key is one of `keys`."""
    quoted = ", ".join("'" + key.replace("'", "''") + "'" for key in keys)
    return f"{column} IN ({quoted})"


def is_unicode(text: str) -> bool:
    """Whether a table can hold this text; names of files may be of other bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def first_of_each(table: pa.Table, column: str) -> pa.Table:
    """The first row of each key: a merge would write a key that comes twice twice."""
    _, first = np.unique(table[column].to_numpy(zero_copy_only=False), return_index=True)
    return table.take(np.sort(first))
