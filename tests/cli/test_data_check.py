"""What `crossgraph data check` prints of a caption file: how it was understood, and what was left out."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import call
from tests.data.drawn_sets import put_lines, put_photos


def put_odd_table(folder: Path) -> Path:
    """A table in Windows-1252 with a row cut short, a missing picture and another spelling; and an unused text."""
    put_photos(folder, "images/a.jpg", "images/B.JPG")
    rows = ("Image;Caption", "images\\a.jpg;the café’s dog", "short", "images/b.jpg;two", "gone.jpg;three")
    (folder / "captions.csv").write_bytes("\n".join(rows).encode("cp1252"))
    put_lines(folder / "more.txt", "of what?")
    return folder


def test_what_was_understood_and_what_was_not_is_printed(tmp_path: Path) -> None:
    result = call("data", "check", put_odd_table(tmp_path))
    said = " ".join(result.stdout.split())
    for fact in (
        "read as csv",
        "image from Image caption from Caption",
        "separator semicolon",
        "encoding windows-1252 (a guess)",
        "splits from none",
        "rows 4, of which 2 were read",
        "names guessed 2",
    ):
        assert fact in said
    told = " ".join(result.stderr.split())
    assert "2 rows of caption files were skipped:" in told
    assert "captions.csv, line 3: 1 fields in the place of 2: short" in told
    assert "captions.csv, line 5: 'gone.jpg': no such file" in told
    assert "1 files were not used: looks like captions, and is not used:" in told
    assert "more.txt" in told


def test_json_has_the_same(tmp_path: Path) -> None:
    answer = json.loads(call("data", "check", put_odd_table(tmp_path), "--json").stdout)
    understood = answer["understood"]
    assert understood["columns"] == {"image": "Image", "caption": "Caption"}
    assert [(written, found) for written, found, _ in understood["guesses"]] == [
        ("images\\a.jpg", "images/a.jpg"),
        ("images/b.jpg", "images/B.JPG"),
    ]
    assert [one["where"] for one in answer["skipped_rows"]] == ["line 3", "line 5"]
    assert [Path(one["path"]).name for one in answer["unused"]] == ["more.txt"]


def test_of_very_many_rows_the_first_are_printed_and_the_rest_counted(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg")
    put_lines(tmp_path / "captions.csv", "image,caption", "a.jpg,one", *("short" for _ in range(300)))
    result = call("data", "check", tmp_path)
    told = result.stderr
    assert result.exit_code == 1
    assert "300 rows of caption files were skipped:" in told
    assert "line 3: " in told
    assert "line 301: " not in told
    assert "more (--json lists all)" in told


def test_equal_files_in_different_splits_are_named_with_their_splits(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg", "b.jpg")
    for name, of in (("same.jpg", "a.jpg"), ("other.jpg", "b.jpg")):
        (tmp_path / name).write_bytes((tmp_path / of).read_bytes())
    table = "image,caption,split\na.jpg,one,train\nsame.jpg,two,val\nb.jpg,three,train\nother.jpg,four,train\n"
    (tmp_path / "captions.csv").write_text(table, encoding="utf-8")
    result = call("data", "check", tmp_path)
    said = " ".join(result.stdout.split())
    assert "groups of equal files 2, 1 of them in more than one split: a leak" in said
    assert "equal files in different splits, a leak: a.jpg (train), same.jpg (val)" in said
    assert "equal files: b.jpg, other.jpg" in said


def test_blank_captions_that_were_left_out_are_counted(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg")
    put_lines(tmp_path / "captions.csv", "image,caption", "a.jpg,one", "a.jpg,\N{ZERO WIDTH SPACE}", "a.jpg, ")
    said = " ".join(call("data", "check", tmp_path).stdout.split())
    assert "blank captions 2, left out" in said
    assert "captions 1 (1 to 1 a picture" in said
