"""The labels in a column of cells: lists as JSON, Python and NumPy write them, names between separators, 0 and 1.

What parts the names in texts is decided for the whole column at once, and whatever is not plain is said in a note.
"""

from __future__ import annotations

import ast
import json
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeAlias

Cell: TypeAlias = str | Sequence[str]
"""What a row says of its labels: a text as it stands, or a list."""

log = logging.getLogger(__name__)

_MOST = 10_000  # letters of a text that is read as Python
_FLAGS = {"0": False, "0.": False, "0.0": False, "1": True, "1.": True, "1.0": True}
_BETWEEN = re.compile(r"(?<=['\"])\s+(?=['\"])")


def read_labels(cells: Sequence[Cell], *, separator: str | None = None) -> tuple[list[list[str]], tuple[str, ...]]:
    """The labels in each cell of a column, and notes for people on what could be understood otherwise.

    `separator` parts the names in texts. By default that is `|` and `;`; where no text has either, it is the comma if
    that is clear (`_parts_at_commas`), and a text with commas is one name if not. Cells that all are rows of so many 0
    and 1 mean `label 1`, `label 2` and so on.
    """
    lists = [_listed(cell) if isinstance(cell, str) else _texts(cell) for cell in cells]
    if (flags := _flags(cells, lists)) is not None:
        width = max(map(len, flags))
        note = f"labels are rows of {width} numbers 0 and 1, read as label 1 to label {width}"
        return [[f"label {place}" for place, one in enumerate(row, start=1) if one] for row in flags], (note,)
    texts = [cell for cell, found in zip(cells, lists, strict=True) if found is None and isinstance(cell, str)]
    notes: list[str] = []
    between = "|;" if separator is None else separator
    if separator is None and not any(sign in text for text in texts for sign in between) and _parts_at_commas(texts):
        between = ","
        example = next(text for text in texts if len(_names(text, between)) > 1)
        notes.append(
            f"commas part labels: {example!r} is {len(_names(example, between))} of them; if names hold commas, say "
            "label_separator=bar of a table"
        )
    found = [_names(str(cell), between) if row is None else row for cell, row in zip(cells, lists, strict=True)]
    whole = sorted({name for text in texts for name in _names(text, between) if "," in name})
    if whole:
        told = (
            "1 label holds commas and is one name"
            if len(whole) == 1
            else f"{len(whole):,} labels hold commas and are one name each"
        )
        notes.append(
            f"{told}, for example {whole[0]!r}; if several are meant, write | between "
            "them, or say label_separator=comma of a table"
        )
        log.warning(notes[-1])
    return found, tuple(notes)


def is_flag(text: str) -> bool:
    """Whether a field is 0 or 1, as one that says whether a label is there."""
    return text.strip() in _FLAGS


def _listed(text: str) -> list[str] | None:
    """The texts in a list, tuple or set as JSON, Python or NumPy writes it, also without quotes; None for no list."""
    text = text.strip()
    if not text.startswith(("[", "(", "{")) or not text.endswith(("]", ")", "}")):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = _python(text)
    if isinstance(found, list | tuple | set) and all(
        one is None or isinstance(one, str | int | float) for one in found
    ):
        return _texts(found)
    inner = text[1:-1]
    if text.startswith("[") and "," in inner and not re.search(r"['\"\[\](){}]", inner):
        return _names(inner, ",")
    return None


def _python(text: str) -> Any:
    """What a literal of Python says; None for none."""
    if len(text) > _MOST:
        return None
    spaced = text if "," in text else _BETWEEN.sub(", ", text)  # NumPy prints spaces between, which would join texts
    try:
        return ast.literal_eval(spaced)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _texts(values: Iterable[Any]) -> list[str]:
    return [text for one in values if one is not None and one == one and (text := str(one).strip())]


def _names(text: str, between: str) -> list[str]:
    return [name for one in re.split(f"[{re.escape(between)}]", text) if (name := one.strip())]


def _flags(cells: Sequence[Cell], lists: Sequence[list[str] | None]) -> list[list[bool]] | None:
    """Rows of 0 and 1, as many in each cell that is not blank; None unless all are, and it is clear that they are.

    Two numbers could be those of two classes, too, where all cells say the same.
    """
    rows: list[list[bool]] = []
    for cell, listed in zip(cells, lists, strict=True):
        parts = listed
        if parts is None:
            parts = [one for one in re.split(r"[\s,;|]+", str(cell).strip(" []()")) if one]
        if any(one not in _FLAGS for one in parts):
            return None
        rows.append([_FLAGS[one] for one in parts])
    different = {tuple(row) for row in rows if row}
    widths = {len(row) for row in different}
    clear = len(widths) == 1 and (min(widths) > 2 or (min(widths) == 2 and len(different) > 1))
    return rows if clear else None


def _parts_at_commas(texts: Collection[str]) -> bool:
    """Whether commas stand between names, not inside of them.

    They do if half of the texts with commas, or more, consist of names that other texts have too, and half of the names
    that several texts have stand in different places. So "tench, Tinca tinca" is one name, whose parts are in no other,
    and so are "Paris, France" and "Smith, John", whose parts have their places.
    """
    rows = {tuple(_names(text, ",")) for text in texts}
    having = Counter(name for row in rows for name in set(row))
    places: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        for place, name in enumerate(row):
            places[name].add(place)
    shared = [name for name, count in having.items() if count > 1]
    moving = [name for name in shared if len(places[name]) > 1]
    parted = [row for row in rows if len(row) > 1]
    clear = [row for row in parted if all(having[name] > 1 for name in row)]
    return bool(parted) and 2 * len(clear) >= len(parted) and 2 * len(moving) >= len(shared)
