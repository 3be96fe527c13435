from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from crossgraph.errors import GalleryError
from crossgraph.gallery import picture_map as maps
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.picture_map import (
    OTHER,
    PictureMap,
    compute_map,
    kept_map,
    map_file,
    picture_map,
)
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.upkeep.health import optimize
from tests.gallery.fake_model import WIDTH, FakeModel, draw_images

BLANK = Item("", Path(), "", 10, 10, ())
KINDS = ("Sea", "Forest", "Town")


def vectors(count: int) -> np.ndarray:
    """Three kinds of pictures, one after the other, each near one axis."""
    noise = np.random.default_rng(0).standard_normal((count, WIDTH), np.float32) * np.float32(0.1)
    found: np.ndarray = noise + np.eye(3, WIDTH, dtype=np.float32)[np.arange(count) % 3]
    return found


def add(gallery: Gallery, start: int, stop: int, *, labels: bool = True) -> None:
    items = [
        replace(
            BLANK,
            id=f"i{row:04}",
            path=Path(f"/p/{KINDS[row % 3]}/x{row}.jpg"),
            digest=f"{row:032x}",
            labels=("Photo", KINDS[row % 3]) if labels else (),
            captions=(f"a photo of the {KINDS[row % 3].lower()} with something",),
        )
        for row in range(start, stop)
    ]
    gallery.store.write_items(items, vectors(stop)[start:])


@pytest.fixture
def gallery(tmp_path: Path, dense: FakeModel) -> Gallery:
    made = Gallery.create(tmp_path / "gallery", dense)
    add(made, 0, 240)
    return made


def kinds_apart(found: PictureMap) -> float:
    """The share of pictures whose nearest other on the map is of their kind."""
    points = np.stack([found.x, found.y], 1)
    apart = np.square(points[:, None] - points).sum(2)
    np.fill_diagonal(apart, np.inf)
    kinds = np.array([int(one[1:]) % 3 for one in found.ids])
    return float((kinds[apart.argmin(1)] == kinds).mean())


def test_what_is_alike_lies_together_within_the_square(gallery: Gallery) -> None:
    found = picture_map(gallery.current())
    assert found.ids == tuple(f"i{row:04}" for row in range(240))
    assert (found.method, found.old) == ("t-SNE", False)
    for axis in (found.x, found.y):
        assert 0 <= axis.min() <= axis.max() <= 1
    assert max(found.x.max() - found.x.min(), found.y.max() - found.y.min()) == pytest.approx(1, abs=1e-5)
    assert kinds_apart(found) > 0.98


def test_it_is_computed_once_and_the_same_each_time(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    first = picture_map(gallery.current())
    again = compute_map(gallery.current())
    assert np.array_equal(first.x, again.x)
    assert np.array_equal(first.y, again.y)
    monkeypatch.setattr(maps, "_plane", None)
    kept = picture_map(Gallery.open(gallery.folder).current())
    assert np.array_equal(first.x, kept.x)
    assert kept.clusters == first.clusters


def test_new_pictures_find_their_place_and_the_others_keep_theirs(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = picture_map(gallery.current())
    monkeypatch.setattr(maps, "_plane", None)
    add(gallery, 240, 264)
    gallery.store.remove_items(["i0000", "i0001"])
    found = picture_map(gallery.current())
    assert len(found.ids) == 262
    assert not found.old
    assert np.array_equal(found.x[:238], before.x[2:])
    assert kinds_apart(found) > 0.98


def test_after_many_changes_it_is_old_and_computed_again(gallery: Gallery) -> None:
    before = picture_map(gallery.current())
    add(gallery, 240, 300)
    kept = kept_map(gallery.current())
    assert kept.old
    assert np.array_equal(kept.x[:240], before.x)
    found = picture_map(gallery.current())
    assert not found.old
    assert not kept_map(gallery.current()).old


def test_a_picture_whose_content_changed_is_new(gallery: Gallery) -> None:
    before = picture_map(gallery.current())
    moved = replace(gallery.item("i0000"), digest="f" * 32)
    gallery.store.write_items([moved], vectors(2)[1:])
    found = picture_map(gallery.current())
    towns = [int(one[1:]) % 3 == 1 for one in found.ids]
    middle = before.x[towns].mean(), before.y[towns].mean()
    assert np.hypot(found.x[0] - middle[0], found.y[0] - middle[1]) < 0.2
    assert np.hypot(before.x[0] - middle[0], before.y[0] - middle[1]) > 0.2


def test_more_pictures_than_landmarks_lie_among_them(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "LANDMARKS", 60)
    monkeypatch.setattr(maps, "BLOCK", 7)
    assert kinds_apart(compute_map(gallery.current())) > 0.98


def test_colours_and_names_are_those_of_labels(gallery: Gallery) -> None:
    found = picture_map(gallery.current())
    named = Counter((int(one[1:]) % 3, found.groups[place]) for one, place in zip(found.ids, found.group, strict=True))
    assert named == {(kind, KINDS[kind]): 80 for kind in range(3)}, "not Photo, which all have"
    assert {cluster.name for cluster in found.clusters} <= set(KINDS)
    assert len(found.clusters) >= 2


def test_labels_that_came_or_went_name_a_kept_map_anew(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    before = picture_map(gallery.current())
    assert {one.name for one in before.clusters} == set(KINDS)
    monkeypatch.setattr(maps, "_plane", None)
    add(gallery, 0, 240, labels=False)
    found = picture_map(gallery.current())
    assert np.array_equal(found.x, before.x)
    assert {one.name for one in found.clusters} == {"sea", "forest", "town"}
    assert set(found.groups) == set(KINDS)  # the folders


def test_a_label_that_names_no_picture_is_no_group(gallery: Gallery) -> None:
    rare = [replace(one, labels=("Photo", "Sea", "Bay")) for one in gallery.snapshot().items_at([0, 3])]
    gallery.store.write_items(rare, vectors(4)[[0, 3]])
    found = compute_map(gallery.current())
    assert "Bay" not in found.groups
    assert sorted(set(found.group.tolist())) == list(range(len(found.groups)))


def test_without_labels_colours_are_folders_and_names_words(tmp_path: Path, dense: FakeModel) -> None:
    gallery = Gallery.create(tmp_path / "gallery", dense)
    add(gallery, 0, 240, labels=False)
    found = picture_map(gallery.current())
    assert sorted(found.groups) == sorted(KINDS)
    assert {cluster.name for cluster in found.clusters} <= {kind.lower() for kind in KINDS}


def test_rare_labels_are_other(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "GROUPS", 2)
    found = compute_map(gallery.current())
    assert found.groups[0] in KINDS
    gallery.store.write_items([replace(gallery.item("i0000"), labels=("Rare",))], vectors(1))
    found = compute_map(gallery.current())
    assert found.groups[found.group[0]] == OTHER


@pytest.mark.parametrize("count", [0, 1, 2, 5, 40])
def test_small_galleries_have_a_map_too(tmp_path: Path, dense: FakeModel, count: int) -> None:
    gallery = Gallery.create(tmp_path / "gallery", dense)
    if count:
        add(gallery, 0, count)
    found = picture_map(gallery.current())
    assert len(found.ids) == len(found.x) == len(found.group) == count
    assert np.isfinite(found.x).all()
    assert len(picture_map(gallery.current()).ids) == count


def test_equal_pictures_are_no_difficulty(tmp_path: Path, dense: FakeModel) -> None:
    gallery = Gallery.create(tmp_path / "gallery", dense)
    items = [replace(BLANK, id=f"i{row}", path=Path(f"/p/{row}"), digest=f"{row:032x}") for row in range(50)]
    gallery.store.write_items(items, np.ones((50, WIDTH), np.float32))
    found = picture_map(gallery.current())
    assert np.isfinite(found.x).all()


@pytest.mark.parametrize("content", [b"", b"PAR1 damaged", None])
def test_a_damaged_file_is_computed_again_and_a_folder_that_cannot_be_written_to_does_no_harm(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    if content is None:

        def refused(*_: object, **__: object) -> None:
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr(maps, "write_atomically", refused)
    else:
        map_file(gallery.folder, gallery.manifest).write_bytes(content)
    assert kept_map(gallery.current()) is None
    assert len(picture_map(gallery.current()).ids) == 240


def test_what_is_inside_a_line_is_found_by_id(gallery: Gallery) -> None:
    found = picture_map(gallery.current())
    square = [(0.2, 0.1), (0.7, 0.1), (0.7, 0.6), (0.2, 0.6)]
    wanted = [one for one, x, y in zip(found.ids, found.x, found.y, strict=True) if 0.2 <= x < 0.7 and 0.1 <= y < 0.6]
    assert list(found.inside(square)) == wanted
    assert list(found.inside(square[::-1])) == wanted
    assert found.inside([(0.0, 0.0), (1.0, 1.0), (0.0, 0.0)]) == ()
    with pytest.raises(GalleryError, match="at least 3 points"):
        found.inside(square[:2])


def test_optimize_keeps_the_map_of_this_model_alone(tmp_path: Path, dense: FakeModel) -> None:
    gallery = Gallery.create(tmp_path / "gallery", dense)
    gallery.index(draw_images(tmp_path / "pictures", 5))
    picture_map(gallery.current())
    own, other = map_file(gallery.folder, gallery.manifest), gallery.folder / "map-0123.parquet"
    other.write_bytes(own.read_bytes())
    optimize(gallery, keep=timedelta(0))
    assert own.exists()
    assert not other.exists()
