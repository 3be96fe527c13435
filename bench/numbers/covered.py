"""Which results of the documents are spoken of, so that none is forgotten."""

from __future__ import annotations

from collections.abc import Iterable

from printed import Document, PrintedTable, holds_results


class Covered:
    """Which cells and words of the documents something is declared of."""

    def __init__(self) -> None:
        self._cells: set[tuple[str, str, int, int, int]] = set()
        self._tables: set[tuple[str, str, int]] = set()
        self._words: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self.unmade: list[tuple[str, str]] = []
        """What is not made again, and why."""

    def cell(self, document: str, table: PrintedTable, row: int, column: int) -> None:
        """The cell is spoken of."""
        self._cells.add((document, table.heading, table.number, row, column))

    def row(self, document: str, table: PrintedTable, row: int) -> None:
        """The whole row is spoken of."""
        for column in range(len(table.columns)):
            self.cell(document, table, row, column)

    def words(self, document: str, heading: str, place: tuple[int, int]) -> None:
        """What stands between these places of a section's prose is spoken of."""
        self._words.setdefault((document, heading), []).append(place)

    def table(self, document: str, table: PrintedTable) -> None:
        """The table is spoken of as a whole."""
        self._tables.add((document, table.heading, table.number))

    def missing(self, read: Iterable[Document]) -> tuple[str, ...]:
        """The cells with results, and the bold words with numbers, that nothing speaks of."""
        found: list[str] = []
        for document in read:
            for section in document.sections:
                for table in section.tables:
                    if (document.name, table.heading, table.number) not in self._tables:
                        found += self._missing_cells(document.name, table)
                places = self._words.get((document.name, section.heading), [])
                found += [
                    f'{document.name}, {section.heading}: bold "{text}"'
                    for start, end, text in section.bold()
                    if not any((low <= start and end <= high) or (start <= low and high <= end) for low, high in places)
                ]
        return tuple(found)

    def _missing_cells(self, document: str, table: PrintedTable) -> list[str]:
        return [
            f"{document}, {table.heading}, table {table.number}: {row[0]} / {table.columns[column]}: {cell}"
            for place, row in enumerate(table.rows)
            for column, cell in enumerate(row)
            if column < len(table.columns)
            and holds_results(cell)
            and (document, table.heading, table.number, place, column) not in self._cells
        ]
