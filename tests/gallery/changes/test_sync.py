import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossgraph.data.image_reader import ImageReader
from crossgraph.data.images import image_bytes_digest
from crossgraph.errors import GalleryError
from crossgraph.gallery.changes import moved_sources
from crossgraph.gallery.changes.sync import SyncReport
from crossgraph.gallery.changes.upsert import NewImage
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.gallery.tables.skipped import read_skipped
from crossgraph.gallery.tables.store import Store
from crossgraph.gallery.upkeep.health import verify
from tests.gallery.fake_model import FakeModel, draw_images


@pytest.fixture
def gallery(tmp_path: Path, model: FakeModel, images: Path) -> Gallery:
    """A gallery that follows a folder of twelve pictures, all written long ago, one after the other."""
    for number, path in enumerate(sorted(images.iterdir())):
        os.utime(path, (1e9 + number, 1e9 + number))
    made = Gallery.create(tmp_path / "gallery", model)
    assert counts(made.sync([images])) == (12, 0, 0, 0, 0)
    model.encoded_paths.clear()
    return made


def counts(report: SyncReport) -> tuple[int, int, int, int, int]:
    return report.added, report.updated, report.moved, report.removed, report.unchanged


def names(gallery: Gallery) -> list[str]:
    return sorted(Path(path).name for path in gallery.snapshot().items["path"].to_pylist())


def notes(gallery: Gallery, column: str = "stars") -> dict[str, object]:
    """The values of a column by the name of the picture, of those that have one."""
    snapshot = gallery.snapshot()
    if column not in snapshot.notes.column_names:
        return {}
    values = zip(snapshot.items["path"].to_pylist(), snapshot.notes[column].to_pylist(), strict=True)
    return {Path(path).name: value for path, value in values if value is not None}


def test_added_changed_moved_and_deleted_files_are_told_apart(
    gallery: Gallery, model: FakeModel, images: Path, tmp_path: Path
) -> None:
    before, moved_vector = gallery.item(images / "003.png"), vector_of(gallery, images / "003.png")
    shutil.copy(draw_images(tmp_path / "new", 1, seed=3) / "000.png", images / "new.png")
    shutil.copy(draw_images(tmp_path / "other", 1, seed=4) / "000.png", images / "002.png")
    (images / "sub").mkdir()
    (images / "003.png").rename(images / "sub" / "moved.png")
    (images / "004.png").unlink()
    report = gallery.sync()
    assert counts(report) == (1, 1, 1, 1, 9)
    assert [(change.kind, change.path.name) for change in report.changes] == [
        ("change", "002.png"),
        ("add", "new.png"),
        ("move", "moved.png"),
        ("remove", "004.png"),
    ]
    assert sorted(path.name for path in model.encoded_paths) == ["002.png", "new.png"]
    after = gallery.item(images / "sub" / "moved.png")
    assert (after.id, after.digest) == (before.id, before.digest)
    assert np.array_equal(vector_of(gallery, after.path), moved_vector)
    assert verify(gallery).problems == ()
    assert counts(gallery.sync()) == (0, 0, 0, 0, 12)


def vector_of(gallery: Gallery, path: Path) -> np.ndarray:
    snapshot = gallery.snapshot()
    row = snapshot.row_at(str(path))
    assert row is not None
    found: np.ndarray = snapshot.vectors[row]
    return found


def test_a_synced_gallery_equals_one_made_anew(
    gallery: Gallery, model: FakeModel, images: Path, tmp_path: Path
) -> None:
    (images / "005.png").unlink()
    shutil.copy(images / "006.png", images / "copy.png")
    (images / "007.txt").write_text("a caption that came later\n", encoding="utf-8")
    gallery.sync()
    anew = Gallery.create(tmp_path / "anew", model)
    anew.index(images)
    for query in ("a caption that came later", images / "001.png"):
        assert gallery.search(query, SearchOptions(k=12)).results == anew.search(query, SearchOptions(k=12)).results
    for name in ("items", "captions", "parts"):
        assert gallery.store.tables[name].count_rows() == anew.store.tables[name].count_rows()


def test_a_dry_run_says_the_same_and_writes_nothing(gallery: Gallery, images: Path) -> None:
    (images / "001.png").rename(images / "x.png")
    (images / "002.png").unlink()
    (images / "bad.png").write_text("no picture")
    version = gallery.store.version()
    planned = gallery.sync(dry_run=True)
    assert gallery.store.version() == version
    assert read_skipped(gallery.folder) == ()
    done = gallery.sync()
    assert (planned.changes, planned.skipped, counts(planned)) == (done.changes, done.skipped, counts(done))


def test_a_new_picture_where_one_was_moved_away_has_an_id_of_its_own(
    gallery: Gallery, images: Path, tmp_path: Path
) -> None:
    moved = gallery.item(images / "000.png")
    (images / "000.png").rename(images / "z.png")
    shutil.copy(draw_images(tmp_path / "new", 1, seed=3) / "000.png", images / "000.png")
    assert counts(gallery.sync()) == (1, 0, 1, 0, 11)
    assert gallery.item(images / "z.png").id == moved.id
    (images / "z.png").rename(images / "y.png")
    gallery.sync()
    shutil.copy(draw_images(tmp_path / "newer", 1, seed=5) / "000.png", images / "x.png")
    (images / "000.png").rename(images / "z.png")
    (images / "x.png").rename(images / "000.png")
    gallery.sync()
    assert gallery.item(images / "y.png").id == moved.id
    assert len(set(gallery.snapshot().items["id"].to_pylist())) == 14
    assert len(gallery) == 14
    assert verify(gallery).problems == ()


def test_a_copy_takes_features_over_only_while_they_are_those_of_its_content(
    gallery: Gallery, model: FakeModel, images: Path, tmp_path: Path
) -> None:
    shutil.copy(images / "000.png", images / "zz.png")
    shutil.copy(draw_images(tmp_path / "new", 1, seed=3) / "000.png", images / "000.png")
    gallery.sync(batch=1)  # when zz.png is stored, 000.png has other features already
    anew = Gallery.create(tmp_path / "anew", model)
    anew.index(images)
    for name in ("000.png", "zz.png"):
        assert np.array_equal(vector_of(gallery, images / name), vector_of(anew, images / name))


def test_size_and_time_are_trusted_unless_the_file_is_young_or_all_are_read_again(
    gallery: Gallery, model: FakeModel, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def remembered(path: Path) -> str:
        read.append(path)
        return image_bytes_digest(path)

    monkeypatch.setattr(moved_sources, "image_bytes_digest", remembered)
    gallery.sync()
    assert read == []
    os.utime(images / "001.png")  # now: its content may change again within the same tick
    for _ in range(2):
        assert counts(gallery.sync()) == (0, 0, 0, 0, 12)
    assert read == [images / "001.png"] * 2
    assert len(gallery.sync(rehash=True).changes) == 0
    assert len(read) == 14
    assert model.encoded_paths == []


def test_a_folder_that_is_not_there_or_empty_takes_nothing_with_it(gallery: Gallery, images: Path) -> None:
    images.rename(images.with_name("away"))
    with pytest.raises(GalleryError, match=r"is not there, so nothing was changed.*gallery move .*--forget"):
        gallery.sync()
    images.mkdir()
    with pytest.raises(GalleryError, match="holds no pictures any more; 12 of the gallery"):
        gallery.sync()
    assert len(gallery) == 12
    assert gallery.sync(dry_run=True).removed == 12
    assert counts(gallery.sync(allow_empty=True)) == (0, 0, 0, 12, 0)
    assert len(gallery) == 0


def test_several_folders_are_remembered_and_can_be_forgotten(gallery: Gallery, images: Path, tmp_path: Path) -> None:
    other = draw_images(tmp_path / "other", 3, seed=1)
    assert counts(gallery.sync([other])) == (3, 0, 0, 0, 0)
    assert Manifest.read(gallery.folder).sources == (str(images), str(other))
    (other / "001.png").rename(images / "from_other.png")
    assert counts(gallery.sync()) == (0, 0, 1, 0, 14)
    gallery.forget(other)
    shutil.rmtree(other)
    assert counts(gallery.sync()) == (0, 0, 0, 0, 13)
    with pytest.raises(GalleryError, match="unknown folder"):
        gallery.forget(other)


def test_indexing_a_folder_remembers_it_and_removes_nothing(gallery: Gallery, images: Path) -> None:
    (images / "004.png").unlink()
    assert counts(gallery.index(images)) == (0, 0, 0, 0, 11)
    assert len(gallery) == 12
    assert counts(gallery.sync()) == (0, 0, 0, 1, 11)


def test_a_picture_that_cannot_be_read_now_stays_and_is_listed_until_it_can(gallery: Gallery, images: Path) -> None:
    good = (images / "003.png").read_bytes()
    (images / "003.png").write_bytes(good[:50])
    report = gallery.sync()
    assert counts(report) == (0, 0, 0, 0, 11)
    assert [entry.path.name for entry in read_skipped(gallery.folder)] == ["003.png"]
    assert len(gallery) == 12
    (images / "003.png").write_bytes(good)
    gallery.sync()
    assert read_skipped(gallery.folder) == ()


def test_skipped_files_of_one_folder_stay_listed_when_another_is_synced(
    gallery: Gallery, images: Path, tmp_path: Path
) -> None:
    (images / "bad.png").write_text("no picture")
    gallery.sync()
    other = draw_images(tmp_path / "other", 1, seed=1)
    (other / "worse.png").touch()
    gallery.sync([other])
    assert [entry.path.name for entry in read_skipped(gallery.folder)] == ["worse.png", "bad.png"]


def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_run(
    gallery: Gallery, model: FakeModel, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = model.encode_image_files

    def slow(paths: list[Path], *, reader: ImageReader) -> object:
        encoded = encode(paths, reader=reader)
        Image.new("RGB", (5, 5)).save(images / "late.png")
        return encoded

    shutil.copy(images / "000.png", images / "late.png")
    (images / "late.png").write_bytes((images / "late.png").read_bytes() + b"\0")
    monkeypatch.setattr(model, "encode_image_files", slow)
    assert [entry.reason for entry in gallery.sync().skipped] == ["it changed while it was read; the next run takes it"]
    monkeypatch.undo()
    assert counts(gallery.sync()) == (1, 0, 0, 0, 12)


def test_removed_pictures_stay_out_until_they_are_added_by_hand(gallery: Gallery, images: Path) -> None:
    gallery.annotate({images / "002.png": {"stars": 3}, images / "003.png": {"stars": 4}})
    removed = gallery.remove([images / "002.png", gallery.item(images / "003.png").id])
    assert [item.path.name for item in removed] == ["002.png", "003.png"]
    report = gallery.sync()
    assert (counts(report), len(report.skipped)) == ((0, 0, 0, 0, 10), 2)
    with pytest.raises(GalleryError, match="no picture of the gallery"):
        gallery.remove([images / "004.png", "nonsense"])
    assert len(gallery) == 10
    gallery.upsert([NewImage(images / "002.png")])
    assert (len(gallery), len(gallery.sync().skipped)) == (11, 1)
    assert notes(gallery) == {"002.png": 3}


def test_a_removal_that_was_cut_off_is_ended_by_the_next_sync(
    gallery: Gallery, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "remove_items", end)
        with pytest.raises(KeyboardInterrupt):
            gallery.remove([images / "002.png"])
    assert len(gallery) == 12
    assert gallery.sync().removed == 1
    assert len(gallery) == 11


def test_notes_follow_a_moved_picture_and_outlive_one_that_went_and_came_back(gallery: Gallery, images: Path) -> None:
    gallery.annotate({images / "002.png": {"stars": 3}})
    (images / "002.png").rename(images / "moved.png")
    gallery.sync()
    assert [one.path.name for one in gallery.search("red", SearchOptions(where="stars = 3")).results] == ["moved.png"]
    (images / "003.png").rename(images.parent / "away.png")
    gallery.annotate({images / "004.png": {"stars": None}, images / "005.png": {"stars": 5}})
    (images / "005.png").rename(images.parent / "also_away.png")
    gallery.sync()
    assert gallery.search("red", SearchOptions(where="stars = 5")).results == ()
    (images.parent / "also_away.png").rename(images / "005.png")
    gallery.sync()
    assert [one.path.name for one in gallery.search("red", SearchOptions(where="stars = 5")).results] == ["005.png"]


def test_notes_of_a_picture_that_went_apply_to_its_content_alone(
    gallery: Gallery, images: Path, tmp_path: Path
) -> None:
    others = draw_images(tmp_path / "others", 3, seed=3)
    (images / "000.png").rename(images / "moved.png")
    gallery.sync()
    gallery.annotate({images / "moved.png": {"stars": 1}, images / "001.png": {"stars": 2}})
    shutil.copy(others / "000.png", images / "000.png")
    gallery.sync()
    for name in ("000.png", "moved.png", "001.png"):
        (images / name).rename(tmp_path / name)
    assert gallery.sync().removed == 3
    shutil.copy(others / "001.png", images / "000.png")
    shutil.copy(others / "002.png", images / "001.png")
    assert gallery.sync().added == 2
    assert notes(gallery) == {}
    (tmp_path / "moved.png").rename(images / "moved.png")
    (tmp_path / "001.png").rename(images / "again.png")
    assert gallery.sync().added == 2
    assert notes(gallery) == {"moved.png": 1, "again.png": 2}
    assert gallery.store.notes.departed() == []
    assert verify(gallery).problems == ()


def test_equal_pictures_that_come_back_have_the_notes_of_their_names(
    gallery: Gallery, images: Path, tmp_path: Path
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        shutil.copy(images / "000.png", images / name)
    gallery.sync()
    gallery.annotate({images / "b.png": {"stars": 2}, images / "c.png": {"stars": 3}})
    for name in ("a.png", "b.png", "c.png"):
        (images / name).rename(tmp_path / name)
    gallery.sync()
    for name in ("c.png", "b.png"):
        (tmp_path / name).rename(images / name)
        gallery.sync()
    assert notes(gallery) == {"b.png": 2, "c.png": 3}


def test_notes_left_by_an_earlier_version_apply_by_name(gallery: Gallery, images: Path, tmp_path: Path) -> None:
    gallery.annotate({images / "000.png": {"stars": 1}})
    (images / "000.png").rename(tmp_path / "000.png")
    gallery.sync()
    gallery.store.notes.arrive([one.id for one in gallery.store.notes.departed()])  # nothing was noted of what went
    (tmp_path / "000.png").rename(images / "000.png")
    gallery.sync()
    assert notes(gallery) == {"000.png": 1}


def test_notes_stay_with_a_picture_that_is_edited_and_it_is_said(
    gallery: Gallery, images: Path, tmp_path: Path
) -> None:
    others = draw_images(tmp_path / "others", 2, seed=3)
    gallery.annotate({images / "000.png": {"stars": 1}})
    shutil.copy(others / "000.png", images / "000.png")
    shutil.copy(others / "001.png", images / "001.png")
    assert gallery.sync(dry_run=True).notes_kept == 1
    report = gallery.sync()
    assert (report.updated, report.notes_kept) == (2, 1)
    assert notes(gallery) == {"000.png": 1}
    assert gallery.sync().notes_kept == 0


def shift(images: Path, new: Path, *, count: int = 4) -> None:
    """Rename the first pictures by one number each, and put a new one where the first was."""
    for number in range(count - 1, -1, -1):
        last = "shifted" if number == count - 1 else f"{number + 1:03}"
        (images / f"{number:03}.png").rename(images / f"{last}.png")
    shutil.copy(new, images / "000.png")


@pytest.mark.parametrize("by_index", [False, True])
def test_pictures_that_changed_places_keep_their_notes(
    by_index: bool, gallery: Gallery, model: FakeModel, images: Path, tmp_path: Path
) -> None:
    gallery.annotate({images / f"{number:03}.png": {"stars": number} for number in range(7)})
    (images / "005.png").rename(images / "x.png")
    (images / "006.png").rename(images / "005.png")
    (images / "x.png").rename(images / "006.png")
    shift(images, draw_images(tmp_path / "new", 1, seed=3) / "000.png")
    planned = gallery.sync(dry_run=True)
    report = gallery.index(images, batch=1) if by_index else gallery.sync(batch=1)
    assert counts(report) == counts(planned) == (1, 0, 6, 0, 6)
    assert [path.name for path in model.encoded_paths] == ["000.png"]
    assert notes(gallery) == {
        "001.png": 0,
        "002.png": 1,
        "003.png": 2,
        "shifted.png": 3,
        "004.png": 4,
        "005.png": 6,
        "006.png": 5,
    }
    assert verify(gallery).problems == ()
    assert counts(gallery.sync()) == (0, 0, 0, 0, 13)


def test_a_picture_that_was_overwritten_by_another_goes_and_an_index_lets_it_stay(
    gallery: Gallery, images: Path, tmp_path: Path
) -> None:
    gallery.annotate({images / f"{number:03}.png": {"stars": number} for number in range(3)})
    shutil.copy(images / "001.png", tmp_path / "001.png")
    (images / "000.png").rename(images / "001.png")
    shutil.copy(draw_images(tmp_path / "new", 1, seed=3) / "000.png", images / "000.png")
    report = gallery.index(images)
    assert (counts(report), report.notes_kept) == ((0, 2, 0, 0, 10), 2)
    (images / "001.png").rename(images / "002.png")
    assert counts(gallery.sync()) == (0, 0, 1, 1, 10)
    assert notes(gallery) == {"000.png": 0, "002.png": 1}
    assert verify(gallery).problems == ()


@pytest.mark.parametrize("step", ["relocate_items", "write_items", "remove_items"])
@pytest.mark.parametrize("after", [False, True])
def test_a_shift_that_was_cut_off_is_mended_by_the_next_sync(
    step: str, after: bool, gallery: Gallery, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.annotate({images / f"{number:03}.png": {"stars": number} for number in range(12)})
    (images / "005.png").rename(images / "006.png")  # 006.png is overwritten
    (images / "007.png").unlink()
    shift(images, draw_images(tmp_path / "new", 1, seed=3) / "000.png")
    method = getattr(Store, step)

    def end(self: Store, *words: object, **options: object) -> None:
        if after:
            method(self, *words, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, step, end)
        with pytest.raises(KeyboardInterrupt):
            gallery.sync(batch=1)
    paths = gallery.snapshot().items["path"].to_pylist()
    assert len(set(paths)) == len(paths)
    gallery.sync()
    assert names(gallery) == sorted(path.name for path in images.iterdir())
    assert notes(gallery) == {
        **{f"{number:03}.png": number for number in (4, *range(8, 12))},
        "001.png": 0,
        "002.png": 1,
        "003.png": 2,
        "shifted.png": 3,
        "006.png": 5,
    }
    assert sorted(Path(one.path).name for one in gallery.store.notes.departed()) == ["006.png", "007.png"]
    assert verify(gallery).problems == ()


@pytest.mark.parametrize("step", ["write_parts", "write_items", "remove_items", "drop_orphans"])
def test_a_sync_that_was_cut_off_goes_on(
    step: str, gallery: Gallery, model: FakeModel, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("000.png", "001.png"):
        (images / name).unlink()
    for path in draw_images(tmp_path / "new", 4, seed=3).iterdir():
        shutil.copy(path, images / f"new_{path.name}")
    method, calls = getattr(Store, step), []

    def end_at_second(self: Store, *words: object, **options: object) -> None:
        calls.append(words)
        if len(calls) == 2 or step == "drop_orphans":
            raise KeyboardInterrupt
        method(self, *words, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Store, step, end_at_second)
        with pytest.raises(KeyboardInterrupt):
            gallery.sync(batch=1)
    reopened = Gallery.open(gallery.folder, model)
    found = reopened.search("red", SearchOptions(k=99, shortlist=99))
    assert (found.stage, len(found.results)) == ("rerank", len(reopened))
    assert [one for one in verify(reopened).problems if "file" not in one.message] == []
    reopened.sync()
    assert names(reopened) == sorted(path.name for path in images.iterdir())
    assert verify(reopened).problems == ()


class Heard:
    """Notes each advance of indexing, with how many pictures the gallery held then; raises after so many."""

    def __init__(self, gallery: Gallery, *, stop_after: int = 1_000) -> None:
        self._gallery, self._stop_after = gallery, stop_after
        self.told: list[tuple[int, int]] = []
        self.total = 0

    @contextmanager
    def task(self, description: str, total: int) -> Iterator["Heard"]:
        self.total, self._description = total, description
        yield self

    def advance(self, amount: int = 1, **_: object) -> None:
        if self._description != "indexing":
            return
        self.told.append((amount, len(self._gallery)))
        if len(self.told) > self._stop_after:
            raise GalleryError("stopped")

    def note(self, event: str, **facts: object) -> None: ...


def test_progress_is_told_picture_by_picture_before_a_batch_is_stored(
    tmp_path: Path, model: FakeModel, images: Path
) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model)
    (images / "005b.png").write_bytes((images / "005.png").read_bytes())
    (images / "broken.png").write_bytes((images / "001.png").read_bytes()[:60])
    heard = Heard(gallery)
    report = gallery.sync([images], batch=8, progress=heard)
    assert (report.added, len(report.skipped)) == (13, 1)
    assert sum(amount for amount, _ in heard.told) == heard.total == 14
    assert heard.told[:8] == [(1, 0)] * 7 + [(1, 8)], "one of the eight is a copy"
    again = Heard(gallery)
    gallery.sync(progress=again)
    assert sum(amount for amount, _ in again.told) == 14


def test_work_that_is_stopped_within_a_batch_keeps_the_batches_before(
    tmp_path: Path, model: FakeModel, images: Path
) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model)
    with pytest.raises(GalleryError, match="stopped"):
        gallery.sync([images], batch=5, progress=Heard(gallery, stop_after=8))
    assert len(gallery) == 5
    assert gallery.sync([images]).added == 7


@pytest.fixture
def labelled(tmp_path: Path, model: FakeModel) -> tuple[Gallery, Path]:
    """A gallery that follows two folders of three pictures each, whose names are labels."""
    folder = tmp_path / "classes"
    for number, name in enumerate(("cat", "dog")):
        draw_images(folder / name, 3, seed=number + 20)
    gallery = Gallery.create(tmp_path / "labelled", model)
    assert counts(gallery.sync([folder])) == (6, 0, 0, 0, 0)
    return gallery, folder


@pytest.mark.parametrize("dry_run", [True, False])
def test_labels_that_a_folder_in_a_folder_takes_away_are_told_of(
    labelled: tuple[Gallery, Path], tmp_path: Path, dry_run: bool
) -> None:
    gallery, folder = labelled
    draw_images(folder / "cat" / "sub", 1, seed=30)
    report = gallery.sync(dry_run=dry_run)
    assert counts(report) == (1, 6, 0, 0, 0)
    assert {change.differs for change in report.changes if change.kind == "change"} == {("labels",)}
    (lost,) = report.labels_lost
    assert (lost.source, lost.count) == (str(folder), 6)
    why = f"{folder} is no longer read as class folders because of {folder}/cat/sub, a folder in such a folder"
    assert lost.why == why


def test_labels_that_go_as_a_part_is_looked_at_by_itself_come_back_with_the_whole(
    labelled: tuple[Gallery, Path],
) -> None:
    gallery, folder = labelled
    report = gallery.sync([folder / "cat"])
    assert counts(report) == (0, 3, 0, 0, 0)
    assert [(lost.count, lost.why) for lost in report.labels_lost] == [
        (3, f"{folder / 'cat'} was looked at by itself, not as a part of {folder}")
    ]
    again = gallery.sync([folder])
    assert (counts(again), again.labels_lost) == ((0, 3, 0, 0, 3), ())


def test_what_differs_of_a_picture_is_told(gallery: Gallery, images: Path, tmp_path: Path) -> None:
    shutil.copy(draw_images(tmp_path / "other", 1, seed=4) / "000.png", images / "002.png")
    (images / "003.txt").write_text("a thing", encoding="utf-8")
    (images / "004.png").rename(images / "moved.png")
    (images / "moved.txt").write_text("another thing", encoding="utf-8")
    told = {change.path.name: change.differs for change in gallery.sync(dry_run=True).changes}
    assert told == {"002.png": ("content",), "003.png": ("captions",), "moved.png": ("captions",)}


def test_a_gallery_among_its_pictures_is_not_looked_into(model: FakeModel, images: Path) -> None:
    made = Gallery.create(images / "gallery", model)
    for _ in range(2):
        report = made.sync([images])
        assert (report.unused, report.skipped, report.files.texts) == ((), (), 0)
        assert list(report.files.left_out) == ["galleries"]


def test_a_picture_whose_place_became_a_folder_is_gone(gallery: Gallery, images: Path) -> None:
    (images / "003.png").unlink()
    draw_images(images / "003.png", 1, seed=8)
    report = gallery.sync()
    assert counts(report) == (1, 0, 0, 1, 11)
    assert [change.path for change in report.changes if change.kind == "remove"] == [images / "003.png"]
    assert verify(gallery).problems == ()
