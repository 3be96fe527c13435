"""An open gallery in whose place another is put: a copy that was kept, or one that was begun again."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from crossgraph.gallery.changes.upsert import NewImage
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from tests.gallery.fake_model import coded_model, draw_images


def found(gallery: Gallery) -> list[Path]:
    """What searches find, re-ranked, with all that they read."""
    return [one.path for one in gallery.search("a thing", SearchOptions(k=50, fold=True)).results]


def begun_again(place: Path, pictures: Path) -> None:
    shutil.rmtree(place)
    Gallery.create(place, coded_model()).index(pictures)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return draw_images(tmp_path / "pictures", 12)


@pytest.fixture
def opened(tmp_path: Path, pictures: Path) -> Gallery:
    made = Gallery.create(tmp_path / "gallery", coded_model())
    made.index(pictures)
    found(made)
    return made


def test_a_copy_that_was_kept_is_put_back(opened: Gallery, tmp_path: Path, pictures: Path) -> None:
    before, place = found(opened), opened.folder
    shutil.copytree(place, tmp_path / "kept")
    opened.annotate({before[0]: {"stars": 5}})
    opened.upsert([NewImage(draw_images(tmp_path / "more", 1, seed=9) / "000.png")])
    assert len(found(opened)) == 13
    shutil.rmtree(place)
    shutil.copytree(tmp_path / "kept", place)
    assert found(opened) == before
    assert opened.item(before[0]).path == before[0]
    assert not opened.snapshot().notes.column_names
    opened.annotate({before[1]: {"stars": 4}})
    assert found(opened) == found(Gallery.open(place, coded_model())) == before


@pytest.mark.parametrize("other", [3, 12, 30])
def test_a_gallery_that_was_begun_again_is_read(opened: Gallery, tmp_path: Path, other: int) -> None:
    begun_again(opened.folder, draw_images(tmp_path / "others", other, seed=7))
    assert set(found(opened)) == set((tmp_path / "others").glob("*.png"))
    assert found(opened) == found(Gallery.open(opened.folder, coded_model()))


def test_a_gallery_begun_again_with_the_same_folder_is_read(opened: Gallery, pictures: Path) -> None:
    kept = sorted(pictures.glob("*.png"))
    shutil.copyfile(kept[0], kept[1])
    for path in kept[2:6]:
        path.unlink()
    begun_again(opened.folder, pictures)
    assert set(found(opened)) <= {path for path in kept if path.exists()}
    assert opened.snapshot().items.equals(Gallery.open(opened.folder, coded_model()).snapshot().items)


def test_the_tables_of_a_copy_put_back_without_its_manifest(opened: Gallery, tmp_path: Path, pictures: Path) -> None:
    before, place = found(opened), opened.folder
    shutil.copytree(place, tmp_path / "kept")
    opened.remove([before[0]])
    assert before[0] not in found(opened)
    for name in ("items.lance", "captions.lance", "parts.lance"):
        shutil.rmtree(place / name)
        shutil.copytree(tmp_path / "kept" / name, place / name)
    assert found(opened) == before


def test_a_manifest_is_not_replaced_by_an_equal_one(opened: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """By which a copy that was put back is told; else every sync would have open galleries read all anew."""
    written = (opened.folder / "gallery.json").stat().st_ino
    opened.replace_manifest(opened.manifest)
    assert (opened.folder / "gallery.json").stat().st_ino == written


def test_what_another_process_notes_in_the_manifest_has_nothing_read_anew(
    opened: Gallery, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from crossgraph.gallery.search.state import State

    other = Gallery.open(opened.folder, coded_model())
    never: Callable[..., State] = lambda *_, **__: pytest.fail("all was read anew")  # noqa: E731
    monkeypatch.setattr(State, "read", never)
    before, tables = found(opened), opened.store
    other.replace_manifest(other.manifest.model_copy(update={"sources": (str(tmp_path),)}))
    assert found(opened) == before
    assert opened.manifest.sources == (str(tmp_path),)
    assert opened.store is not tables
