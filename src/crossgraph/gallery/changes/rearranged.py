"""Pictures that took the places of others, found by content among files that changed or are new."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from crossgraph.gallery.changes.endings import Endings


@dataclass(frozen=True)
class Rearranged:
    """Where pictures lie now: their old place by the new one. Those at `ousted` places lie nowhere, and lost theirs."""

    before: Mapping[str, str]
    ousted: tuple[str, ...]


def find_rearranged(
    contents: Mapping[str, str],
    displaced: Mapping[str, str],
    gone: Callable[[str, str], str | None],
    *,
    may_go: bool,
) -> Rearranged:
    """Which pictures lie where, by digest; `contents` are those of the files, by path, now.

    `displaced` are the digests of the pictures whose file has other content now, by path, and `gone` takes one whose
    file is gone, by digest and the path it is to lie at. Of several of one digest, that whose path ended most like
    the new one. A picture whose content is in none of the files stays in its place, as one that changed. If the
    content of another lies there, that one takes the place, or, unless pictures `may_go`, stays where it was too.
    """
    waiting: dict[str, Endings] = {}
    for path, digest in displaced.items():
        waiting.setdefault(digest, Endings()).add(path)
    before: dict[str, str] = {}
    for path, digest in contents.items():
        left = waiting.get(digest)
        old = gone(digest, path) or (left.take(path) if left else None)
        if old is not None:
            before[path] = old
    placed = set(before.values())
    ousted = [path for path in displaced if path in before and path not in placed]
    while ousted and not may_go:
        stays = before.pop(ousted.pop())
        if stays in before:
            ousted.append(stays)
    return Rearranged(before, tuple(ousted))
