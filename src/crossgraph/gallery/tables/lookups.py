"""What few pictures of a gallery are, by keys, without reading what is known of the others.

Where they lie is noted (`Store.index_keys`), so that an answer costs about the same however many pictures there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from re import fullmatch
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from crossgraph.data.places import absolute
from crossgraph.gallery.tables import lance
from crossgraph.gallery.tables.items import ID, Item, Known
from crossgraph.gallery.tables.snapshot import ITEM_COLUMNS, as_item
from crossgraph.gallery.tables.store import KNOWN, Store, known_rows


def known_by(store: Store, column: str, keys: Iterable[str]) -> list[Known]:
    """The stored pictures whose `id`, `path` or `digest` is one of `keys`."""
    return known_rows(_rows(store, "items", column, keys, KNOWN))


def items_by_name(store: Store, names: Iterable[str | Path]) -> dict[str | Path, Item]:
    """The pictures that are called by their whole id or absolute path, by those names; others are left out."""
    return {name: as_item(values) for name, values in rows_by_name(store, names, ITEM_COLUMNS).items()}


def rows_by_name(store: Store, names: Iterable[str | Path], columns: Sequence[str]) -> dict[str | Path, dict[str, Any]]:
    """Some columns of these pictures, likewise; an id comes before a path."""
    asked = dict.fromkeys(names)
    ids = _by_key(store, "id", [text for name in asked if fullmatch(ID, text := str(name))], columns)
    found = {name: ids[str(name)] for name in asked if str(name) in ids}
    paths = {name: absolute(name) for name in asked if name not in found}
    there = _by_key(store, "path", paths.values(), columns)
    return found | {name: there[path] for name, path in paths.items() if path in there}


def stored_captions(store: Store, ids: Iterable[str]) -> set[str]:
    """Which of these sentences are stored."""
    return set(_rows(store, "captions", "id", ids, ())["id"].to_pylist())


def drop_unused(store: Store, digests: Iterable[str], captions: Iterable[str]) -> None:
    """Remove the features of these contents and captions of pictures that went, unless another one has them.

    What else no picture refers to stays, until `Store.drop_orphans`.
    """
    with lance.plain_errors(store.storage):
        has_parts = store.tables["parts"].count_rows() > 0
    contents, sentences = set(digests) if has_parts else set[str](), set(captions)
    contents -= set(_rows(store, "items", "digest", contents, ())["digest"].to_pylist())
    sentences -= set(pc.list_flatten(_rows(store, "items", "caption_ids", sentences, ())["caption_ids"]).to_pylist())
    with lance.plain_errors(store.storage):
        store.tables["captions"].delete_keys("id", sentences)
        if has_parts:
            store.tables["parts"].delete_keys("key", contents | sentences)


def _by_key(store: Store, column: str, keys: Iterable[str], columns: Sequence[str]) -> dict[str, dict[str, Any]]:
    return {values[column]: values for values in _rows(store, "items", column, keys, columns).to_pylist()}


def _rows(store: Store, table: str, column: str, keys: Iterable[str], columns: Sequence[str]) -> pa.Table:
    """The keys and some columns of the rows with these keys."""
    with lance.plain_errors(store.storage):
        return store.tables[table].find(column, keys, columns)
