"""Cells of CSV files that spreadsheets open as what they are: a text that begins like a formula is no formula.

Such a text gets an apostrophe before it, and so does one that had apostrophes there already, which makes it reversible.
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def guarded(text: str) -> str:
    """`text` as it is written into a cell. Not for numbers, which may begin with a minus."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """The text that was written into a cell by `guarded`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
