"""A small part of bench/faults/hostile_files.py: files that decoding must survive, and disks that cannot be written."""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lance import LanceDataset

from crossgraph.errors import GalleryError
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.tables import lance
from crossgraph.gallery.tables.skipped import read_skipped
from crossgraph.gallery.upkeep.health import verify
from tests.gallery.fake_model import FakeModel

SCRIPT = Path(__file__).parents[3] / "bench" / "faults" / "hostile_files.py"


@pytest.mark.skipif(os.name != "posix", reason="pipes, sockets and links are made")
def test_every_hostile_file_is_either_in_the_gallery_or_listed_with_its_reason(
    tmp_path: Path, model: FakeModel, images: Path
) -> None:
    spec = importlib.util.spec_from_file_location("hostile_files", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    readable, unreadable = script.draw_hostile(images / "hostile")
    assert len(readable) + len(unreadable) == 60
    gallery = Gallery.create(tmp_path / "gallery", model)
    report = gallery.sync([images], batch=7)
    assert report.added == 12 + len(readable)
    assert {Path(path).name for path in gallery.snapshot().items["path"].to_pylist()} >= set(readable)
    listed = {entry.path.name: entry.reason for entry in read_skipped(gallery.folder)}
    assert {name for name in unreadable if not listed.get(name)} == set()
    assert verify(gallery, rehash=True).problems == ()
    again = gallery.sync()
    assert (again.changes, again.unchanged, len(again.skipped)) == ((), report.added, len(report.skipped))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("lance error: LanceError(IO): No space left on device (os error 28)"), "the disk is full"),
        (OSError(28, "No space left on device"), "the disk is full"),
        (RuntimeError("lance error: LanceError(IO): Read-only file system (os error 30)"), "read-only file system"),
        (RuntimeError("lance error: Not found: x/_versions"), "Open the gallery again"),
        (RuntimeError("lance error: something new"), "could not be read or written: lance error: something new"),
    ],
)
def test_errors_of_the_disk_are_told_in_plain_words(tmp_path: Path, error: Exception, message: str) -> None:
    with pytest.raises(GalleryError, match=message), lance.plain_errors(tmp_path):
        raise error


def test_an_error_of_the_model_is_not_taken_for_one_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"), lance.plain_errors(tmp_path):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


def test_a_disk_that_fills_up_keeps_what_was_stored_and_the_next_sync_goes_on(
    tmp_path: Path, model: FakeModel, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model)
    left = [5]

    def until_full(write: Callable[[Any, object], object]) -> Callable[[Any, object], object]:
        def one_less(self: Any, table: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise RuntimeError("lance error: LanceError(IO): No space left on device (os error 28)")
            return write(self, table)

        return one_less

    with monkeypatch.context() as patch:
        patch.setattr(LanceDataset, "insert", until_full(LanceDataset.insert))
        with pytest.raises(GalleryError, match=r"the disk is full.*same command again.*stored before is safe"):
            Gallery.open(gallery.folder, model).sync([images], batch=4)
    assert len(gallery) == 8
    assert len(gallery.search("red", SearchOptions(k=12, shortlist=12)).results) == 8
    report = gallery.sync([images])
    assert (report.added, report.unchanged) == (4, 8)
    assert verify(gallery).problems == ()


def test_two_writers_at_once_are_one_writer_and_one_error(tmp_path: Path, model: FakeModel, images: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model)
    rival = Gallery.open(gallery.folder, model)
    with gallery.changing():
        for change in (
            lambda: rival.sync([images]),
            lambda: rival.index(images),
            lambda: rival.remove(["x"]),
            lambda: rival.annotate({"x": {"y": 1}}),
        ):
            with pytest.raises(GalleryError, match="another process is indexing"):
                change()
    assert rival.sync([images]).added == 12
    assert len(gallery) == 12


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_gallery_is_searched_and_refuses_changes(tmp_path: Path, model: FakeModel, images: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model)
    gallery.sync([images])
    folders = [gallery.folder, *(path for path in gallery.folder.rglob("*") if path.is_dir())]
    (gallery.folder / ".lock").unlink(missing_ok=True)
    for folder in folders:
        folder.chmod(0o555)
    try:
        opened = Gallery.open(gallery.folder, model)
        assert len(opened.search("red", SearchOptions(k=3)).results) == 3
        assert verify(opened).problems == ()
        with pytest.raises(GalleryError, match="permission denied"):
            opened.sync()
    finally:
        for folder in folders:
            folder.chmod(0o755)
