"""Tables in Markdown, as every report prints them."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(headings: Sequence[str], lines: Sequence[Sequence[str]], *, words: bool = False) -> str:
    """The first column to the left, numbers to the right, or all to the left where the cells are `words`.

    A bar inside a cell stays in its cell.
    """
    rows = [headings, ["---", *["---" if words else "---:"] * (len(headings) - 1)], *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
