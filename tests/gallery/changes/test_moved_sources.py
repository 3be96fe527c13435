import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from crossgraph.data.images import image_bytes_digest
from crossgraph.errors import GalleryError
from crossgraph.gallery.changes import moved_sources, sync
from crossgraph.gallery.changes.sync import MovedFolder, SyncReport
from crossgraph.gallery.changes.upsert import NewImage
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.gallery.tables.store import Store
from crossgraph.gallery.upkeep.health import verify
from tests.gallery.fake_model import FakeModel, draw_images


@pytest.fixture
def gallery(tmp_path: Path, model: FakeModel, captioned: Path) -> Gallery:
    """A gallery that follows a folder of six captioned pictures, all written long ago; one has a note."""
    for path in captioned.iterdir():
        os.utime(path, (1e9, 1e9))
    made = Gallery.create(tmp_path / "gallery", model)
    made.sync([captioned])
    made.annotate({captioned / "001.png": {"rating": 5}})
    model.encoded_paths.clear()
    return made


def counts(report: SyncReport) -> tuple[int, int, int, int, int]:
    return report.added, report.updated, report.moved, report.removed, report.unchanged


def folders(gallery: Gallery) -> set[str]:
    return {os.path.dirname(path) for path in gallery.snapshot().items["path"].to_pylist()}


def rated(gallery: Gallery) -> list[str]:
    return [one.path.name for one in gallery.search("red", SearchOptions(where="rating = 5")).results]


@pytest.mark.parametrize("named", [False, True])
def test_a_folder_that_was_renamed_is_recognised_and_nothing_is_encoded(
    named: bool, gallery: Gallery, model: FakeModel, captioned: Path, tmp_path: Path
) -> None:
    before = gallery.snapshot()
    new = captioned.rename(tmp_path / "elsewhere")
    asked = [captioned, new] if named else [new]
    planned = gallery.sync(asked, dry_run=True)
    report = gallery.sync(asked)
    assert counts(planned) == counts(report) == (0, 0, 6, 0, 0)
    assert report.moved_folders == planned.moved_folders == (MovedFolder(str(captioned), str(new), 0),)
    after = gallery.snapshot()
    same = [name for name in after.items.column_names if name not in ("path", "source", "indexed_at")]
    assert after.items.select(same) == before.items.select(same)
    assert np.array_equal(after.vectors.whole(), before.vectors.whole())
    assert (rated(gallery), folders(gallery)) == (["001.png"], {str(new)})
    assert Manifest.read(gallery.folder).sources == Manifest.read(gallery.folder).roots == (str(new),)
    assert counts(gallery.sync()) == (0, 0, 0, 0, 6)
    assert model.encoded_paths == []
    assert verify(gallery).problems == ()


def test_each_new_file_is_read_once(
    gallery: Gallery, captioned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def noted(path: Path) -> str:
        read.append(path)
        return image_bytes_digest(path)

    for module in (sync, moved_sources):
        monkeypatch.setattr(module, "image_bytes_digest", noted)
    new = captioned.rename(tmp_path / "elsewhere")
    gallery.sync([new])
    assert sorted(read) == sorted(new.glob("*.png"))


def test_a_folder_that_was_also_changed_inside_is_recognised_by_most_of_its_pictures(
    gallery: Gallery, captioned: Path, tmp_path: Path
) -> None:
    new = captioned.rename(tmp_path / "elsewhere")
    (new / "000.png").unlink()
    (new / "sub").mkdir()
    (new / "001.png").rename(new / "sub" / "x.png")
    shutil.copy(draw_images(tmp_path / "more", 1, seed=3) / "000.png", new / "new.png")
    report = gallery.sync([new])
    assert counts(report) == (1, 0, 5, 0, 0)
    assert report.moved_folders == (MovedFolder(str(captioned), str(new), 1),)
    assert rated(gallery) == ["x.png"]
    assert gallery.item(captioned / "000.png").id  # what is not there may lie on a disk that is not connected
    assert Manifest.read(gallery.folder).sources == (str(new),)
    assert counts(gallery.sync()) == (0, 0, 0, 0, 6)
    assert counts(gallery.sync([captioned], allow_empty=True)) == (0, 0, 0, 1, 0)
    assert str(captioned) not in Manifest.read(gallery.folder).roots
    assert verify(gallery).problems == ()


def test_a_folder_that_holds_few_of_the_pictures_takes_nothing_over(
    gallery: Gallery, captioned: Path, tmp_path: Path
) -> None:
    away = captioned.rename(tmp_path / "not connected")
    other = draw_images(tmp_path / "other", 3, seed=3)
    shutil.copy(away / "001.png", other / "copy.png")
    assert counts(gallery.sync([other])) == (4, 0, 0, 0, 0)
    assert folders(gallery) == {str(captioned), str(other)}
    assert Manifest.read(gallery.folder).sources == (str(captioned), str(other))
    with pytest.raises(GalleryError, match=rf"gallery move {gallery.folder} {captioned} NEW.*--forget"):
        gallery.sync([captioned, other])
    away.rename(captioned)
    assert counts(gallery.sync()) == (0, 0, 0, 0, 10)


def test_a_copy_of_a_folder_that_is_still_there_is_added(gallery: Gallery, captioned: Path, tmp_path: Path) -> None:
    shutil.copytree(captioned, tmp_path / "copy")
    assert counts(gallery.sync([tmp_path / "copy"])) == (6, 0, 0, 0, 0)


def test_what_was_emptied_into_another_folder_is_recognised(gallery: Gallery, captioned: Path, tmp_path: Path) -> None:
    new = captioned.rename(tmp_path / "elsewhere")
    captioned.mkdir()
    assert counts(gallery.sync([new])) == (0, 0, 6, 0, 0)


def test_equal_files_keep_the_notes_of_the_one_that_was_called_so(model: FakeModel, tmp_path: Path) -> None:
    old = draw_images(tmp_path / "old", 1)
    for name in ("a.png", "b.png", "c.png"):
        shutil.copy(old / "000.png", old / name)
    gallery = Gallery.create(tmp_path / "gallery", model)
    gallery.sync([old])
    gallery.annotate({old / "b.png": {"rating": 5}})
    gallery.sync([old.rename(tmp_path / "new")])
    assert rated(gallery) == ["b.png"]


def test_captions_given_by_hand_and_removals_by_hand_move_along(
    gallery: Gallery, captioned: Path, tmp_path: Path
) -> None:
    gallery.upsert([NewImage(captioned / "002.png", ("by hand",))])
    gallery.remove([captioned / "003.png"])
    new = captioned.rename(tmp_path / "elsewhere")
    report = gallery.sync([new])
    assert (counts(report), len(report.skipped)) == ((0, 0, 5, 0, 0), 1)
    assert gallery.item(new / "002.png").captions == ("by hand",)
    assert len(gallery.sync().skipped) == 1


def test_a_caption_file_that_moved_with_its_pictures_is_recognised(model: FakeModel, tmp_path: Path) -> None:
    old = draw_images(tmp_path / "old", 4)
    (old / "captions.csv").write_text("image,caption\n" + "".join(f"{i:03}.png,thing {i}\n" for i in range(4)))
    gallery = Gallery.create(tmp_path / "gallery", model)
    gallery.sync([old / "captions.csv"])
    new = old.rename(tmp_path / "new")
    assert counts(gallery.sync([new / "captions.csv"])) == (0, 0, 4, 0, 0)
    assert Manifest.read(gallery.folder).sources == (str(new / "captions.csv"),)


def test_a_run_that_was_cut_off_goes_on(
    gallery: Gallery, model: FakeModel, captioned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = captioned.rename(tmp_path / "elsewhere")
    write, calls = Store.write_items, list[Sequence[Item]]()

    def end_at_third(
        self: Store, items: Sequence[Item], vectors: np.ndarray, codes: np.ndarray | None, *, new: bool
    ) -> None:
        calls.append(items)
        if len(calls) == 3:
            raise KeyboardInterrupt
        write(self, items, vectors, codes, new=new)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write_items", end_at_third)
        with pytest.raises(KeyboardInterrupt):
            gallery.sync([new], batch=1)
    assert len(gallery) == 6
    assert counts(gallery.sync([new])) == (0, 0, 4, 0, 2)
    assert Manifest.read(gallery.folder).sources == (str(new),)
    assert model.encoded_paths == []


def test_a_mistyped_folder_is_answered_by_the_nearest_one(gallery: Gallery, captioned: Path) -> None:
    with pytest.raises(GalleryError, match=rf"captiond: no such folder or file\. Did you mean {captioned}\?$"):
        gallery.sync([captioned.with_name("captiond")])
    with pytest.raises(GalleryError, match="no such folder or file"):
        gallery.sync([captioned.with_name("captiond")], allow_empty=True)


def test_a_folder_that_is_gone_is_emptied_only_if_it_is_named(gallery: Gallery, captioned: Path) -> None:
    shutil.rmtree(captioned)
    with pytest.raises(GalleryError, match="is not there, so nothing was changed"):
        gallery.sync(allow_empty=True)
    assert counts(gallery.sync([captioned], allow_empty=True)) == (0, 0, 0, 6, 0)
    with pytest.raises(GalleryError, match="remembers no folders"):
        gallery.forget(captioned)
