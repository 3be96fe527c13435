"""Find the name that was meant among those there are: the same, or one that differs in how names are written.

A table says `images\\Caf%C3%A9.JPG`, the disk `Images/Café.jpg`. Differences that never tell two files apart on all
systems are forgiven: slashes, URL escapes, composed and decomposed letters, case, the folders before, the ending.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

GENERIC_FOLDERS = frozenset({"image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "jpg", "data"})
"""Folders whose names say no more than that pictures are in them; a table may leave them out, or have them alone."""

_NEIGHBOURS = 150  # as many names, in alphabetical order, are compared with a name that is not there
_NUMBER = re.compile(r"\d+")
_DRIVE = re.compile(r"^[a-z]:$")


@dataclass(frozen=True)
class Match:
    """The name that was meant; `guess` says in what the two differ, None where they are the same."""

    name: str
    guess: str | None = None


@dataclass(frozen=True)
class Ambiguous:
    """Names that fit equally well."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Missing:
    """No name fits; these are the nearest, best first."""

    nearest: tuple[str, ...] = ()


class NameResolver:
    """Finds names among `names`, which may be paths with `/` in them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._by_last: dict[str, list[_Written]] = defaultdict(list)
        self._by_stem: dict[str, list[_Written]] = defaultdict(list)
        for name in sorted(self._names):
            written = _Written.of(name)
            self._by_last[written.last].append(written)
            if "." in written.last:
                self._by_stem[_stem(written.last)].append(written)
        self._by_numbers: dict[tuple[str, ...], list[tuple[str, str]]] | None = None

    def find(self, name: str, *, suggest: bool = True) -> Match | Ambiguous | Missing:
        """The name that `name` means; without `suggest`, the nearest ones are not looked for."""
        if name in self._names:
            return Match(name)
        spellings = dict.fromkeys((name, unquote(name.split("?")[0] if "://" in name else name)))
        for table, added in ((self._by_last, ""), (self._by_stem, "ending")):
            ranked: list[tuple[int, str, str]] = []
            for spelling in spellings:
                asked = _Written.of(spelling)
                ranked += [
                    (*_difference(spelling, asked, one, ending=bool(added), escaped=spelling != name), one.name)
                    for one in table.get(asked.last, ())
                    if asked.may_be(one)
                ]
            if ranked:
                best = min(rank for rank, _, _ in ranked)
                found = dict.fromkeys(one for rank, _, one in ranked if rank == best)
                if len(found) > 1:
                    return Ambiguous(tuple(found))
                return Match(next(iter(found)), added or next(why for rank, why, _ in ranked if rank == best))
        return Missing(self._nearest(name) if suggest else ())

    def _nearest(self, name: str) -> tuple[str, ...]:
        """The names most like `name`, less endings: of those with the same numbers, the nearest in the alphabet.

        One number in the place of another is another picture, not a slip.
        """
        if self._by_numbers is None:
            self._by_numbers = defaultdict(list)
            for one in (one for same in self._by_last.values() for one in same):
                stem = _stem(one.last)
                self._by_numbers[tuple(_NUMBER.findall(stem))].append((stem, one.name))
        stem = _stem(_Written.of(name).last)
        alike = sorted(self._by_numbers.get(tuple(_NUMBER.findall(stem)), ()))
        place = bisect_left(alike, (stem, ""))
        around = dict(reversed(alike[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS]))
        return tuple(around[one] for one in difflib.get_close_matches(stem, around, n=3, cutoff=0.6))


def _stem(last: str) -> str:
    return last.rpartition(".")[0] or last


@dataclass(frozen=True)
class _Written:
    """A name as its folded parts, without folders that say nothing."""

    name: str
    folders: tuple[str, ...]
    last: str
    absolute: bool

    @classmethod
    def of(cls, name: str) -> _Written:
        path = name.strip().replace("\\", "/")
        parts = [part for part in path.split("/") if part not in ("", ".")] or [""]
        folded = [_folded(part) for part in parts]
        return cls(name, tuple(folded[:-1]), folded[-1], path.startswith("/") or bool(_DRIVE.match(folded[0])))

    def may_be(self, other: _Written) -> bool:
        """Whether the folders of one are the end of the other's, but for folders that say nothing."""
        mine, theirs = _told(self.folders), _told(other.folders)
        if self.absolute or len(mine) > len(theirs):
            return mine[len(mine) - len(theirs) :] == theirs if len(theirs) <= len(mine) else False
        return theirs[len(theirs) - len(mine) :] == mine


def _folded(part: str) -> str:
    return (
        part.lower() if part.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFC", part).casefold())
    )


def _told(folders: Sequence[str]) -> tuple[str, ...]:
    return tuple(folder for folder in folders if folder not in GENERIC_FOLDERS and not folder.startswith("flick"))


def _difference(spelling: str, asked: _Written, one: _Written, *, ending: bool, escaped: bool) -> tuple[int, str]:
    """How far two spellings are from each other, and what that is called."""
    plain = "/".join(part for part in spelling.strip().replace("\\", "/").split("/") if part not in ("", "."))
    first = "URL escapes" if escaped else "slashes"
    if plain == one.name:
        return 0, first
    if _composed(plain) == _composed(one.name):
        return 1, "composed and decomposed letters"
    if (asked.folders, asked.last) == (one.folders, one.last):
        return 2, "case"
    last = one.name.rpartition("/")[2]
    if not ending and _composed(plain.rpartition("/")[2]) == _composed(last):
        return 3, "the folder before it"
    if asked.folders == one.folders:
        return 3, "the ending"
    return 4, "the folder before it, and case"


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
