"""Folders as they are named from the roots of a gallery, so that no name says where on the disk they lie."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from crossgraph.data.places import absolute
from crossgraph.errors import GalleryError


@dataclass(frozen=True)
class FolderNames:
    """Names of folders under one root are relative to it; under several, the name of the root comes first.

    `roots` are absolute folders by name, none inside another. The name of the only root is "".
    """

    roots: dict[str, str]

    @classmethod
    def of(cls, roots: Sequence[str], paths: pa.ChunkedArray) -> FolderNames:
        """Names by the outermost of the folders `roots`; without any, by the one that holds all the `paths`."""
        folders = [absolute(root) for root in roots] or _common_folder(paths)
        outermost = [
            one for one in dict.fromkeys(folders) if not any(one != root and _inside(one, root) for root in folders)
        ]
        if len(outermost) == 1:
            return cls({"": outermost[0]})
        times: Counter[str] = Counter()
        named = {}
        for root in outermost:
            name = os.path.basename(root) or "disk"
            times[name] += 1
            named[name if times[name] == 1 else f"{name} ({times[name]})"] = root
        return cls(named)

    def name(self, folder: str) -> str | None:
        """What an absolute folder is called here; None outside of all roots."""
        for name, root in self.roots.items():
            if folder == root:
                return name
            if _inside(folder, root):
                below = folder[len(_start(root)) :]
                return f"{name}/{below}" if name else below
        return None

    def folder(self, name: str) -> str:
        """The absolute folder that is called so. Raises `GalleryError` for a name under no root."""
        if "" in self.roots:
            return _start(self.roots[""]) + name if name else self.roots[""]
        first, _, below = name.partition("/")
        if first not in self.roots:
            raise GalleryError(f"no folder of the gallery is called {name!r}.")
        root = self.roots[first]
        return _start(root) + below if below else root

    def where(self, name: str) -> str:
        """The filter that keeps what lies in the folder of that name or below it."""
        return where_inside(self.folder(name))


def where_inside(folder: str) -> str:
    """The filter that keeps what lies in an absolute folder or below it.

    0 is the letter after the slash, so what is between begins with the folder; patterns would read _ and % otherwise.
    """
    start = _start(folder)
    return f"path >= {quoted(start)} and path < {quoted(start[:-1] + '0')}"


def quoted(text: str) -> str:
    """`text` as filters write it."""
    return "'" + text.replace("'", "''") + "'"


def _start(folder: str) -> str:
    return folder if folder.endswith("/") else f"{folder}/"


def _inside(path: str, folder: str) -> bool:
    return path.startswith(_start(folder))


def _common_folder(paths: pa.ChunkedArray) -> list[str]:
    """The folder that holds all the paths: what the first and the last of them in order have in common, all have."""
    if not len(paths):
        return []
    ends = pc.min_max(paths).as_py()
    first, last = os.path.dirname(ends["min"]), os.path.dirname(ends["max"])
    return [os.path.commonpath([first, last])]
