from pathlib import Path

import pytest

from crossgraph.errors import ConfigError, GalleryError
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.examples import example_queries
from crossgraph.gallery.search.listing import ORDERS, Listing
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.tables.snapshot import Snapshot
from tests.gallery.fake_model import FakeModel, draw_images
from tests.gallery.search.test_facets import made_snapshot


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return made_snapshot(tmp_path_factory.mktemp("listing") / "gallery")


def slowly(snapshot: Snapshot, order: str) -> list[Item]:
    items = [snapshot.item(row) for row in range(len(snapshot.items))]
    items.sort(key=lambda item: str(item.path))
    if order == "name":
        return sorted(items, key=lambda item: item.path.name.lower())
    dated = [item for item in items if item.taken or item.modified]
    dated.sort(key=lambda item: item.taken or item.modified, reverse=order == "newest")
    return dated + [item for item in items if not (item.taken or item.modified)]


@pytest.mark.parametrize("order", ORDERS)
def test_pages_end_to_end_are_all_pictures_in_order(snapshot: Snapshot, order: str) -> None:
    listing, found = Listing(snapshot), []  # type: ignore[var-annotated]
    for offset in range(0, 140, 35):
        page = listing.page(order=order, offset=offset, limit=35)
        assert (page.total, page.offset) == (120, offset)
        found += page.items
    assert found == slowly(snapshot, order)


def test_a_filter_keeps_the_order(snapshot: Snapshot) -> None:
    page = Listing(snapshot).page(where="label = 'Sea'", order="name", limit=1000)
    assert list(page.items) == [item for item in slowly(snapshot, "name") if "Sea" in item.labels]
    assert page.total == len(page.items)


def test_what_cannot_be_listed_is_refused(snapshot: Snapshot) -> None:
    with pytest.raises(ConfigError, match="unknown order 'size'"):
        Listing(snapshot).page(order="size")
    with pytest.raises(ConfigError, match="at least 0, got -1 and 60"):
        Listing(snapshot).page(offset=-1)
    with pytest.raises(GalleryError, match="unknown column"):
        Listing(snapshot).page(where="colour = 'red'")


def test_items_come_as_asked_for_and_those_that_are_gone_are_left_out(tmp_path: Path, dense: FakeModel) -> None:
    gallery = Gallery.create(tmp_path / "gallery", dense)
    gallery.index(draw_images(tmp_path / "pictures", 5))
    first, last = gallery.item("000.png"), gallery.item("004.png")
    assert list(gallery.items([last.id, "gone", first.id, last.id]).items()) == [(last.id, last), (first.id, first)]
    assert gallery.items([]) == {}


def test_answers_say_how_large_they_are_and_which_pictures_are_folded_under_them(
    tmp_path: Path, dense: FakeModel
) -> None:
    pictures = draw_images(tmp_path / "pictures", 4)
    (pictures / "copy.png").write_bytes((pictures / "000.png").read_bytes())
    gallery = Gallery.create(tmp_path / "gallery", dense)
    gallery.index(pictures)
    found = gallery.search("anything", SearchOptions(fold=True, k=10))
    (head,) = (one for one in found.results if one.similar)
    assert (head.width, head.height) == (24, 18)
    assert [gallery.item(one).path for one in head.similar_ids] == list(head.similar)
    assert {head.path.name, *(path.name for path in head.similar)} == {"000.png", "copy.png"}
    assert all(row["similar_ids"] is not None for row in found.to_json()["results"])  # type: ignore[attr-defined]


def test_examples_are_of_the_gallery_and_the_same_for_a_day(
    tmp_path: Path, dense: FakeModel, captioned: Path, snapshot: Snapshot
) -> None:
    gallery = Gallery.create(tmp_path / "gallery", dense)
    gallery.index(captioned)
    texts = gallery.snapshot().captions["text"].to_pylist()
    found = example_queries(gallery.snapshot(), seed="2024-05-01")
    assert len(set(found)) == 3
    assert set(found) <= set(texts)
    assert found == example_queries(gallery.snapshot(), seed="2024-05-01")
    assert len({example_queries(gallery.snapshot(), seed=str(day)) for day in range(20)}) > 5
    labels = example_queries(snapshot, seed="a", count=20)
    assert {label.casefold() for label in labels} == {"sea", "pier", "o'neill", "100%"}


def test_an_empty_gallery_has_no_examples(tmp_path: Path, dense: FakeModel) -> None:
    empty = Gallery.create(tmp_path / "gallery", dense).snapshot()
    assert example_queries(empty, seed="a") == ()
    assert Listing(empty).page().items == ()
