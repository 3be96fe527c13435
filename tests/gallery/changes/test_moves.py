import os
import unicodedata
from pathlib import Path

import pytest

from crossgraph.errors import GalleryError
from crossgraph.gallery.changes.moves import Moves, Spellings, near_paths


@pytest.mark.parametrize(
    ("old", "new", "path", "there"),
    [
        ("/a", "/b", "/a/x/1.jpg", "/b/x/1.jpg"),
        ("/a/", "/b//", "/a/x", "/b/x"),
        ("/a", "/b", "/a", "/b"),
        ("/a/pics", "/b", "/a/pics2/1.jpg", "/a/pics2/1.jpg"),
        ("/a", "/a/sub", "/a/1.jpg", "/a/sub/1.jpg"),
        ("/a", "/a/sub", "/a/sub/1.jpg", "/a/sub/1.jpg"),  # it is there already
        ("/a/sub", "/a", "/a/sub/1.jpg", "/a/1.jpg"),
        ("/", "/mnt", "/a/1.jpg", "/mnt/a/1.jpg"),
        ("/a", "/", "/a/1.jpg", "/1.jpg"),
        ("/A", "/b", "/a/1.jpg", "/a/1.jpg"),
    ],
)
def test_what_lay_in_the_old_place_lies_in_the_new_one(old: str, new: str, path: str, there: str) -> None:
    moves = Moves.of([(old, new)])
    assert moves.place(path) == there
    assert moves.concern(path) == (path != there)


def test_the_innermost_old_place_counts_and_each_path_moves_once() -> None:
    moves = Moves.of([("/a", "/b"), ("/a/x", "/c"), ("/b", "/d")])
    assert [moves.place(path) for path in ("/a/1", "/a/x/1", "/b/1")] == ["/b/1", "/c/1", "/d/1"]


def test_places_may_be_relative_and_begin_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert Moves.of([("pics/../old", "~/new/")]).pairs == ((str(tmp_path / "old"), "/home/somebody/new"),)


def test_an_old_place_is_also_what_links_to_it_lead_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    moves = Moves.of([(tmp_path / "link" / "run", "/b")])
    assert moves.place(str(tmp_path / "real" / "run" / "x")) == "/b/x"
    left_behind = Moves.of([(tmp_path / "link", "/b")])  # a link that was left where the folder was
    assert not left_behind.concern(str(tmp_path / "real" / "x"))


@pytest.mark.parametrize(
    ("pairs", "message"),
    [([("/a", "/a/")], "both the old and the new place"), ([("/a", "/b"), ("/a/", "/c")], "has two new places")],
)
def test_moves_that_say_nothing_or_two_things_are_refused(pairs: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(GalleryError, match=message):
        Moves.of(pairs)


def test_a_name_is_found_in_another_case_and_with_accents_composed_otherwise(tmp_path: Path) -> None:
    folder = tmp_path / unicodedata.normalize("NFD", "Urlaub é")
    folder.mkdir()
    (folder / "IMG.JPG").touch()
    wanted = str(tmp_path / unicodedata.normalize("NFC", "urlaub é") / "img.jpg")
    assert Spellings().find(wanted) == str(folder / "IMG.JPG")
    (folder / "Img.jpg").touch()  # now there are two
    assert Spellings().find(wanted) is None
    assert Spellings().find(str(tmp_path / "other" / "img.jpg")) is None


def test_a_mistyped_place_is_answered_by_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "Photos").mkdir()
    assert near_paths(str(tmp_path / "photos"), []) == f" Did you mean {tmp_path / 'Photos'}?"
    assert near_paths("/gone/pictures", ["/gone/pitcures"]) == " Did you mean /gone/pitcures?"
    assert near_paths(os.devnull + "/x", []) == ""
