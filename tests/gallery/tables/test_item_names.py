"""Pictures found by names that are written otherwise; where two fit or none does, that is said."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from crossgraph.errors import GalleryError
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.query import Feedback, ItemQuery
from crossgraph.gallery.tables.item_names import NamedRow, UnknownName, find_items, find_row, find_rows
from crossgraph.gallery.tables.snapshot import Snapshot
from tests.gallery.fake_model import FakeModel, draw_images

NAMES = ("beach day.jpg", "Beach.JPG", "sub/dog.png", "other/dog.png", "Café.png", "Straße 1.png", "IMG_0001.jpeg")


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    folder = draw_images(tmp_path_factory.mktemp("photos") / "photos", len(NAMES))
    for number, name in enumerate(NAMES):
        place = folder / unicodedata.normalize("NFD", name)
        place.parent.mkdir(exist_ok=True)
        (folder / f"{number:03}.png").rename(place)
    made = Gallery.create(folder.parent / "gallery", FakeModel("a", fine=False))
    made.index(folder)
    return made


@pytest.fixture(scope="module")
def snapshot(gallery: Gallery) -> Snapshot:
    return gallery.snapshot()


def called(snapshot: Snapshot, row: int) -> str:
    """The end of a picture's path, composed."""
    path = unicodedata.normalize("NFC", str(snapshot.item(row).path))
    return next(name for name in NAMES if path.endswith(f"/{name}"))


@pytest.mark.parametrize("name", ["beach day.jpg", "Beach.JPG", "sub/dog.png", "photos/other/dog.png"])
def test_a_name_as_it_is_written_is_no_guess(snapshot: Snapshot, name: str) -> None:
    (found,) = find_items(snapshot, [name])
    assert isinstance(found, NamedRow)
    assert found.guess is None
    assert str(snapshot.item(found.row).path).endswith(name)
    assert find_items(snapshot, [str(snapshot.item(found.row).path)]) == [
        NamedRow(str(snapshot.item(found.row).path), found.row)
    ]


@pytest.mark.parametrize(
    ("name", "meant", "why"),
    [
        ("beach.jpg", "Beach.JPG", "case"),
        ("beach%20day.jpg", "beach day.jpg", "URL escapes"),
        ("sub\\dog.png", "sub/dog.png", "slashes"),
        ("Café.png", "Café.png", "letters"),
        ("CAFÉ.PNG", "Café.png", "case"),
        ("img_0001", "IMG_0001.jpeg", "ending"),
    ],
)
def test_a_name_written_otherwise_is_taken_for_what_is_there_and_that_is_said(
    snapshot: Snapshot, name: str, meant: str, why: str
) -> None:
    (found,) = find_items(snapshot, [name])
    assert isinstance(found, NamedRow)
    assert called(snapshot, found.row) == meant
    assert found.guess is not None
    assert found.guess.startswith(f"{name!r} was taken for {snapshot.item(found.row).path}")
    assert why in found.guess
    assert find_row(snapshot, name) == find_rows(snapshot, [name, name])[1] == found.row


def test_where_two_fit_both_are_named_and_where_none_does_the_nearest(snapshot: Snapshot) -> None:
    two, none, nothing = find_items(snapshot, ["DOG.png", "beach dya.jpg", "xyz 9"])
    assert isinstance(two, UnknownName)
    assert "fits several pictures" in two.reason
    assert "sub/dog.png" in two.reason
    assert "other/dog.png" in two.reason
    assert isinstance(none, UnknownName)
    assert "Did you mean" in none.reason
    assert "beach day.jpg" in none.reason
    assert isinstance(nothing, UnknownName)
    assert nothing.reason.endswith("Index it first.")
    with pytest.raises(GalleryError, match="Did you mean"):
        find_row(snapshot, "beach dya.jpg")


def test_a_path_that_lies_elsewhere_is_not_taken_for_one_of_the_same_name(snapshot: Snapshot) -> None:
    row = next(row for row, path in enumerate(snapshot.items["path"].to_pylist()) if path.endswith("/Beach.JPG"))
    away, here = find_items(snapshot, ["/elsewhere/Beach.JPG", str(snapshot.item(row).path).upper()])
    assert isinstance(away, UnknownName)
    assert isinstance(here, NamedRow)
    assert here.row == row


def test_many_names_are_found_as_one_after_the_other(snapshot: Snapshot) -> None:
    names = [*NAMES, *(name.upper() for name in NAMES), "nothing", str(snapshot.item(0).path), snapshot.item(1).id]
    assert find_items(snapshot, names) == [find_items(snapshot, [name])[0] for name in names]
    assert find_items(snapshot, []) == []


def test_a_search_says_which_pictures_its_names_were_taken_for(gallery: Gallery) -> None:
    found = gallery.search(ItemQuery("beach.jpg"), feedback=Feedback(liked=("IMG_0001",)))
    assert [note.partition(" was")[0] for note in found.notes] == ["'beach.jpg'", "'IMG_0001'"]
    assert gallery.search(ItemQuery("Beach.JPG")).notes == ()


def test_a_file_name_in_decomposed_letters_is_an_exact_hit(gallery: Gallery) -> None:
    for asked in ("café", unicodedata.normalize("NFD", "CAFÉ")):
        best = gallery.search(asked).results[0]
        assert best.match == "file name"
        assert unicodedata.normalize("NFC", Path(best.path).name) == "Café.png"
