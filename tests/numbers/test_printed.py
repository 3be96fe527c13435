"""What stands in a document: sections, cells, words in bold, and numbers with as many digits as are printed."""

from __future__ import annotations

from pathlib import Path

import pytest
from printed import Document, holds_results, read_document, read_numbers

from crossgraph.errors import ConfigError

TEXT = """# Title

Before: **5 of 7** runs, and 12
of them.

## Results

It reaches **348.7 and 345.9**, seeds 0 and 1;
then .5 more.

| | rSum | a / b | now | now |
|---|---:|---|--:|--:|
| **one** | **324.8 ± 0.1** | .854 / .864 / **.859 ± .001** | 1,770 | 3 |
| two | 445.3 ± 4.7 (**-28.7**) | 27.9 / 58.2 (English 30.6) | 2,000 drawn | |
| two | 1.5 | | | |

```bash
# not a heading 9
| not | a table |
```

    indented **7 of 9**

| again |
|---|
| a\\|b |
"""


@pytest.fixture
def document(tmp_path: Path) -> Document:
    (tmp_path / "a.md").write_text(TEXT, encoding="utf-8")
    return read_document(tmp_path, "a.md")


def test_a_cell_is_found_by_row_and_column(document: Document) -> None:
    table = document.table("Results")
    assert table.rows[table.row("one")][table.column("rSum")] == "324.8 ± 0.1"
    assert table.rows[table.row("two | 1.5")][table.column("#2")] == "1.5"
    assert document.table("Results", 2).rows == (("a\\|b",),)


@pytest.mark.parametrize(("row", "column"), [("three", "rSum"), ("two", "rSum"), ("one", "now"), ("one", "#6")])
def test_a_row_or_column_that_is_not_there_once_is_refused(document: Document, row: str, column: str) -> None:
    table = document.table("Results")
    with pytest.raises(ConfigError, match="under 'Results' has"):
        table.rows[table.row(row)][table.column(column)]


def test_a_section_or_table_that_is_not_there_is_refused(document: Document) -> None:
    with pytest.raises(ConfigError, match="0 sections called 'not a heading 9'"):
        document.table("not a heading 9")
    with pytest.raises(ConfigError, match="2 tables under 'Results'; there is no number 3"):
        document.table("Results", 3)


def test_numbers_of_a_cell_have_sign_deviation_and_last_digit() -> None:
    found = read_numbers("445.3 ± 4.7 (-28.7) 1,770 .5, 7")
    assert [one.value for one in found] == [445.3, -28.7, 1770, 0.5, 7]
    assert [one.deviation for one in found] == [4.7, None, None, None, None]
    assert [one.step for one in found] == pytest.approx([0.1, 0.1, 1, 0.1, 1])
    assert [one.signed for one in found] == [False, True, False, False, False]


@pytest.mark.parametrize(
    ("printed", "value", "shown"),
    [
        (".854 ± .003", 0.85449, ".854"),
        ("(-.010)", 0.0121, "+.012"),
        ("324.8", 324.86, "324.9"),
        ("1,770", 1770.4, "1,770"),
    ],
)
def test_another_value_is_shown_in_the_style_of_the_printed_one(printed: str, value: float, shown: str) -> None:
    assert read_numbers(printed)[0].shown(value) == shown


def test_numbers_between_words_are_found_across_lines_and_bold(document: Document) -> None:
    section = document.section("Results")
    _, found = section.places_of("reaches {} and {}, seeds {}")
    assert [one.value for one in found] == [348.7, 345.9, 0]
    _, found = section.places_of("1; then {} more.")
    assert [one.value for one in found] == [0.5]


@pytest.mark.parametrize("words", ["reached {} and", "{}, seeds 0 and {} nothing", "{} "])
def test_words_that_do_not_stand_there_once_are_refused(document: Document, words: str) -> None:
    with pytest.raises(ConfigError, match="times, not once"):
        document.section("Results").places_of(words)


def test_bold_words_with_numbers_are_found_where_they_stand(document: Document) -> None:
    section = document.section("Results")
    assert [text for _, _, text in section.bold()] == ["348.7 and 345.9"]
    assert [section.plain[start:end] for start, end, _ in section.bold()] == ["348.7 and 345.9"]
    assert [text for _, _, text in document.section("Title").bold()] == ["5 of 7"]


def test_cells_that_are_there_for_their_numbers_are_told_from_words_with_numbers(document: Document) -> None:
    rows = document.table("Results").rows
    assert [[holds_results(cell) for cell in row] for row in rows] == [
        [False, True, True, True, True],
        [False, True, True, False, False],
        [False, True, False, False, False],
    ]
