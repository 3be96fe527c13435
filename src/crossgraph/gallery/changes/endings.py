"""Paths by their ends: which of many ends most like another, found without comparing it with each."""

from __future__ import annotations

import bisect


class Endings:
    """Paths, read from their ends, in order: those that end most alike stand next to each other."""

    def __init__(self) -> None:
        self._added: list[str] = []
        self._ordered = True

    def __len__(self) -> int:
        return len(self._added)

    def add(self, path: str) -> None:
        """Add a path."""
        self._added.append(path[::-1])
        self._ordered = False

    def take(self, path: str) -> str:
        """Remove one that shares the longest end with `path`, and give it. There must be one."""
        if not self._ordered:
            self._added.sort()
            self._ordered = True
        end = path[::-1]
        place = bisect.bisect_left(self._added, end)
        near = [row for row in (place, place - 1) if 0 <= row < len(self._added)]
        return self._added.pop(max(near, key=lambda row: _alike(self._added[row], end)))[::-1]


def _alike(one: str, other: str) -> int:
    """How many letters the two begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
