from pathlib import Path

import pytest

from crossgraph.errors import GalleryError
from crossgraph.gallery.changes.upsert import NewImage
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.upkeep.health import verify
from tests.gallery.fake_model import FakeModel, draw_images


@pytest.fixture
def gallery(tmp_path: Path, model: FakeModel) -> Gallery:
    return Gallery.create(tmp_path / "gallery", model)


def test_a_picture_is_added_and_replaced_by_its_id(gallery: Gallery, images: Path) -> None:
    report = gallery.upsert([NewImage(images / "000.png", ("a red thing",), ("Thing",), id="my:1")])
    assert (report.added, report.updated) == (1, 0)
    report = gallery.upsert([NewImage(images / "001.png", ("a blue thing",), id="my:1")])
    assert (report.added, report.updated) == (0, 1)
    item = gallery.item("my:1")
    assert (item.path, item.captions, item.labels) == (images / "001.png", ("a blue thing",), ())
    assert (len(gallery), len(gallery.snapshot().captions)) == (1, 1)
    assert gallery.store.tables["parts"].count_rows() == 2
    assert verify(gallery).problems == ()


def test_without_an_id_the_path_decides(gallery: Gallery, model: FakeModel, images: Path) -> None:
    gallery.upsert([NewImage(images / "000.png", ("one",))])
    model.encoded_paths.clear()
    assert gallery.upsert([NewImage(images / "000.png", ("two",))]).updated == 1
    assert gallery.upsert([NewImage(images / "000.png", ("two",))]).unchanged == 1
    assert model.encoded_paths == []  # its features are there
    assert gallery.item(images / "000.png").captions == ("two",)


def test_a_sync_keeps_what_was_said_by_hand(gallery: Gallery, images: Path) -> None:
    gallery.upsert([NewImage(images / "000.png", ("by hand",), ("Mine",), id="mine")])
    assert gallery.sync([images]).added == 11
    assert gallery.item("mine").captions == ("by hand",)
    (images / "000.png").write_bytes((draw_images(images.parent / "new", 1, seed=3) / "000.png").read_bytes())
    assert gallery.sync().updated == 1
    assert (gallery.item("mine").captions, gallery.item("mine").labels) == (("by hand",), ("Mine",))


def test_a_picture_that_was_removed_has_its_notes_again_and_no_other_has_them(gallery: Gallery, images: Path) -> None:
    one, two, three = (images / f"00{number}.png" for number in range(3))
    gallery.upsert([NewImage(one), NewImage(two), NewImage(three, id="mine")])
    gallery.annotate({one: {"stars": 1}, two: {"stars": 2}, three: {"stars": 3}})
    removed = gallery.remove([one, two, three])
    one.rename(images / "elsewhere.png")
    two.write_bytes((draw_images(images.parent / "new", 1, seed=3) / "000.png").read_bytes())
    gallery.upsert([NewImage(images / "elsewhere.png"), NewImage(two), NewImage(images / "003.png", id="mine")])
    assert gallery.item(images / "elsewhere.png").id == removed[0].id
    assert gallery.item(two).id != removed[1].id
    assert gallery.snapshot().notes.to_pydict().keys() == {"stars"}
    assert [value for value in gallery.snapshot().notes["stars"].to_pylist() if value is not None] == [1]
    assert [one.id for one in gallery.store.notes.departed()] == [removed[1].id]
    assert verify(gallery).problems == ()


def test_unreadable_pictures_are_reported_and_the_others_stored(gallery: Gallery, images: Path) -> None:
    report = gallery.upsert([NewImage(images / "000.png"), NewImage(images / "nothing.png")])
    assert report.added == 1
    assert [(entry.path.name, entry.reason) for entry in report.skipped] == [("nothing.png", "no such file")]


def test_ids_that_clash_or_cannot_be_ids_are_refused_before_anything_is_stored(gallery: Gallery, images: Path) -> None:
    one, two = images / "000.png", images / "001.png"
    for wrong, message in (
        ([NewImage(one, id="x' OR '1'='1")], "cannot be an id"),
        ([NewImage(one, id="a"), NewImage(two, id="a")], "have the id a"),
        ([NewImage(one), NewImage(one)], "added twice"),
    ):
        with pytest.raises(GalleryError, match=message):
            gallery.upsert(wrong)
    assert len(gallery) == 0
    gallery.upsert([NewImage(one, id="a")])
    with pytest.raises(GalleryError, match="with the id a"):
        gallery.upsert([NewImage(one, id="b")])
