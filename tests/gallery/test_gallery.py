import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from crossgraph.data.sources import open_corpus
from crossgraph.errors import CrossgraphError, GalleryError
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.search.query import ImageQuery
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.gallery.tables.parts import pad_fine
from crossgraph.gallery.tables.store import Store
from tests.gallery.fake_model import FakeModel, draw_images


@pytest.fixture
def gallery(tmp_path: Path, model: FakeModel) -> Gallery:
    return Gallery.create(tmp_path / "gallery", model, run="runs/fine")


def vectors_by_id(gallery: Gallery) -> dict[str, list[float]]:
    snapshot = gallery.store.snapshot()
    return dict(zip(snapshot.items["id"].to_pylist(), snapshot.vectors.whole().tolist(), strict=True))


def test_a_folder_is_indexed_once_and_then_left_alone(gallery: Gallery, model: FakeModel, images: Path) -> None:
    report = gallery.index(images, batch=5)
    assert (report.added, report.updated, report.unchanged, report.skipped) == (12, 0, 0, ())
    model.encoded_paths.clear()
    again = gallery.index(images, batch=5)
    assert (again.added, again.updated, again.unchanged) == (0, 0, 12)
    assert model.encoded_paths == []
    assert len(gallery) == 12


def test_a_corpus_is_indexed_with_its_captions(gallery: Gallery, captioned: Path) -> None:
    assert gallery.index(open_corpus(str(captioned))).added == 6
    assert len(gallery.snapshot().captions) == 9
    assert gallery.item(captioned / "003.png").captions == ("thing number 3", "shape of kind 1")


def test_an_item_says_where_it_lies_and_how_large_it_is(gallery: Gallery, images: Path) -> None:
    gallery.index(images)
    item = gallery.item(images / "004.png")
    assert (item.path, item.width, item.height) == (images / "004.png", 24, 18)
    assert gallery.item(item.id) == item


def test_only_a_changed_picture_is_encoded_again_and_replaced(
    gallery: Gallery, model: FakeModel, images: Path, tmp_path: Path
) -> None:
    gallery.index(images)
    before, old = vectors_by_id(gallery), gallery.item(images / "007.png")
    replacement = draw_images(tmp_path / "other", 1, seed=9) / "000.png"
    old.path.write_bytes(replacement.read_bytes())
    model.encoded_paths.clear()
    report = gallery.index(images)
    assert (report.added, report.updated, report.unchanged) == (0, 1, 11)
    assert model.encoded_paths == [old.path]
    after = vectors_by_id(gallery)
    assert {key for key in before if before[key] != after[key]} == {old.id}
    assert gallery.item(old.id).digest != old.digest
    with pytest.raises(GalleryError, match="gone"):
        gallery.store.fetch([old.digest])


def test_a_changed_caption_replaces_the_old_one(gallery: Gallery, captioned: Path) -> None:
    gallery.index(captioned)
    (captioned / "003.txt").write_text("something else\nshape of kind 1\n", encoding="utf-8")
    report = gallery.index(captioned)
    assert (report.updated, report.unchanged) == (1, 5)
    assert gallery.item(captioned / "003.png").captions == ("something else", "shape of kind 1")
    assert len(gallery.snapshot().captions) == 9


def test_equal_names_in_two_folders_are_two_pictures(gallery: Gallery, images: Path, tmp_path: Path) -> None:
    other = draw_images(tmp_path / "other", 12, seed=1)
    gallery.index(images)
    assert gallery.index(other).added == 12
    assert len(gallery) == 24
    assert Manifest.read(gallery.folder).roots == (str(images), str(other))


def test_two_copies_of_one_picture_in_a_batch_are_two_pictures(gallery: Gallery, images: Path) -> None:
    (images / "copy.png").write_bytes((images / "000.png").read_bytes())
    assert gallery.index(images).added == 13
    results = gallery.search("red", SearchOptions(k=13, shortlist=13)).results
    assert len({result.id for result in results}) == 13


def test_unreadable_files_are_listed_and_stop_nothing(gallery: Gallery, images: Path) -> None:
    (images / "empty.png").touch()
    (images / "000_text.png").write_text("not a picture")
    (images / "005_cut.png").write_bytes((images / "000.png").read_bytes()[:60])
    report = gallery.index(images, batch=1)
    assert report.added == 12
    assert sorted(entry.path.name for entry in report.skipped) == ["000_text.png", "005_cut.png", "empty.png"]
    assert all(entry.reason for entry in report.skipped)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_not_unicode_is_listed(gallery: Gallery, images: Path) -> None:
    odd = os.fsencode(images) + b"/caf\xe9.png"
    with open(odd, "wb") as file:
        file.write((images / "000.png").read_bytes())
    report = gallery.index(images)
    assert (report.added, [entry.reason for entry in report.skipped]) == (
        12,
        ["its name is not valid UTF-8; rename it"],
    )


def test_a_picture_that_became_unreadable_stays_as_it_was(gallery: Gallery, images: Path) -> None:
    gallery.index(images)
    (images / "003.png").write_bytes(b"")
    report = gallery.index(images)
    assert (report.unchanged, len(report.skipped), len(gallery)) == (11, 1, 12)


def test_a_model_that_gives_nan_stores_nothing(tmp_path: Path, images: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", FakeModel("bad", fine=False, spoil=float("nan")))
    with pytest.raises(GalleryError, match="not finite"):
        gallery.index(images)
    assert len(gallery) == 0


def test_another_model_is_refused_with_both_fingerprints(gallery: Gallery, dense: FakeModel) -> None:
    with pytest.raises(GalleryError, match=r"model fine \(loaded from runs/fine\), this one is other"):
        Gallery.open(gallery.folder, FakeModel("other", fine=True, shortlist=dense))
    with pytest.raises(GalleryError, match=r"shortlist model dense.*this one is newer"):
        Gallery.open(gallery.folder, FakeModel("fine", fine=True, shortlist=FakeModel("newer", fine=False)))


def test_a_folder_that_is_no_gallery_is_refused(tmp_path: Path, images: Path, model: FakeModel) -> None:
    with pytest.raises(GalleryError, match=r"there is nothing at .*nothing\. Make a gallery there with"):
        Gallery.open(tmp_path / "nothing", model)
    (tmp_path / "empty").mkdir()
    with pytest.raises(GalleryError, match=r"empty is not a gallery: it has no gallery\.json"):
        Gallery.open(tmp_path / "empty", model)
    with pytest.raises(GalleryError, match="holds other files"):
        Gallery.create(images, model)
    (images / "gallery.json").write_text('{"format": 1}')
    with pytest.raises(GalleryError, match=r"gallery format 1, this version reads 3 and 4.*into a new one"):
        Gallery.open(images, model)
    (images / "gallery.json").write_text('{"format": 9}')
    with pytest.raises(GalleryError, match=r"gallery format 9.*a newer crossgraph"):
        Gallery.open(images, model)
    (images / "gallery.json").write_text('{"model": 3}')
    with pytest.raises(GalleryError, match="cannot be read"):
        Gallery.open(images, model)


def test_a_gallery_that_was_only_begun_is_told_from_a_folder_of_pictures(
    gallery: Gallery, model: FakeModel, images: Path
) -> None:
    (gallery.folder / "gallery.json").unlink()  # as after a kill before it was written
    with pytest.raises(GalleryError, match=r"is no gallery yet: .* Run the same again: crossgraph index FOLDER"):
        Gallery.open(gallery.folder)
    assert Gallery.create(gallery.folder, model).index(images).added == len(list(images.iterdir()))


def test_a_gallery_is_not_created_twice(gallery: Gallery, model: FakeModel) -> None:
    with pytest.raises(GalleryError, match="a gallery already"):
        Gallery.create(gallery.folder, model)


def test_an_empty_folder_is_refused(gallery: Gallery, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CrossgraphError, match="empty"):
        gallery.index(tmp_path / "empty")


def test_without_a_model_a_gallery_can_be_looked_at_only(gallery: Gallery, images: Path) -> None:
    gallery.index(images)
    looked_at = Gallery.open(gallery.folder)
    assert len(looked_at) == 12
    with pytest.raises(GalleryError, match=r"opened without a model.*runs/fine"):
        looked_at.search("red")


def test_an_open_gallery_sees_what_another_one_added(gallery: Gallery, model: FakeModel, images: Path) -> None:
    assert len(gallery) == 0
    Gallery.open(gallery.folder, model).index(images)
    assert len(gallery) == 12
    assert len(gallery.search("red", SearchOptions(k=3)).results) == 3


@pytest.mark.parametrize("step", ["write_parts", "write_captions", "write_items", "drop_orphans"])
def test_an_end_before_any_write_leaves_only_whole_pictures(
    step: str, tmp_path: Path, model: FakeModel, captioned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model)
    gallery.index(captioned, batch=2)
    (captioned / "000.png").write_bytes((draw_images(tmp_path / "new", 1, seed=5) / "000.png").read_bytes())
    (captioned / "000.txt").write_text("quite another thing\n", encoding="utf-8")
    before = gallery.search("thing", SearchOptions(k=6)).to_json()["results"]

    def end(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, step, end)
        with pytest.raises(KeyboardInterrupt):
            gallery.index(captioned, batch=2)
    if step != "drop_orphans":
        assert Gallery.open(gallery.folder, model).search("thing", SearchOptions(k=6)).to_json()["results"] == before
    gallery.index(captioned, batch=2)
    whole = Gallery.create(tmp_path / "whole", model)
    whole.index(captioned)
    for target in ("images", "captions"):
        found, expected = (
            one.search(ImageQuery(captioned / "000.png"), SearchOptions(target=target)) for one in (gallery, whole)
        )
        assert found.results == expected.results


ROOT = Path(__file__).parents[2]
SLOW_INDEXING = """
import sys
from tests.gallery.fake_model import FakeModel
from crossgraph.gallery.gallery import Gallery
dense = FakeModel("dense", fine=False, pause=0.05)
Gallery.create(sys.argv[1], FakeModel("fine", fine=True, shortlist=dense)).index(sys.argv[2], batch=4)
"""


@pytest.mark.slow
def test_indexing_killed_in_the_middle_continues_and_nothing_is_lost_or_doubled(
    tmp_path: Path, model: FakeModel
) -> None:
    folder = draw_images(tmp_path / "images", 80)
    for path in list(folder.glob("*.png")):
        path.with_suffix(".txt").write_text(f"caption of {path.stem}\nshared by all\n", encoding="utf-8")
    killed = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", SLOW_INDEXING, str(killed), str(folder)], cwd=ROOT)
    versions = killed / "items.lance" / "_versions"
    while len(list(versions.glob("*.manifest"))) < 4:  # the empty table, then one version per batch of four
        assert process.poll() is None, "indexing ended before it could be killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()

    gallery = Gallery.open(killed, model)
    survivors = vectors_by_id(gallery)
    assert 12 <= len(survivors) < 80
    assert len(gallery.search("caption of 003", SearchOptions(k=80, shortlist=80)).results) == len(survivors)

    report = gallery.index(folder, batch=4)
    assert (report.added, report.updated, report.unchanged) == (80 - len(survivors), 0, len(survivors))
    whole = Gallery.create(tmp_path / "whole", model)
    whole.index(folder, batch=4)
    assert gallery.store.tables["items"].count_rows() == 80
    assert vectors_by_id(gallery) == vectors_by_id(whole)
    assert gallery.store.tables["captions"].count_rows() == whole.store.tables["captions"].count_rows() == 81
    assert gallery.store.tables["parts"].count_rows() == whole.store.tables["parts"].count_rows() == 161
    digests = sorted(known.digest for known in gallery.store.known().values())
    parts, expected = (pad_fine(one.store.fetch(digests)).parts for one in (gallery, whole))
    assert parts is not None
    assert expected is not None
    assert torch.equal(parts, expected)
    first, second = (
        one.search("caption of 003", SearchOptions(k=80, shortlist=80)).to_json()["results"] for one in (gallery, whole)
    )
    assert json.dumps(first) == json.dumps(second)
