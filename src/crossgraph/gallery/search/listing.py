"""The pictures of a gallery page by page, without a query: by date or by name, as far as a filter keeps them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

from crossgraph.errors import ConfigError, unknown_name
from crossgraph.gallery.search.filters import BUILT_IN, rows_among
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.tables.snapshot import Snapshot

Order: TypeAlias = Literal["newest", "oldest", "name"]
ORDERS: tuple[Order, ...] = ("newest", "oldest", "name")


@dataclass(frozen=True)
class ListedPage:
    """Pictures from place `offset` on, of `total` that there are."""

    items: tuple[Item, ...]
    total: int
    offset: int


class Listing:
    """The pictures of one snapshot in order; an order that was once made is kept. May be used by many threads."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def page(
        self,
        *,
        where: str | None = None,
        among: Collection[str] | None = None,
        order: str = "newest",
        offset: int = 0,
        limit: int = 60,
    ) -> ListedPage:
        """At most `limit` pictures that `where` keeps, of those with the ids `among` where these are given.

        Those without a date come last, those of one date or name by path. Raises `GalleryError` for a wrong filter,
        `ConfigError` for another order or a negative number.
        """
        if order not in ORDERS:
            raise ConfigError(unknown_name("order", order, ORDERS))
        if offset < 0 or limit < 0:
            raise ConfigError(f"offset and limit must be at least 0, got {offset} and {limit}.")
        rows = {"newest": self._newest, "oldest": self._oldest, "name": self._by_name}[order]
        if where is not None or among is not None:
            kept = np.zeros(len(self._snapshot.items), np.bool_)
            kept[rows_among(self._snapshot, where, among)] = True
            rows = rows[kept[rows]]
        chosen: list[int] = rows[offset : offset + limit].tolist()
        return ListedPage(self._snapshot.items_at(chosen), len(rows), offset)

    @cached_property
    def _newest(self) -> Int[np.ndarray, " n"]:
        return self._sorted(self._dates, "descending")

    @cached_property
    def _oldest(self) -> Int[np.ndarray, " n"]:
        return self._sorted(self._dates, "ascending")

    @cached_property
    def _by_name(self) -> Int[np.ndarray, " n"]:
        return self._sorted(pc.utf8_lower(BUILT_IN["name"].read(self._snapshot.items)), "ascending")

    @property
    def _dates(self) -> pa.ChunkedArray:
        return BUILT_IN["date"].read(self._snapshot.items)

    def _sorted(self, keys: pa.ChunkedArray, direction: str) -> Int[np.ndarray, " n"]:
        table = pa.table({"key": keys, "path": self._snapshot.items["path"]})
        order = pc.sort_indices(table, sort_keys=[("key", direction), ("path", "ascending")])
        return np.asarray(order.to_numpy(), np.int64)


def items_of(snapshot: Snapshot, ids: Sequence[str]) -> dict[str, Item]:
    """The pictures with these ids, by id, in that order; ids of none are left out."""
    return {item.id: item for item in snapshot.items_at(snapshot.rows(ids).tolist())}
