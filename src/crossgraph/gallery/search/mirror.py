"""A snapshot with what is derived from it for search: an index of its codes, and its exact hits. Made when needed."""

from __future__ import annotations

from functools import cached_property

from crossgraph.gallery.search.exact import ExactHits
from crossgraph.gallery.stages.codes import CodeIndex
from crossgraph.gallery.tables.snapshot import Snapshot


class Mirror:
    """What is hot of a gallery, in memory, as of one version of its tables; `bits` is how long its codes are."""

    def __init__(self, snapshot: Snapshot, *, bits: int) -> None:
        self.snapshot = snapshot
        self._bits = bits

    @cached_property
    def codes(self) -> CodeIndex | None:
        """The codes of the pictures, if the gallery has that stage."""
        return None if self.snapshot.codes is None else CodeIndex(self.snapshot.codes, bits=self._bits)

    @cached_property
    def caption_codes(self) -> CodeIndex | None:
        """The codes of the captions, if the gallery has that stage."""
        return None if self.snapshot.caption_codes is None else CodeIndex(self.snapshot.caption_codes, bits=self._bits)

    @cached_property
    def exact(self) -> ExactHits:
        """Finds pictures by the very words of a caption, tag or file name."""
        return ExactHits(self.snapshot)
