"""The table of layouts in docs/data.md has every layout there is."""

from __future__ import annotations

import re
from pathlib import Path

from crossgraph.data.sources import DATASETS, DRAWN, OPTIONS

TABLE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
ROWS = {
    name: line
    for line in TABLE.splitlines()
    if line.startswith("| `")
    for name in re.findall(r"`([\w-]+)`", line.split("|")[1])
}


def test_every_layout_has_its_row_and_every_row_its_layout() -> None:
    assert set(ROWS) == {*DATASETS, *DRAWN, "class-folders"}


def test_every_option_of_a_layout_is_in_its_row() -> None:
    for name, options in OPTIONS.items():
        if name != "matrices":  # its options have a section of their own
            assert [field for field in options.model_fields if f"`{field}" not in ROWS[name]] == []
