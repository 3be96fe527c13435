"""Tables of text, for pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Table:
    """Rows of cells with a name each, under headings of which the first stands over the names."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    kind: Literal["numbers", "words"] = "numbers"
