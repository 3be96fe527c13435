"""Columns out of files: bad rows and unknown pictures are listed, and cost no other row."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from crossgraph.gallery.changes.annotations import matched, read_annotations
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.filters import rows_where
from crossgraph.gallery.tables.csv_cells import unguarded
from crossgraph.gallery.upkeep.export import export_file, export_lines
from tests.gallery.fake_model import FakeModel, draw_images


def test_rows_that_cannot_be_understood_are_listed_and_the_others_used(tmp_path: Path) -> None:
    file = tmp_path / "notes.csv"
    file.write_text('Path,note\na.jpg,one, two\nb.jpg,"three, four"\nc.jpg,"five\nd.jpg,six\n,seven\ne.jpg\n')
    found = read_annotations(file)
    assert [(row.line, row.names[-1], row.columns) for row in found.rows] == [
        (3, "b.jpg", {"note": "three, four"}),
        (5, "d.jpg", {"note": "six"}),
    ]
    assert [(row.line, row.reason.partition(".")[0]) for row in found.bad] == [
        (2, "it has 3 cells, and the header 2"),
        (4, "a quote is opened and never closed"),
        (6, "it names no picture; give a column 'id' or 'path'"),
        (7, "it has 1 cells, and the header 2"),
    ]
    lines = tmp_path / "notes.jsonl"
    lines.write_text('{"id": "a", "x": 1}\n{"id": "b", "x": 1\n[]\n{"id": "c", "a b": 1}\n{"id": "d", "x": [1]}\n')
    found = read_annotations(lines)
    assert [row.names for row in found.rows] == [("a",)]
    assert [row.line for row in found.bad] == [2, 3, 4, 5]


cells = st.lists(st.text("ab,;\"' é\n1", max_size=5), min_size=2, max_size=2)


@given(st.lists(cells, max_size=8), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), st.booleans())
def test_every_line_of_a_table_is_read_or_listed(rows: list[list[str]], encoding: str, quoted: bool) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "notes.csv"
        body = "".join(f"{left},{right}\n" for left, right in rows)
        if quoted:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(["id" + left, right] for left, right in rows)
            body = text.getvalue()
        file.write_bytes(f"id,note\nx,y\n{body}".encode(encoding))
        found = read_annotations(file)
        if quoted:
            assert [row.names[0] for row in found.rows] == ["x", *(("id" + left).strip() for left, _ in rows)]
            return
        lines = [row.line for row in found.rows] + [row.line for row in found.bad]
        starts = set(lines)
        assert len(starts) == len(lines)
        assert starts <= set(range(2, body.count("\n") + 3))


def test_pictures_that_are_not_there_cost_their_own_rows_alone(tmp_path: Path) -> None:
    images = draw_images(tmp_path / "photos", 6)
    (images / "005.png").rename(images / unicodedata.normalize("NFD", "Café.png"))
    gallery = Gallery.create(tmp_path / "gallery", FakeModel("a", fine=False))
    gallery.index(images)
    file = tmp_path / "notes.csv"
    rows = ("photos/000.png,1", "001.png,2", "photos\\002.PNG,3", "cafe.png,4", "café.png,5", "009.png,6", "00.png,7")
    file.write_text("path,stars\n" + "\n".join(rows))
    read = read_annotations(file)
    found = matched(read, gallery.snapshot())
    assert {gallery.item(name).path.name[:3]: one["stars"] for name, one in found.values.items()} == {
        "000": 1,
        "001": 2,
        "002": 3,
        "Caf": 5,
    }
    assert [row.line for row in found.bad] == [5, 7, 8]
    assert "no picture of the gallery has the id or path '009.png'" in found.bad[1].reason
    assert [note.partition(":")[0] for note in found.guesses] == ["line 4", "line 6"]
    assert gallery.annotate(found.values) == 4


def test_a_bad_value_of_json_costs_its_own_row_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.jsonl"
    file.write_text('{"id": "a", "n": 1}\n{"id": "b", "n": 1' + "0" * 400 + '}\n{"id": "c", "n": "\\ud800"}\n')
    found = read_annotations(file)
    assert ([row.names for row in found.rows], [row.line for row in found.bad]) == ([("a",)], [2, 3])


def test_a_separator_at_the_end_of_the_header_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "notes.csv"
    file.write_text(",path,a,,\n0,x,1,,\n1,y,2\n2,z,3,,,\n")
    found = read_annotations(file)
    assert [(row.names[-1], row.columns) for row in found.rows] == [("x", {"a": 1}), ("y", {"a": 2})]
    assert [row.line for row in found.bad] == [4]
    assert found.notes == ("a column without a name was passed over.",)


GIVEN = (
    "1.10|12e4|4.50|TRUE|9007199254740993|2024-01-31|-5.0",
    "1.2.1|ab12|ask|no|9007199254740992|soon|-6",
    "1.3|491511234567|5.00|false|1|2024-02-01|7",
)


def test_cells_come_back_as_they_were_written_and_numbers_are_numbers_all_the_same(tmp_path: Path) -> None:
    images = draw_images(tmp_path / "photos", 3)
    gallery = Gallery.create(tmp_path / "gallery", FakeModel("a", fine=False))
    gallery.index(images)
    names = ("ver", "serial", "price", "flag", "long", "day", "depth")
    rows = [[f"photos/{place:03}.png", *line.split("|")] for place, line in enumerate(GIVEN)]

    def annotate(name: str, rows: list[list[str]]) -> None:
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows([["path", *names], *rows])
        gallery.annotate(matched(read_annotations(tmp_path / name), gallery.snapshot()).values)

    annotate("notes.csv", rows)
    assert gallery.snapshot().items_at(rows_where(gallery.snapshot(), "ver = '1.10'"))[0].path.name == "000.png"
    assert len(rows_where(gallery.snapshot(), "long = '9007199254740993'")) == 1
    assert len(rows_where(gallery.snapshot(), "depth < -5")) == 1

    def exported(name: str) -> list[list[str]]:
        export_file(gallery, tmp_path / name, format="csv")
        with (tmp_path / name).open(newline="") as file:
            found = sorted(csv.DictReader(file), key=lambda row: row["path"])
        return [[unguarded(row[column]) for column in names] for row in found]

    assert exported("all.csv") == [row[1:] for row in rows]
    read = read_annotations(tmp_path / "all.csv")  # an export can be annotated with as it is
    assert gallery.annotate(matched(read, gallery.snapshot()).values) == 3
    assert read.notes[0].startswith(
        "folder, source, digest, width, height, bytes, modified, taken, label, caption: built in"
    )
    assert exported("again.csv") == [row[1:] for row in rows]
    lines = [json.loads(line) for line in export_lines(gallery, format="jsonl", where="name = '000.png'")]
    assert (lines[0]["ver"], lines[0]["depth"], repr(lines[0]["width"])) == ("1.10", -5, "24")
    annotate("less.csv", [[*rows[1][:1], "1.2", "1", "2", "true", "1", "2024-01-01", "1"]])
    snapshot = gallery.snapshot()
    assert [str(snapshot.notes[name].type) for name in ("ver", "price", "flag")] == ["double", "double", "bool"]
    (line,) = [json.loads(one) for one in export_lines(gallery, format="jsonl", where="price = 4.5")]
    assert (line["ver"], line["price"], line["flag"], repr(line["depth"])) == (1.1, 4.5, True, "-5")
