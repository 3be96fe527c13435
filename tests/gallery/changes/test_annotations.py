"""Columns out of files: bad rows and unknown pictures are listed, and cost no other row."""

from __future__ import annotations

import csv
import io
import unicodedata
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from crossgraph.gallery.changes.annotations import matched, read_annotations
from crossgraph.gallery.gallery import Gallery
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
