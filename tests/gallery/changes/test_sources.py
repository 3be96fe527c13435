"""What a gallery looks at: patterns it remembers, folders that are empty, and a first run that fails."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from crossgraph.data.exclusions import IGNORE_FILE
from crossgraph.errors import DataError, GalleryError
from crossgraph.gallery.changes.moves import Moves
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.gallery.tables.skipped import read_skipped
from crossgraph.gallery.upkeep.relocation import relocate
from tests.gallery.fake_model import FakeModel, draw_images


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Three pictures, three in a folder `old`, and files that are no pictures."""
    draw_images(tmp_path / "library", 3, seed=1)
    draw_images(tmp_path / "library" / "old", 3, seed=2)
    (tmp_path / "library" / "film.mp4").write_bytes(b"film")
    (tmp_path / "library" / ".DS_Store").write_bytes(b"x")
    return tmp_path / "library"


def inside(gallery: Gallery, folder: Path) -> list[str]:
    paths = gallery.snapshot().items["path"].to_pylist()
    return sorted(str(Path(path).relative_to(folder)) for path in paths)


def test_a_report_counts_every_file_of_its_folders(tmp_path: Path, model: FakeModel, library: Path) -> None:
    (library / "broken.jpg").write_bytes(b"no")
    gallery = Gallery.create(tmp_path / "gallery", model)
    for report in (gallery.index(library), gallery.sync(), gallery.sync(dry_run=True)):
        assert (report.read, len(report.skipped)) == (6, 1)
        assert (report.files.texts, report.files.uninteresting, report.files.left_out) == (
            *(0, {".mp4": 1}, {".DS_Store": 1}),
        )


def test_a_link_to_a_folder_that_is_looked_at_already_is_that_folder(
    tmp_path: Path, model: FakeModel, library: Path
) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model)
    gallery.index(library)
    (tmp_path / "link").symlink_to(library)
    (tmp_path / "link_inside").symlink_to(library / "old")
    for name in ("link", "link_inside", "link/old"):
        assert gallery.index(tmp_path / name).added == 0
        assert gallery.sync([tmp_path / name]).changes == ()
    assert inside(gallery, library)[0] == "000.png"
    assert Manifest.read(gallery.folder).sources == (str(library), str(library / "old"))
    other = Gallery.create(tmp_path / "other", model)
    other.index(tmp_path / "link")
    assert other.sync([library]).changes == ()
    assert Manifest.read(other.folder).sources == (str(tmp_path / "link"),)


def test_what_is_excluded_is_remembered_of_a_folder_until_told_otherwise(
    tmp_path: Path, model: FakeModel, library: Path
) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model)
    gallery.index(library, exclude=["old/"])
    assert inside(gallery, library) == ["000.png", "001.png", "002.png"]
    assert gallery.sync().files.left_out == {"--exclude": 3, ".DS_Store": 1}
    assert Manifest.read(gallery.folder).excludes == {str(library): ("old/",)}
    assert gallery.sync(exclude=[""]).added == 3
    assert Manifest.read(gallery.folder).excludes == {}


def test_a_picture_that_is_excluded_only_now_stays(tmp_path: Path, model: FakeModel, library: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model)
    gallery.sync([library])
    (library / IGNORE_FILE).write_text("old\n")
    assert (gallery.sync().removed, len(gallery)) == (0, 6)
    assert (gallery.sync(exclude=["*.png"]).removed, len(gallery)) == (0, 6)


def test_patterns_follow_a_folder_that_moves(tmp_path: Path, model: FakeModel, library: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model)
    gallery.sync([library], exclude=["old/"])
    moved = library.rename(tmp_path / "moved")
    relocate(gallery, Moves.of([(library, moved)]))
    assert gallery.sync().unchanged == 3
    again = moved.rename(tmp_path / "again")
    gallery.sync([again], exclude=["old/"])
    assert gallery.sync().unchanged == 3


def test_pictures_of_a_sub_folder_that_is_empty_stay_and_go_when_told(
    tmp_path: Path, model: FakeModel, library: Path
) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model)
    draw_images(library / "disk" / "deep", 2, seed=3)
    gallery.sync([library])
    away = (library / "disk" / "deep").rename(tmp_path / "away")
    report = gallery.sync()
    assert (report.removed, len(gallery)) == (0, 8)
    assert [(one.path, "--allow-empty" in one.reason) for one in report.skipped] == [(library / "disk", True)]
    assert [one.path for one in read_skipped(gallery.folder)] == [library / "disk"]
    away.rename(library / "disk" / "deep")
    assert gallery.sync().unchanged == 8
    shutil.rmtree(library / "disk" / "deep")
    assert gallery.sync([library], allow_empty=True).removed == 2
    assert read_skipped(gallery.folder) == ()


def test_pictures_that_left_an_empty_sub_folder_for_another_moved(
    tmp_path: Path, model: FakeModel, library: Path
) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model)
    gallery.sync([library])
    (library / "new").mkdir()
    for path in (library / "old").iterdir():
        path.rename(library / "new" / path.name)
    report = gallery.sync()
    assert (report.moved, report.removed, report.skipped) == (3, 0, ())


def test_a_sub_folder_that_is_gone_takes_its_pictures_along(tmp_path: Path, model: FakeModel, library: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model)
    gallery.sync([library])
    shutil.rmtree(library / "old")
    assert gallery.sync().removed == 3


@pytest.mark.parametrize("there", [False, True])
def test_nothing_stays_of_a_gallery_whose_first_run_failed(tmp_path: Path, model: FakeModel, there: bool) -> None:
    (tmp_path / "empty").mkdir()
    place = tmp_path / "gallery"
    if there:
        place.mkdir()
    for error, folder in ((GalleryError, tmp_path / "absent"), (DataError, tmp_path / "table.csv")):
        (tmp_path / "table.csv").write_text("nothing of use\n1\n")
        with pytest.raises(error), Gallery.filled(place, model) as gallery:
            gallery.sync([folder])
        assert place.exists() is there
        assert not there or list(place.iterdir()) == []
    with pytest.raises(DataError), Gallery.filled(place, model) as gallery:
        gallery.index(tmp_path / "empty")
    assert place.exists() is there


def test_what_was_stored_stays_when_a_first_run_fails_later(tmp_path: Path, model: FakeModel, library: Path) -> None:
    with pytest.raises(DataError), Gallery.filled(tmp_path / "gallery", model) as gallery:
        gallery.index(tmp_path / "absent.csv" if gallery.sync([library]).added else library)
    assert len(Gallery.open(tmp_path / "gallery")) == 6


def test_a_picture_read_reduced_is_noted_in_its_full_size(
    tmp_path: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "walls").mkdir()
    Image.effect_noise((200, 100), 90).save(tmp_path / "walls" / "wall.jpg")
    monkeypatch.setenv("CROSSGRAPH_MAX_PIXELS", "6000")
    gallery = Gallery.create(tmp_path / "gallery", model)
    gallery.index(tmp_path / "walls")
    found = gallery.item(tmp_path / "walls" / "wall.jpg")
    assert (found.width, found.height) == (200, 100)


@pytest.mark.usefixtures("heeding_permissions")
@pytest.mark.parametrize("rights", [0o000, 0o400])
def test_a_folder_that_may_not_be_opened_is_not_taken_for_an_empty_one(
    tmp_path: Path, model: FakeModel, library: Path, rights: int
) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model)
    gallery.index(library)
    library.chmod(rights)
    try:
        for allowed in (False, True):
            with pytest.raises(DataError, match="library cannot be opened: permission denied"):
                gallery.sync([library], allow_empty=allowed)
    finally:
        library.chmod(0o700)
    assert len(inside(gallery, library)) == 6
    (library / "old").chmod(0)
    try:
        report = gallery.sync()
    finally:
        (library / "old").chmod(0o700)
    assert (report.removed, [one.path.name for one in report.skipped]) == (0, ["old"])
