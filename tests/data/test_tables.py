"""Rows of tables: what the csv module reads is read the same; what is broken costs its own line and no other."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.data.tables import SEPARATORS, table_rows

fields = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)
tables = st.lists(st.lists(fields, min_size=2, max_size=4), min_size=1, max_size=6)


@given(table=tables, separator=st.sampled_from(sorted(SEPARATORS)), newline=st.sampled_from(["\n", "\r\n"]))
def test_what_csv_writes_is_read_as_it_was(table: list[list[str]], separator: str, newline: str) -> None:
    written = io.StringIO()
    csv.writer(written, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(table)
    rows = list(table_rows(written.getvalue().replace("\n", newline), separator))
    assert [list(row.fields) for row in rows] == table
    assert not any(row.fault for row in rows)


def test_lines_are_those_of_the_first_letter_and_blank_ones_are_no_rows() -> None:
    rows = list(table_rows('a,b\n\n"c\nd",e\n  \nf,g', ","))
    assert [(row.line, row.fields) for row in rows] == [(1, ("a", "b")), (3, ("c\nd", "e")), (6, ("f", "g"))]


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('a.jpg,he said "hi"', ("a.jpg", 'he said "hi"')),
        ('a.jpg,"Hi" he said', ("a.jpg", '"Hi" he said')),
        ('a.jpg, "one, two" ', ("a.jpg", "one, two")),
        ('a.jpg,""', ("a.jpg", "")),
        ('"a.jpg","say ""hi"""', ("a.jpg", 'say "hi"')),
    ],
)
def test_quotes_count_only_where_they_hold_a_whole_field(line: str, fields: tuple[str, ...]) -> None:
    (row,) = table_rows(line, ",")
    assert row.fields == fields


def test_a_quote_that_is_never_closed_costs_its_own_line() -> None:
    rows = list(table_rows('a.jpg,"open\nb.jpg,two\nc.jpg,"closed"\nd.jpg,""\n', ","))
    assert [(row.line, row.fields, row.fault) for row in rows] == [
        (1, (), "a quote is opened and never closed"),
        (2, ("b.jpg", "two"), None),
        (3, ("c.jpg", "closed"), None),
        (4, ("d.jpg", ""), None),
    ]


def test_a_line_that_begins_as_a_row_ends_a_text_in_quotes() -> None:
    text = 'a.jpg,"open\nb.jpg,two"\n'
    assert [row.fields for row in table_rows(text, ",")] == [("a.jpg", "open\nb.jpg,two")]
    rows = list(table_rows(text, ",", starts_row=lambda line: line.startswith("b.jpg,")))
    assert [row.fields for row in rows] == [(), ("b.jpg", 'two"')]


def test_the_rest_of_a_row_is_as_it_was_written() -> None:
    plain, quoted = table_rows('a,b, c,d\n"a,a",b,"c",d\n', ",")
    assert [plain.rest(place) for place in range(4)] == ["a,b, c,d", "b, c,d", " c,d", "d"]
    assert [quoted.rest(place) for place in range(4)] == ['"a,a",b,"c",d', 'b,"c",d', '"c",d', "d"]


@given(text=st.text(st.sampled_from('ab,"\n \r'), max_size=80))
def test_no_text_raises_and_every_line_is_in_one_row(text: str) -> None:
    rows = list(table_rows(text, ","))
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    covered = [row.line + extra for row in rows for extra in range(row.text.count("\n") + 1)]
    assert sorted(set(covered)) == covered
    assert {number for number, line in enumerate(lines, start=1) if line.strip()} <= set(covered)
