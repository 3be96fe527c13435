from pathlib import Path

import pyarrow as pa
import pytest

from crossgraph.errors import DataError, GalleryError
from crossgraph.gallery.changes.annotations import Annotation, Annotations, read_annotations
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.tables.notes import (
    AsWritten,
    Cell,
    Notes,
    NotesInMemory,
    checked_name,
    find_strays,
    typed_columns,
)


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path)


def columns(notes: Notes, ids: str = "abc") -> pa.Table:
    return typed_columns(NotesInMemory.read(notes.dataset()).values, pa.chunked_array([list(ids)], pa.string()))


def column(notes: Notes, name: str) -> tuple[str, list[object]]:
    found = columns(notes)
    return str(found[name].type), found[name].to_pylist()


def test_values_are_joined_over_writes_and_none_takes_one_away(notes: Notes) -> None:
    assert notes.version() == 0
    notes.write({"a": {"x": 1, "y": "why"}, "b": {"x": 2}})
    notes.write({"a": {"x": None, "z": True}})
    assert columns(notes).to_pydict() == {
        "x": [None, 2.0, None],
        "y": ["why", None, None],
        "z": [True, None, None],
    }
    assert column(notes, "x") == ("double", [None, 2.0, None])
    notes.remove(["b"])
    assert columns(notes, "ab").column_names == ["y", "z"]
    notes.drop_taken_away()
    assert notes.tables["notes"].count_rows() == 2


def test_a_column_is_what_all_its_values_can_be_read_as(notes: Notes) -> None:
    notes.write(
        {
            "a": {"flag": True, "number": 1, "date": "2024-01-01", "mixed": 1, "text": "2024-13-01"},
            "b": {"flag": False, "number": 2.5, "date": "2024-01-01T10:30+02:00", "mixed": "x", "text": "2024-01-01"},
        }
    )
    assert column(notes, "flag")[0] == "bool"
    assert column(notes, "number") == ("double", [1.0, 2.5, None])
    kind, dates = column(notes, "date")
    assert kind == "timestamp[us, tz=UTC]"
    assert [str(date) for date in dates[:2]] == ["2024-01-01 00:00:00+00:00", "2024-01-01 08:30:00+00:00"]
    assert column(notes, "mixed") == ("string", ["1", "x", None])
    assert column(notes, "text")[0] == "string"


def test_a_number_keeps_the_text_that_it_was_written_as(notes: Notes) -> None:
    version = AsWritten(1.1, "1.10")
    notes.write({"a": {"ver": version, "old": 491511234567.0}, "b": {"ver": 1.2, "old": 12.5}})
    assert column(notes, "ver") == ("double", [1.1, 1.2, None])
    assert notes.values(["a", "b"])["a"] == {"ver": version, "old": 491511234567.0}
    notes.write({"c": {"ver": "1.2.1", "old": "x"}})
    assert column(notes, "ver") == ("string", ["1.10", "1.2", "1.2.1"])
    assert column(notes, "old") == ("string", ["491511234567", "12.5", "x"])
    notes.write({"a": {"ver": 3}})
    assert column(notes, "ver")[1][0] == "3"


@pytest.mark.parametrize(
    ("given", "kind", "strays", "others"),
    [
        ((True, False, "yes", AsWritten(True, "TRUE"), 0), "flag", ["yes", "0"], 3),
        (("2023-01-01", "2023-01-02", 2023), "date", ["2023"], 2),
        ((1, 2.5, "x", True), "number", ["x", "true"], 2),
    ],
)
def test_what_makes_a_column_text_is_told_by_what_most_of_it_is(
    notes: Notes, given: tuple[Cell, ...], kind: str, strays: list[str], others: int
) -> None:
    notes.write({key: {"x": value} for key, value in zip("abcde", given, strict=False)})
    ids = pa.chunked_array([list("abcde")], pa.string())
    found = find_strays(NotesInMemory.read(notes.dataset()).values, ids, "x")
    assert found is not None
    assert (found.kind, list(found.values.values()), found.others) == (kind, strays, others)


def test_names_of_columns_are_lower_case_and_plain() -> None:
    assert checked_name("Year_2") == "year_2"
    for name in ("", "2nd", "a b", "a'; --", "x" * 65, "é"):
        with pytest.raises(GalleryError, match="cannot name a column"):
            checked_name(name)


def test_a_csv_gives_numbers_truth_values_and_texts(tmp_path: Path) -> None:
    file = tmp_path / "notes.csv"
    file.write_text('path,Year,ok,code,who\nsub/a.jpg,1999,TRUE,007,"Ann, B."\n/abs/b.jpg,,false,1e3,\n')
    first: dict[str, Cell | None] = {"year": 1999.0, "ok": AsWritten(True, "TRUE"), "code": "007", "who": "Ann, B."}
    second: dict[str, Cell | None] = {"year": None, "ok": False, "code": AsWritten(1000.0, "1e3"), "who": None}
    assert read_annotations(file).rows == (
        Annotation(2, (str(tmp_path / "sub/a.jpg"), "sub/a.jpg"), first),
        Annotation(3, ("/abs/b.jpg", "/abs/b.jpg"), second),
    )


def test_json_lines_give_values_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "notes.jsonl"
    file.write_text('{"id": "a", "year": "1999", "x": null}\n\n{"id": "a", "z": 2}\n')
    assert read_annotations(file) == Annotations(
        (Annotation(1, ("a",), {"year": "1999", "x": None}), Annotation(3, ("a",), {"z": 2})), ()
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "name,year\nx,1\n", "one must be 'id' or 'path'"),
        ("a.csv", "id,year\nx\n", "line 2: it has . cells"),
        ("a.csv", "id,year\nx,1,2\n", "line 2: it has . cells"),
        ("a.csv", "id,a b\nx,1\n", "cannot name a column"),
        ("a.jsonl", '{"id": "a", "x": [1]}\n', "line 1: x must be"),
        ("a.jsonl", '{"id": "a", "x": NaN}\n', "line 1: x must be"),
        ("a.jsonl", '{"id": "a", "tags": ["x"]}\n', "line 1: tags must be .* labels of a picture.*gallery add --label"),
        ("a.jsonl", "[]\n", "line 1: expected an object"),
        ("a.jsonl", "{\n", "line 1: not JSON"),
        ("a.csv", "id,And\nx,1\n", "'And' cannot name a column: filters use the word"),
        ("a.csv", "id,a,A\nx,1,2\n", "names the column 'a' twice"),
        ("a.csv", "path,Path,a\nx,y,2\n", "names the column 'path' twice"),
        ("a.jsonl", '{"id": "a", "null": 1}\n', "line 1: 'null' cannot name a column: filters use the word"),
        ("a.jsonl", '{"id": "a", "b": 1, "B": 2}\n', "line 1: it names the column 'b' twice"),
        ("a.jsonl", '{"id": "a", "n": 1' + "0" * 400 + "}\n", "line 1: n has more digits than a number keeps"),
        ("a.jsonl", '{"id": "a", "n": 9007199254740993}\n', "line 1: n has more digits than a number keeps"),
        ("a.jsonl", '{"id": "a", "m": "\\ud800"}\n', "line 1: m holds half a letter"),
        ("a.csv", "path\nx\n", "there is nothing to note: beside the 'id' or 'path' of pictures give a column"),
        ("a.csv", "path,Width,,label\nx,1,2,3\n", "nothing to note.*Width, label: built in.*--label.*without a name"),
        ("a.jsonl", '{"id": "a", "width": 3}\n', "there is nothing to note.*width: built in"),
        ("a.txt", "", r"ends in \.csv, \.tsv or \.jsonl"),
    ],
)
def test_files_that_cannot_be_understood_are_refused_with_the_line(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read_annotations(tmp_path / name)


def test_annotating_is_all_or_nothing(tmp_path: Path, model: object, images: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model)  # type: ignore[arg-type]
    gallery.index(images)
    first = images / "000.png"
    with pytest.raises(GalleryError, match="no picture of the gallery"):
        gallery.annotate({first: {"year": 1}, "nothing": {"year": 2}})
    with pytest.raises(GalleryError, match="'width' is built in"):
        gallery.annotate({first: {"width": 1}})
    with pytest.raises(GalleryError, match=r"'label' is built in.* The labels of a picture.*gallery add --label"):
        gallery.annotate({first: {"label": "a"}})
    with pytest.raises(GalleryError, match=r"'caption' is built in.* The captions of a picture.*gallery add --caption"):
        gallery.annotate({first: {"caption": "a"}})
    for value in (10**400, 2**53 + 1, float("nan"), "\ud800"):
        with pytest.raises(GalleryError, match=r"^x (has more digits|must be a finite number|holds half a letter)"):
            gallery.annotate({first: {"x": value}})
    with pytest.raises(GalleryError, match="'null' cannot name a column"):
        gallery.annotate({first: {"null": "a"}})
    assert gallery.snapshot().notes.column_names == []
    gallery.store.notes.write({gallery.item(first).id: {"null": 1}})  # as was allowed once
    gallery.annotate({first: {"null": None}})
    assert gallery.snapshot().notes.column_names == []
    assert gallery.annotate({first: {"Year": 1}, gallery.item(first).id: {"who": "Ann"}}) == 1
    assert gallery.snapshot().notes.column_names == ["who", "year"]
