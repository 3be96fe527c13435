"""Pictures that come back: what has the content of one that went and has notes gets its id, and its notes with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

from crossgraph.gallery.changes.endings import Endings
from crossgraph.gallery.tables.notes import Departed


class Returned:
    """Hands out the ids of the pictures that `went`, each once, and has them; of those some may be `there` again.

    What went is read when it is first asked for.
    """

    def __init__(self, went: Callable[[], Iterable[Departed]], there: Callable[[str], bool]) -> None:
        self._went, self._there = went, there

    def __contains__(self, key: object) -> bool:
        return key in self._ids

    def take(self, digest: str, path: str) -> str | None:
        """The id of a picture of this content that went; of several, that whose path ended most like `path`."""
        paths = self._paths.get(digest)
        return self._departed[digest, paths.take(path)].pop() if paths else None

    @cached_property
    def _all(self) -> list[Departed]:
        return [one for one in self._went() if not self._there(one.id)]

    @cached_property
    def _ids(self) -> set[str]:
        return {one.id for one in self._all}

    @cached_property
    def _departed(self) -> dict[tuple[str, str], list[str]]:
        """The ids by digest and path."""
        found: dict[tuple[str, str], list[str]] = {}
        for one in self._all:
            found.setdefault((one.digest, one.path), []).append(one.id)
        return found

    @cached_property
    def _paths(self) -> dict[str, Endings]:
        """The paths by digest."""
        found: dict[str, Endings] = {}
        for one in self._all:
            found.setdefault(one.digest, Endings()).add(one.path)
        return found
