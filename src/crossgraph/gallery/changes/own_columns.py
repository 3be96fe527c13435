"""What a column that users add can be called."""

from __future__ import annotations

from crossgraph.errors import GalleryError
from crossgraph.gallery.search.filters import BUILT_IN
from crossgraph.gallery.search.where import RESERVED
from crossgraph.gallery.tables.notes import checked_name, said_of_lists


def own_column(name: str) -> str:
    """`name` in lower case, if it can name a column of one's own. Raises `GalleryError` if not."""
    found = checked_name(name)
    if found in BUILT_IN:
        raise GalleryError(f"the column {found!r} is built in. Choose another name for yours.{said_of_lists(found)}")
    if found in RESERVED:
        raise GalleryError(
            f"{name!r} cannot name a column: filters use the word themselves, so none could name it. Choose another."
        )
    return found
