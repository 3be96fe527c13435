"""The numbers that stand in the documents: in the cells of tables, in bold, and between the words of a paragraph."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crossgraph.errors import ConfigError

_NUMBER = r"(?:\d+(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+"
_SPREAD = re.compile(rf"([+\-−]?)({_NUMBER})(?:\s*±\s*({_NUMBER}))?")
_RESULT = re.compile(rf"[\s/()±+\-−%]*(?:{_NUMBER})")
_HEADING = re.compile(r"#{1,6} +(.+)")
HOLE = "{}"
"""Where a number stands in the words of a declared paragraph."""


@dataclass(frozen=True)
class Printed:
    """One number of a document: `step` is the unit of its last digit, `deviation` what stands behind ±."""

    text: str
    value: float
    step: float
    deviation: float | None
    signed: bool

    def shown(self, value: float) -> str:
        """Another value with as many digits, in the same style."""
        places = len(self.text.partition("±")[0].partition(".")[2].strip())
        text = f"{value:+,.{places}f}" if self.signed else f"{value:,.{places}f}"
        return re.sub(r"^([+-]?)0\.", r"\1.", text) if re.match(r"[+\-−]?\.", self.text) else text


@dataclass(frozen=True)
class PrintedTable:
    """A table of a section: the `number`th of it, from 1."""

    heading: str
    number: int
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> int:
        """The place of a column by its heading or, as `#3`, by its number from 1. Raises `ConfigError`."""
        if re.fullmatch(r"#\d+", name) and 1 <= int(name[1:]) <= len(self.columns):
            return int(name[1:]) - 1
        return self._only(name, [place for place, column in enumerate(self.columns) if column == name], "column")

    def row(self, name: str) -> int:
        """The place of a row by its first cell, or by its first cells with ` | ` between. Raises `ConfigError`."""
        cells = tuple(name.split(" | "))
        fitting = [place for place, row in enumerate(self.rows) if row[: len(cells)] == cells]
        return self._only(name, fitting, "row")

    def _only(self, name: str, places: list[int], kind: str) -> int:
        if len(places) == 1:
            return places[0]
        known = self.columns if kind == "column" else tuple(row[0] for row in self.rows)
        found = "no" if not places else f"{len(places)} times a"
        raise ConfigError(
            f"table {self.number} under {self.heading!r} has {found} {kind} {name!r}; it has: {'; '.join(known)}."
        )


@dataclass(frozen=True)
class Section:
    """What stands between a heading and the next one: its prose, without tables and code, and its tables."""

    heading: str
    prose: str
    tables: tuple[PrintedTable, ...]

    def places_of(self, words: str) -> tuple[tuple[int, int], list[Printed]]:
        """Where the words stand in the prose, once, and the numbers in their holes. Raises `ConfigError`."""
        pattern = "".join(
            rf"([+\-−]?(?:{_NUMBER}))" if part == HOLE else re.escape(part)
            for part in re.split(r"(\{\})", " ".join(words.split()))
        )
        found = list(re.finditer(rf"(?<![\w.]){pattern}", self.plain))
        if len(found) != 1:
            raise ConfigError(f"under {self.heading!r} these words stand {len(found)} times, not once: {words!r}.")
        return found[0].span(), [read_numbers(text)[0] for text in found[0].groups()]

    @property
    def plain(self) -> str:
        """The prose on one line and without bold."""
        return self.prose.replace("**", "")

    def bold(self) -> list[tuple[int, int, str]]:
        """Bold words with a number in them: start, end and text, in places of `plain`."""
        return [
            (found.start() - 4 * nth, found.end() - 4 * nth - 4, found.group(1))
            for nth, found in enumerate(re.finditer(r"\*\*(.+?)\*\*", self.prose))
            if re.search(r"(?<![\w-])\.?\d", found.group(1))
        ]


@dataclass(frozen=True)
class Document:
    """A Markdown file, section by section."""

    name: str
    sections: tuple[Section, ...]

    def section(self, heading: str) -> Section:
        """The section of that heading. Raises `ConfigError` unless there is exactly one."""
        found = [section for section in self.sections if section.heading == heading]
        if len(found) != 1:
            raise ConfigError(f"{self.name} has {len(found)} sections called {heading!r}, not one.")
        return found[0]

    def table(self, heading: str, number: int = 1) -> PrintedTable:
        """The `number`th table under a heading. Raises `ConfigError` where there are fewer."""
        tables = self.section(heading).tables
        if not 1 <= number <= len(tables):
            raise ConfigError(f"{self.name} has {len(tables)} tables under {heading!r}; there is no number {number}.")
        return tables[number - 1]


def read_document(root: Path, name: str) -> Document:
    """The document `name` of the folder `root`."""
    sections = []
    for heading, lines in _sections((root / name).read_text(encoding="utf-8")):
        blocks = [list(block) for block in _blocks(lines)]
        tables = [block for block in blocks if len(block) > 2 and re.fullmatch(r"[|\s:-]+", block[1])]
        prose = " ".join(" ".join(block) for block in blocks if block not in tables)
        told = tuple(_table(heading, number, block) for number, block in enumerate(tables, start=1))
        sections.append(Section(heading, " ".join(prose.split()), told))
    return Document(name, tuple(sections))


def read_numbers(cell: str) -> list[Printed]:
    """The numbers of a cell from left to right; one with ± is one number.

    >>> [(one.text, one.value, one.deviation) for one in read_numbers("**.854 ± .003** (-.010)")]
    [('.854 ± .003', 0.854, 0.003), ('-.010', -0.01, None)]
    """
    found = []
    for match in _SPREAD.finditer(cell):
        sign, digits, deviation = match.groups()
        value = float(digits.replace(",", "")) * (-1 if sign in ("-", "−") else 1)
        places = len(digits.partition(".")[2])
        found.append(
            Printed(
                match.group().strip(), value, 10.0**-places, None if deviation is None else float(deviation), bool(sign)
            )
        )
    return found


def holds_results(cell: str) -> bool:
    """Whether a cell is there for its numbers: nothing but numbers, or a number with a decimal point first.

    >>> [holds_results(cell) for cell in ("1,770 / 435", "27.9 / 58.2 (English 30.6)", "2,000 drawn", "x 0.9", "")]
    [True, True, False, False, False]
    """
    if _RESULT.match(cell) is None:
        return False
    only = not re.sub(r"[\s/()±+\-−%,]", "", _SPREAD.sub("", cell))
    first = read_numbers(cell)[0]
    return only or "." in first.text


def _sections(text: str) -> Iterator[tuple[str, list[str]]]:
    """Heading and lines of every section; lines of fenced and indented code are left out."""
    heading, lines, fenced = "", list[str](), False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
            lines.append("")
        elif not fenced and (found := _HEADING.fullmatch(line)):
            yield heading, lines
            heading, lines = found.group(1).strip(), []
        elif not fenced and not line.startswith("    "):
            lines.append(line)
    yield heading, lines


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Lines that belong together: those of one table, or any others up to an empty one."""
    block = list[str]()
    for line in [*lines, ""]:
        if not line.strip() or (block and line.startswith("|") != block[0].startswith("|")):
            if block:
                yield block
            block = []
        if line.strip():
            block.append(line)


def _table(heading: str, number: int, lines: list[str]) -> PrintedTable:
    columns, _, *rows = [_cells(line) for line in lines]
    return PrintedTable(heading, number, columns, tuple(rows))


def _cells(line: str) -> tuple[str, ...]:
    """The cells of a row, without bold."""
    cells = re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
    return tuple(cell.strip().replace("**", "") for cell in cells)
