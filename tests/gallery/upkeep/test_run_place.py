import json
from pathlib import Path

import pytest

from crossgraph.errors import GalleryError
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.gallery.tables.store import writing
from crossgraph.gallery.upkeep import run_place
from crossgraph.gallery.upkeep.run_place import find_run, located_run, remember_run
from tests.gallery.fake_model import FakeModel


@pytest.fixture
def home(tmp_path: Path, dense: FakeModel, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a run and an empty gallery that was made by it; a run is known by what its weights say."""
    monkeypatch.setattr(run_place, "run_fingerprint", lambda run: (run / "weights.safetensors").read_text())
    home = tmp_path / "home"
    a_run(home / "runs" / "dense", "dense")
    Gallery.create(home / "gallery", dense, run=str(home / "runs" / "dense"))
    return home


def a_run(folder: Path, weights: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"format": 1}))
    (folder / "weights.safetensors").write_text(weights)
    return folder


def found(home: Path) -> Path | None:
    return located_run(home / "gallery", Manifest.read(home / "gallery"))


def test_a_run_is_where_it_was_or_as_far_from_its_gallery_as_it_was(home: Path, tmp_path: Path) -> None:
    assert found(home) == home / "runs" / "dense"
    new = home.rename(tmp_path / "renamed")
    assert found(new) == new / "runs" / "dense"
    a_run(
        home / "runs" / "dense", "anything"
    )  # where it was counts first; its fingerprint is checked when it is loaded
    assert found(new) == home / "runs" / "dense"


def test_another_run_that_lies_as_far_from_the_gallery_is_not_taken(home: Path, tmp_path: Path) -> None:
    new = home.rename(tmp_path / "renamed")
    (new / "runs" / "dense" / "weights.safetensors").write_text("other")
    assert found(new) is None
    (new / "runs" / "dense" / "weights.safetensors").unlink()
    with pytest.raises(GalleryError, match=rf"--model RUN, once.*crossgraph gallery move {new / 'gallery'} OLD NEW"):
        find_run(new / "gallery", Manifest.read(new / "gallery"))


def test_a_gallery_that_was_not_told_its_run_asks_for_it(tmp_path: Path, dense: FakeModel) -> None:
    Gallery.create(tmp_path / "gallery", dense)
    with pytest.raises(GalleryError, match="does not know the run that made it"):
        find_run(tmp_path / "gallery", Manifest.read(tmp_path / "gallery"))


def test_a_run_is_remembered_only_when_it_is_not_where_it_was(home: Path, dense: FakeModel, tmp_path: Path) -> None:
    gallery = Gallery.open(home / "gallery", dense)
    copy = a_run(tmp_path / "copy", "dense")
    remember_run(gallery, copy)
    assert Manifest.read(gallery.folder).run == str(home / "runs" / "dense")
    (home / "runs").rename(tmp_path / "away")
    remember_run(gallery, copy)
    assert Manifest.read(gallery.folder).run == str(copy)
    assert Manifest.read(gallery.folder).run_from_here == "../../copy"


def test_a_gallery_that_cannot_be_written_is_searched_all_the_same(
    home: Path, dense: FakeModel, tmp_path: Path
) -> None:
    gallery = Gallery.open(home / "gallery", dense)
    moved = (home / "runs" / "dense").rename(tmp_path / "moved")
    with writing(gallery.folder):  # as another process, or a read-only disk
        remember_run(gallery, moved)
    assert Manifest.read(gallery.folder).run == str(home / "runs" / "dense")
