"""Searching a gallery."""

from __future__ import annotations

from pathlib import Path

from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.results import SearchResults
from crossgraph.verbs.galleries import open_gallery


def search(query: str | Path, gallery: Gallery | Path | str, *, k: int = 10, shortlist: int = 100) -> SearchResults:
    """The best `k` pictures for a sentence, or for a picture given as a path."""
    opened = gallery if isinstance(gallery, Gallery) else open_gallery(gallery)
    return opened.search(query, k=k, shortlist=shortlist)
