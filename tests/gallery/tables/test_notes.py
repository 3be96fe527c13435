from pathlib import Path

import pyarrow as pa
import pytest

from crossgraph.errors import DataError, GalleryError
from crossgraph.gallery.changes.annotations import Annotation, Annotations, read_annotations
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.tables.notes import Notes, NotesInMemory, Value, checked_name, typed_columns


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


def test_names_of_columns_are_lower_case_and_plain() -> None:
    assert checked_name("Year_2") == "year_2"
    for name in ("", "2nd", "a b", "a'; --", "x" * 65, "é"):
        with pytest.raises(GalleryError, match="cannot name a column"):
            checked_name(name)


def test_a_csv_gives_numbers_truth_values_and_texts(tmp_path: Path) -> None:
    file = tmp_path / "notes.csv"
    file.write_text('path,Year,ok,code,who\nsub/a.jpg,1999,TRUE,007,"Ann, B."\n/abs/b.jpg,,false,1e3,\n')
    first: dict[str, Value | None] = {"year": 1999.0, "ok": True, "code": "007", "who": "Ann, B."}
    second: dict[str, Value | None] = {"year": None, "ok": False, "code": 1000.0, "who": None}
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
    assert gallery.snapshot().notes.column_names == []
    assert gallery.annotate({first: {"Year": 1}, gallery.item(first).id: {"who": "Ann"}}) == 1
    assert gallery.snapshot().notes.column_names == ["who", "year"]
