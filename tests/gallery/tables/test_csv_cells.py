"""Texts that would be formulas in a spreadsheet, and back."""

import csv
import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from crossgraph.gallery.changes.annotations import read_annotations
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.tables.csv_cells import guarded, unguarded
from crossgraph.gallery.tables.notes import Value
from crossgraph.gallery.upkeep.export import export_file
from tests.gallery.fake_model import FakeModel


@given(st.text("'=+-@\t\ra b1"))
def test_every_text_comes_back_and_none_begins_like_a_formula(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert guarded(text)[:1] not in ("=", "+", "-", "@", "\t", "\r")


def test_texts_are_left_alone_that_are_no_formulas() -> None:
    assert [guarded(text) for text in ("a=b", "", "'tis", "1-2", "/a/b")] == ["a=b", "", "'tis", "1-2", "/a/b"]


def test_an_exported_table_can_be_annotated_with_and_numbers_stay_numbers(
    tmp_path: Path, model: FakeModel, images: Path
) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model)
    gallery.index(images)
    path = str(images / "000.png")
    wanted: dict[str, Value | None] = {"note": "=cmd|' /C calc'!A0", "depth": -3.5, "quoted": "'=1"}
    gallery.annotate({path: wanted})
    export_file(gallery, tmp_path / "all.csv", format="csv")
    with (tmp_path / "all.csv").open(newline="", encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["path"] == path)
    assert (row["note"], row["depth"], row["quoted"]) == ("'=cmd|' /C calc'!A0", "-3.5", "''=1")
    with (tmp_path / "own.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", *wanted), (path, *(row[name] for name in wanted))])
    (annotation,) = read_annotations(tmp_path / "own.csv").rows
    assert annotation.columns == wanted
    export_file(gallery, tmp_path / "all.jsonl", format="jsonl")
    rows = map(json.loads, (tmp_path / "all.jsonl").read_text().splitlines())
    assert next(row for row in rows if row["path"] == path)["note"] == wanted["note"]
