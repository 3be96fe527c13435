"""Files that are left out because somebody said so: by `--exclude`, or by a `.crossgraphignore` in their folder.

Patterns are those of gitignore: `*.gif` anywhere, `/old/` only at the top, `!keep.gif` takes one back in, the last
that fits counts. A folder that is left out is not searched, so nothing in it can be taken back in.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crossgraph.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".crossgraphignore"
OPTION = "--exclude"


@dataclass(frozen=True)
class _Rules:
    folder: str
    spec: GitIgnoreSpec
    source: str


class Exclusions:
    """What is left out under `root`, by `patterns` (which count over files of patterns) and by files of patterns."""

    def __init__(self, root: Path | str, patterns: Sequence[str] = ()) -> None:
        self._root = str(root)
        self._given: tuple[_Rules, ...] = ()
        if any(pattern.strip() for pattern in patterns):
            self._given = (_Rules(self._root, _compiled(patterns, OPTION), OPTION),)
        self._in_folder: dict[str, tuple[_Rules, ...]] = {}

    def enter(self, folder: str, *, has_file: bool) -> bool:
        """Take in the patterns of a folder, whose parent was entered before; whether any pattern holds in it."""
        inherited = self._in_folder.get(os.path.dirname(folder), ()) if folder != self._root else ()
        own = (_read(folder),) if has_file else ()
        self._in_folder[folder] = (*own, *inherited)
        return bool(self._given or own or inherited)

    def source(self, path: str, *, is_folder: bool = False) -> str | None:
        """Who leaves out `path`, which lies in a folder that was entered: the option or a file; None: nobody."""
        for rules in (*self._given, *self._in_folder.get(os.path.dirname(path), ())):
            inside = os.path.relpath(path, rules.folder).replace(os.sep, "/")
            include = rules.spec.check_file(f"{inside}/" if is_folder else inside).include
            if include is not None:
                return rules.source if include else None
        return None

    def source_above(self, path: Path) -> str | None:
        """Who leaves out `path` or a folder that it is in; None: nobody, or it does not lie under `root`."""
        here = self._root == os.curdir and not path.is_absolute()
        place = os.path.join(self._root, path) if here else str(path)
        start = self._root.rstrip(os.sep) + os.sep
        if not place.startswith(start) or not self._any_in(os.path.dirname(place)):
            return None
        steps = place.removeprefix(start).split(os.sep)
        folder = self._root
        for depth, step in enumerate(steps, start=1):
            self._any_in(folder)
            folder = os.path.join(folder, step)
            if found := self.source(folder, is_folder=depth < len(steps)):
                return found
        return None

    def _any_in(self, folder: str) -> bool:
        """Whether any pattern holds in a folder at or under `root`, all those above it entered."""
        if folder not in self._in_folder:
            if folder != self._root:
                self._any_in(os.path.dirname(folder))
            self.enter(folder, has_file=os.path.isfile(os.path.join(folder, IGNORE_FILE)))
        return bool(self._given or self._in_folder[folder])


def _read(folder: str) -> _Rules:
    file = os.path.join(folder, IGNORE_FILE)
    try:
        # As names of files are read, so that patterns fit names that are not UTF-8.
        lines = Path(file).read_bytes().decode("utf-8-sig", "surrogateescape").splitlines()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}).") from error
    return _Rules(folder, _compiled(lines, file), IGNORE_FILE)


def _compiled(lines: Sequence[str], where: str) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec  # rarely needed

    for number, line in enumerate(lines, start=1):
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError as error:
            place = where if where == OPTION else f"{where}, line {number}"
            kind = ConfigError if where == OPTION else DataError
            raise kind(f"{place}: {line!r} is no pattern of gitignore ({error}).") from error
    return GitIgnoreSpec.from_lines(lines)
