"""What a change of few pictures reads and writes does not grow with the gallery, and a sync asks each file once."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lance as pylance
import pyarrow as pa
import pytest
from lance.dataset import LanceScanner, MergeInsertBuilder

from crossgraph.data.places import state_of
from crossgraph.gallery.changes import indexing
from crossgraph.gallery.changes.upsert import NewImage
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.tables import key_files, lance
from crossgraph.gallery.tables.memory_index import MemoryIndex
from crossgraph.gallery.upkeep.health import verify
from tests.gallery.fake_model import FakeModel, draw_images

MANY = 60


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = draw_images(tmp_path / "photos", MANY)
    for path in folder.iterdir():
        path.with_suffix(".txt").write_text(f"picture {path.stem}\n", encoding="utf-8")
        os.utime(path, (1e9, 1e9))
    return folder


@pytest.fixture
def gallery(tmp_path: Path, model: FakeModel, photos: Path, monkeypatch: pytest.MonkeyPatch) -> Gallery:
    monkeypatch.setattr(key_files, "NOTED_FROM", 10)
    made = Gallery.create(tmp_path / "gallery", model)
    made.sync([photos])
    return made


@pytest.fixture
def rows_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each read of a table gave."""
    to_table, to_batches, found = LanceScanner.to_table, LanceScanner.to_batches, list[int]()

    def noted(self: LanceScanner) -> pa.Table:
        rows = to_table(self)
        found.append(len(rows))
        return rows

    def noted_batches(self: LanceScanner) -> Iterator[pa.RecordBatch]:
        for batch in to_batches(self):
            found.append(len(batch))
            yield batch

    def never(*_: object, **__: object) -> Iterator[None]:
        raise AssertionError("the whole gallery was read into memory")

    monkeypatch.setattr(LanceScanner, "to_table", noted)
    monkeypatch.setattr(LanceScanner, "to_batches", noted_batches)
    monkeypatch.setattr(MergeInsertBuilder, "execute", never)
    monkeypatch.setattr(MemoryIndex, "read", never)
    return found


def test_an_upsert_reads_the_pictures_it_names(
    gallery: Gallery, model: FakeModel, tmp_path: Path, rows_read: list[int]
) -> None:
    new = sorted(draw_images(tmp_path / "new", 3, seed=5).iterdir())
    report = Gallery.open(gallery.folder, model).upsert([NewImage(path, (f"new {path.stem}",)) for path in new])
    assert report.added == 3
    assert max(rows_read) == 3  # the small file of what was added
    rows_read.clear()
    report = Gallery.open(gallery.folder, model).upsert([NewImage(path, ("otherwise",)) for path in new[:2]])
    assert report.updated == 2
    assert 2 <= max(rows_read) <= 3  # or the small file they lie in


def test_annotating_and_removing_read_the_pictures_that_are_named(
    gallery: Gallery, model: FakeModel, photos: Path, rows_read: list[int]
) -> None:
    reopened = Gallery.open(gallery.folder, model)
    assert reopened.annotate({photos / "001.png": {"year": 1999}, photos / "002.png": {"year": 2000}}) == 2
    assert [item.path.name for item in reopened.remove([photos / "003.png", photos / "001.png"])] == [
        "003.png",
        "001.png",
    ]
    assert max(rows_read) == 4  # features of two pictures and of their captions


def test_what_was_changed_by_key_is_what_a_sync_finds(gallery: Gallery, model: FakeModel, photos: Path) -> None:
    gallery.annotate({photos / "001.png": {"year": 1999}})
    gallery.remove([photos / "003.png"])
    assert gallery.sync().unchanged == MANY - 1
    assert gallery.snapshot().notes["year"].to_pylist().count(1999.0) == 1
    assert len(gallery.snapshot().captions) == MANY - 1
    assert gallery.store.tables["parts"].count_rows() == 2 * (MANY - 1)
    assert verify(gallery).problems == ()


def test_a_sync_asks_every_file_once(gallery: Gallery, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Counter[str]()

    def counted(path: Path) -> Any:
        asked[str(path)] += 1
        return state_of(path)

    monkeypatch.setattr(indexing, "state_of", counted)
    assert gallery.sync().unchanged == MANY
    assert asked == {str(path): 1 for path in photos.glob("*.png")}


def test_new_pictures_are_stored_without_a_look_at_the_others(
    gallery: Gallery, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_for, found = list[str](), lance.Table._found

    def noted(self: lance.Table, dataset: pylance.LanceDataset, column: str, keys: Any, *columns: Any) -> pa.Table:
        looked_for.extend([column] if list(keys) else [])
        return found(self, dataset, column, keys, *columns)

    for number, path in enumerate(sorted(draw_images(tmp_path / "new", 4, seed=5).iterdir())):
        path.rename(photos / f"new {number}.png")
        (photos / f"new {number}.txt").write_text(f"new {number}\n", encoding="utf-8")
    monkeypatch.setattr(lance.Table, "_found", noted)
    assert gallery.sync(batch=2).added == 4
    assert looked_for == ["key"] * 4  # only fine features are compared, by content
    assert verify(gallery).problems == ()


def test_a_long_run_merges_its_files_on_the_way(
    tmp_path: Path, model: FakeModel, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance, "FRAGMENTS", 4)
    monkeypatch.setattr("crossgraph.gallery.changes.sync.FRAGMENTS", 4)
    most, append = [0], pylance.LanceDataset.insert

    def noted(self: pylance.LanceDataset, rows: object, **options: Any) -> None:
        append(self, rows, **options)
        most[0] = max(most[0], len(self.get_fragments()))

    monkeypatch.setattr(pylance.LanceDataset, "insert", noted)
    made = Gallery.create(tmp_path / "other", model)
    assert made.index(photos, batch=2).added == MANY
    assert most[0] <= 16
    assert verify(made).problems == ()
