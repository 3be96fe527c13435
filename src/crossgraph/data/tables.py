"""Rows of a table in a text: comma, tab, semicolon or bar between fields, quotes as RFC 4180 has them, or none.

Nothing raises for a bad row, and none swallows the rows behind it: a quote that is never closed costs its own line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

SEPARATORS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
"""The separators that are tried, and what they are called."""

_MOST_LINES = 200  # a text in quotes over more lines is a quote that was not closed
_QUOTED = re.compile(r'"(?:[^"]++|"")*+"')
_SPACES = re.compile(r" *")


class TableRow(NamedTuple):
    """The fields of one row as they stand, or why there are none; `line` is that of its first letter, from 1."""

    line: int
    text: str
    fields: tuple[str, ...] = ()
    starts: tuple[int, ...] | None = None
    fault: str | None = None

    def rest(self, place: int) -> str:
        """All of the row from field `place` on, as it was written."""
        if self.starts is not None:
            return self.text[self.starts[place] :]
        return self.text[sum(len(field) + 1 for field in self.fields[:place]) :]


def table_rows(text: str, separator: str, *, starts_row: Callable[[str], bool] = lambda _: False) -> Iterator[TableRow]:
    """The rows of `text` that are not blank, in order.

    `starts_row` may say of a line that a new row begins with it, which ends a text in quotes that should have been.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    place = 0
    while place < len(lines):
        line = lines[place]
        if not line.strip():
            place += 1
            continue
        if '"' not in line:
            yield TableRow(place + 1, line, tuple(line.split(separator)))
            place += 1
            continue
        row, used = _quoted_row(lines, place, separator, starts_row)
        yield row
        place += used


def _quoted_row(
    lines: list[str], place: int, separator: str, starts_row: Callable[[str], bool]
) -> tuple[TableRow, int]:
    """The row that begins at line `place` and has a quote in it, and how many lines it takes."""
    text, used, position = lines[place], 1, 0
    fields: list[str] = []
    starts: list[int] = []
    while True:
        starts.append(position)
        opening = _end_of_spaces(text, position)
        if text[opening : opening + 1] == '"':
            field, end, text, used = _quoted_field(lines, place, text, opening, used, separator, starts_row)
            if field is None:
                return TableRow(place + 1, lines[place], fault="a quote is opened and never closed"), 1
        else:
            found = text.find(separator, position)
            end = len(text) if found < 0 else found
            field = text[position:end]
        fields.append(field)
        if end >= len(text):
            return TableRow(place + 1, text, tuple(fields), tuple(starts)), used
        position = end + len(separator)


def _quoted_field(
    lines: list[str],
    place: int,
    text: str,
    opening: int,
    used: int,
    separator: str,
    starts_row: Callable[[str], bool],
) -> tuple[str | None, int, str, int]:
    """A field in quotes: what it says, where it ends, and the text of the row with as many lines as that took.

    What follows the quote it begins with but is no separator makes it a field without quotes that has some in it.
    """
    while True:
        found = _QUOTED.match(text, opening)
        if found is not None:
            end = _end_of_spaces(text, found.end())
            if end == len(text) or text.startswith(separator, end):
                return found[0][1:-1].replace('""', '"'), end, text, used
            if used > 1 and "\n" in found[0]:
                return None, 0, text, used
            end = text.find(separator, opening)
            end = len(text) if end < 0 else end
            return text[opening:end], end, text, used
        following = place + used
        if following >= len(lines) or used >= _MOST_LINES or starts_row(lines[following]):
            return None, 0, text, used
        text, used = f"{text}\n{lines[following]}", used + 1


def _end_of_spaces(text: str, position: int) -> int:
    found = _SPACES.match(text, position)
    return position if found is None else found.end()
