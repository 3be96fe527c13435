"""What few pictures of a gallery are, by keys, without reading what is known of the others.

Keys are found by the indexes of their columns (`Store.index_keys`), so that an answer costs about the same however
many pictures there are; which captions are still used is read off one column.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from re import fullmatch

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
    asked = dict.fromkeys(names)
    ids = _items(store, "id", [text for name in asked if fullmatch(ID, text := str(name))])
    found = {name: ids[str(name)] for name in asked if str(name) in ids}
    paths = {name: absolute(name) for name in asked if name not in found}
    there = _items(store, "path", paths.values())
    return found | {name: there[path] for name, path in paths.items() if path in there}


def stored_captions(store: Store, ids: Iterable[str]) -> set[str]:
    """Which of these sentences are stored."""
    return set(_rows(store, "captions", "id", ids, ("id",))["id"].to_pylist())


def drop_unused(store: Store, digests: Iterable[str], captions: Iterable[str]) -> None:
    """Remove the features of these contents and captions of pictures that went, unless another one has them.

    What else no picture refers to stays, until `Store.drop_orphans`.
    """
    with lance.plain_errors(store.storage):
        has_parts = store.tables["parts"].count_rows() > 0
    contents, sentences = set(digests) if has_parts else set[str](), set(captions)
    contents -= set(_rows(store, "items", "digest", contents, ("digest",))["digest"].to_pylist())
    if sentences:
        with lance.plain_errors(store.storage):
            carried = pc.list_flatten(store.tables["items"].read(["caption_ids"])["caption_ids"])
        used = carried.filter(pc.is_in(carried, pa.array(sorted(sentences), pa.string())))
        sentences -= set(pc.unique(used).to_pylist())
    with lance.plain_errors(store.storage):
        store.tables["captions"].delete_keys("id", sentences)
        if has_parts:
            store.tables["parts"].delete_keys("key", contents | sentences)


def _items(store: Store, column: str, keys: Collection[str]) -> dict[str, Item]:
    """The pictures of these keys, by them."""
    rows = _rows(store, "items", column, keys, ITEM_COLUMNS)
    return {values[column]: as_item(values) for values in rows.to_pylist()}


def _rows(store: Store, table: str, column: str, keys: Iterable[str], columns: Sequence[str]) -> pa.Table:
    """Some columns of the rows with these keys; names that are not Unicode are of no row."""
    there, chosen = store.tables[table], iter(sorted({key for key in keys if _is_unicode(key)}))
    with lance.plain_errors(store.storage):
        found = [there.read(columns, where=lance.one_of(column, block)) for block in _blocks(chosen)]
        return pa.concat_tables([there.schema.empty_table().select(columns), *found])


def _blocks(keys: Iterator[str]) -> Iterator[list[str]]:
    while block := list(islice(keys, lance.FETCH_LIMIT)):
        yield block


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
