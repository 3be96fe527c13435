import json
import os
import shutil
import signal
import subprocess
import sys
import types
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from crossgraph.errors import GalleryError, ModelError
from crossgraph.gallery.changes.moves import Moves
from crossgraph.gallery.changes.sync import SyncReport
from crossgraph.gallery.changes.upsert import NewImage
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.gallery.tables.skipped import read_skipped
from crossgraph.gallery.tables.store import Store
from crossgraph.gallery.upkeep import relocation, run_place
from crossgraph.gallery.upkeep.health import verify
from crossgraph.gallery.upkeep.relocation import Relocation, relocate
from tests.gallery.fake_model import FakeModel, draw_images


@pytest.fixture
def gallery(tmp_path: Path, model: FakeModel, captioned: Path) -> Gallery:
    """A gallery that follows a folder of six captioned pictures, one with a note, one removed by hand."""
    shutil.copy(draw_images(tmp_path / "more", 1, seed=9) / "000.png", captioned / "unwanted.png")
    for path in captioned.iterdir():
        os.utime(path, (1e9, 1e9))
    made = Gallery.create(tmp_path / "gallery", model)
    made.sync([captioned])
    made.annotate({captioned / "001.png": {"rating": 5}})
    made.remove([captioned / "unwanted.png"])
    model.encoded_paths.clear()
    return made


def counts(report: SyncReport) -> tuple[int, int, int, int, int]:
    return report.added, report.updated, report.moved, report.removed, report.unchanged


def move(gallery: Gallery, old: Path, new: Path, *, trust: bool = False, allow_missing: bool = False) -> Relocation:
    return relocate(gallery, Moves.of([(old, new)]), trust=trust, allow_missing=allow_missing)


def paths(gallery: Gallery) -> list[str]:
    return sorted(gallery.snapshot().items["path"].to_pylist())


def rated(gallery: Gallery) -> list[str]:
    return [str(one.path) for one in gallery.search("red", SearchOptions(where="rating = 5")).results]


def test_ids_notes_captions_and_features_stay_and_a_sync_finds_all_unchanged(
    gallery: Gallery, model: FakeModel, captioned: Path, tmp_path: Path
) -> None:
    before = gallery.snapshot()
    new = captioned.rename(tmp_path / "elsewhere")
    done = move(gallery, captioned, new)
    assert (done.pictures, done.missing, done.changed, done.joined) == (6, (), (), 0)
    assert done.folders == ((str(captioned), str(new)),)
    after = gallery.snapshot()
    same = [name for name in after.items.column_names if name != "path"]
    assert after.items.select(same) == before.items.select(same)
    assert np.array_equal(after.vectors.whole(), before.vectors.whole())
    assert paths(gallery) == sorted(str(path) for path in new.glob("0*.png"))
    assert rated(gallery) == [str(new / "001.png")]
    assert [entry.path for entry in read_skipped(gallery.folder)] == [new / "unwanted.png"]
    assert Manifest.read(gallery.folder).sources == Manifest.read(gallery.folder).roots == (str(new),)
    assert counts(gallery.sync()) == (0, 0, 0, 0, 6)
    assert verify(gallery, rehash=True).problems == ()
    assert model.encoded_paths == []
    assert before.version != after.version  # one commit of the pictures, for readers to follow


def test_all_that_lay_in_a_parent_moves_but_not_what_is_only_named_alike(model: FakeModel, tmp_path: Path) -> None:
    first, second = draw_images(tmp_path / "a" / "pics", 2), draw_images(tmp_path / "a" / "pics2", 2, seed=1)
    gallery = Gallery.create(tmp_path / "a" / "gallery", model)
    gallery.sync([first, second])
    new = (tmp_path / "a" / "pics").rename(tmp_path / "a" / "new")
    assert move(gallery, first, new).pictures == 2
    assert counts(gallery.sync()) == (0, 0, 0, 0, 4)
    (tmp_path / "a").rename(tmp_path / "b")
    moved = Gallery.open(tmp_path / "b" / "gallery", model)
    done = move(moved, tmp_path / "a", tmp_path / "b")
    assert done.pictures == 4
    assert Manifest.read(moved.folder).sources == (str(tmp_path / "b" / "new"), str(tmp_path / "b" / "pics2"))
    assert counts(moved.sync()) == (0, 0, 0, 0, 4)


def test_a_gallery_that_moved_itself_just_works(gallery: Gallery, model: FakeModel, tmp_path: Path) -> None:
    there = gallery.folder.rename(tmp_path / "renamed")
    moved = Gallery.open(there, model)
    assert len(moved.search("thing number 1").results) == 6
    assert counts(moved.sync()) == (0, 0, 0, 0, 6)
    assert verify(moved).problems == ()
    for file in there.rglob("*"):
        assert not file.is_file() or str(gallery.folder).encode() not in file.read_bytes()


def test_nothing_changes_while_a_picture_is_missing_or_other_unless_the_rest_is_to_move(
    gallery: Gallery, captioned: Path, tmp_path: Path
) -> None:
    new = captioned.rename(tmp_path / "elsewhere")
    (new / "000.png").rename(tmp_path / "away.png")
    shutil.copy(draw_images(tmp_path / "others", 1, seed=4) / "000.png", new / "002.png")
    version, manifest = gallery.store.version(), Manifest.read(gallery.folder)
    with pytest.raises(GalleryError, match=r"1 are not there .*000\.png.* 1 have other content .*002\.png"):
        move(gallery, captioned, new)
    planned = relocate(gallery, Moves.of([(captioned, new)]), dry_run=True)
    assert (planned.missing, planned.refused) == ((new / "000.png",), True)
    assert not relocate(gallery, Moves.of([(captioned, new)]), dry_run=True, allow_missing=True).refused
    assert (gallery.store.version(), Manifest.read(gallery.folder)) == (version, manifest)
    assert [entry.path.parent for entry in read_skipped(gallery.folder)] == [captioned]

    done = move(gallery, captioned, new, allow_missing=True)
    assert (done.pictures, done.missing, done.changed) == (5, (new / "000.png",), (new / "002.png",))
    assert str(captioned / "000.png") in paths(gallery)
    assert counts(gallery.sync()) == (0, 1, 0, 0, 4)
    (tmp_path / "late").mkdir()
    (tmp_path / "away.png").rename(tmp_path / "late" / "000.png")
    assert move(gallery, captioned, tmp_path / "late").pictures == 1  # found after all, in another place
    assert str(captioned) not in " ".join(paths(gallery))


@pytest.mark.parametrize("allow_missing", [False, True])
def test_a_disk_that_is_not_connected_moves_nothing(
    gallery: Gallery, captioned: Path, tmp_path: Path, allow_missing: bool
) -> None:
    (tmp_path / "mount").mkdir()
    before = Manifest.read(gallery.folder)
    for place in (tmp_path / "mount", tmp_path / "nothing"):
        with pytest.raises(GalleryError, match=r"(6|7) are not there"):
            move(gallery, captioned, place, allow_missing=allow_missing)
    assert Manifest.read(gallery.folder) == before
    assert paths(gallery) == sorted(str(path) for path in captioned.glob("0*.png"))


def test_content_is_read_unless_size_is_to_be_trusted(gallery: Gallery, captioned: Path, tmp_path: Path) -> None:
    new = captioned.rename(tmp_path / "elsewhere")
    content = bytearray((new / "003.png").read_bytes())
    content[-1] ^= 1
    (new / "003.png").write_bytes(content)
    with pytest.raises(GalleryError, match="1 have other content"):
        move(gallery, captioned, new)
    assert move(gallery, captioned, new, trust=True).changed == ()


def test_names_that_the_new_disk_writes_otherwise_are_followed(model: FakeModel, tmp_path: Path) -> None:
    old = draw_images(tmp_path / "old", 2)
    (old / "000.png").rename(old / unicodedata.normalize("NFD", "café.png"))
    gallery = Gallery.create(tmp_path / "gallery", model)
    gallery.sync([old])
    new = old.rename(tmp_path / "new")
    (new / unicodedata.normalize("NFD", "café.png")).rename(new / unicodedata.normalize("NFC", "CAFÉ.png"))
    assert move(gallery, old, new).missing == ()
    assert counts(gallery.sync()) == (0, 0, 0, 0, 2)


def test_pictures_that_were_added_anew_at_the_new_place_become_one_with_the_old(
    gallery: Gallery, captioned: Path, tmp_path: Path
) -> None:
    before = gallery.item(captioned / "001.png")
    new = captioned.rename(tmp_path / "elsewhere")
    gallery.index(new)  # adds, whatever moved
    assert len(gallery) == 13
    gallery.annotate({new / "001.png": {"colour": "red"}, new / "002.png": {"rating": 3}})
    assert move(gallery, captioned, new).joined == 6
    assert len(gallery) == 7
    assert gallery.item(new / "001.png").id == before.id
    assert gallery.store.notes.values([before.id]) == {before.id: {"rating": 5, "colour": "red"}}
    assert counts(gallery.sync()) == (0, 0, 0, 1, 6)  # that which was removed by hand in the old place goes again
    assert verify(gallery).problems == ()


def test_two_folders_are_not_moved_into_each_other(model: FakeModel, tmp_path: Path) -> None:
    first, second = draw_images(tmp_path / "a", 1), draw_images(tmp_path / "b", 1)
    gallery = Gallery.create(tmp_path / "gallery", model)
    gallery.sync([first, second])
    shutil.copytree(first, tmp_path / "c")
    with pytest.raises(GalleryError, match="two pictures would come to lie at"):
        relocate(gallery, Moves.of([(first, tmp_path / "c"), (second, tmp_path / "c")]))
    assert len(gallery) == 2


def test_a_place_that_the_gallery_does_not_know_is_an_error_with_the_nearest_one(
    gallery: Gallery, captioned: Path, tmp_path: Path
) -> None:
    with pytest.raises(GalleryError, match=rf"knows of nothing that lay in .* Did you mean {captioned}\?"):
        move(gallery, tmp_path / "captiond", tmp_path / "new")


STEPS = ("move_skipped", "relocate_items", "replace_manifest")


def cut(patch: pytest.MonkeyPatch, step: str, *, after: bool) -> None:
    """Have a move end at this step, before or after it is done."""
    places = {"move_skipped": relocation, "relocate_items": Store, "replace_manifest": Gallery}
    done = getattr(places[step], step)

    def end(*words: object) -> None:
        if after:
            done(*words)
        raise KeyboardInterrupt

    patch.setattr(places[step], step, end)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_a_move_that_was_cut_off_left_the_old_or_the_new_place_and_goes_on(
    step: str, after: bool, gallery: Gallery, model: FakeModel, captioned: Path, tmp_path: Path
) -> None:
    new = captioned.rename(tmp_path / "elsewhere")
    with pytest.MonkeyPatch.context() as patch:
        cut(patch, step, after=after)
        with pytest.raises(KeyboardInterrupt):
            move(gallery, captioned, new)
    reopened = Gallery.open(gallery.folder, model)
    assert len({os.path.dirname(path) for path in paths(reopened)}) == 1
    assert len(reopened.search("red", SearchOptions(k=99)).results) == 6
    if (step, after) != ("replace_manifest", True):
        with pytest.raises(GalleryError, match="gallery move"):
            reopened.sync()
        move(reopened, captioned, new)
    assert counts(reopened.sync()) == (0, 0, 0, 0, 6)
    assert rated(reopened) == [str(new / "001.png")]
    assert [entry.path for entry in read_skipped(reopened.folder)] == [new / "unwanted.png"]


KILLED = """
import os, signal, sys
from crossgraph.gallery.changes.moves import Moves
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.gallery.upkeep.relocation import relocate
Manifest.write = lambda self, folder: os.kill(os.getpid(), signal.SIGKILL)
relocate(Gallery.open(sys.argv[1]), Moves.of([sys.argv[2:]]))
"""


def test_a_move_that_was_killed_before_its_manifest_is_ended_by_the_same_command(
    gallery: Gallery, model: FakeModel, captioned: Path, tmp_path: Path
) -> None:
    new = captioned.rename(tmp_path / "elsewhere")
    command = [sys.executable, "-c", KILLED, *map(str, (gallery.folder, captioned, new))]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    reopened = Gallery.open(gallery.folder, model)
    assert {os.path.dirname(path) for path in paths(reopened)} == {str(new)}
    move(reopened, captioned, new)
    assert counts(reopened.sync()) == (0, 0, 0, 0, 6)


def fake_run(folder: Path, encoder: Path) -> Path:
    """A folder that looks like a trained run of `encoder`."""
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "image_encoder": {"hints": [str(encoder)]}}))
    (folder / "weights.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, dict[Path, Path]]]:
    """What runs were asked to rewrite."""
    calls: list[tuple[Path, dict[Path, Path]]] = []

    def relocate_run(run: Path, moves: Mapping[Path, Path]) -> None:
        if (run / "read-only").exists():
            raise ModelError(f"{run} could not be written")
        calls.append((run, dict(moves)))

    monkeypatch.setitem(sys.modules, "crossgraph.training.relocate", types.SimpleNamespace(relocate_run=relocate_run))
    return calls


def made_by(gallery: Gallery, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the gallery remember this run as the one that made it."""
    monkeypatch.setattr(run_place, "run_fingerprint", lambda _: "fine")
    gallery.replace_manifest(gallery.manifest.with_run(run, gallery.folder))


def test_the_run_moves_with_its_hints_to_encoders_or_either_alone(
    gallery: Gallery,
    captioned: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: list[tuple[Path, dict[Path, Path]]],
) -> None:
    old, new = tmp_path / "models", tmp_path / "kept"
    run = fake_run(old / "run", encoder=old / "clip")
    made_by(gallery, run, monkeypatch)
    old.rename(new)
    done = move(gallery, old, new)
    assert done.run == (str(run), str(new / "run"))
    assert (done.pictures, Manifest.read(gallery.folder).run) == (0, str(new / "run"))
    assert asked == [(new / "run", {old: new})]
    assert "names the new place" in str(done.hints)

    assert move(gallery, old / "clip", new / "clip").run is None  # the encoder's folder alone
    assert asked[1:] == [(new / "run", {old / "clip": new / "clip"})]
    (new / "run" / "read-only").touch()
    assert "could not be changed" in str(move(gallery, old / "clip", new / "clip").hints)
    moved = (new / "run").rename(tmp_path / "run")
    assert move(gallery, new / "run", moved).hints is None  # its manifest names nothing there


def test_another_run_at_the_new_place_is_refused(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fake_run(tmp_path / "run", encoder=tmp_path / "clip")
    made_by(gallery, run, monkeypatch)
    run.rename(tmp_path / "other")
    monkeypatch.setattr(run_place, "run_fingerprint", lambda _: "another")
    with pytest.raises(GalleryError, match="1 are not there"):
        move(gallery, run, tmp_path / "other")


def test_pictures_added_by_hand_and_ids_of_ones_own_move_too(
    gallery: Gallery, model: FakeModel, tmp_path: Path
) -> None:
    single = draw_images(tmp_path / "single", 1, seed=5) / "000.png"
    gallery.upsert([NewImage(single, ("a caption by hand",), id="mine")])
    new = single.parent.rename(tmp_path / "singles")
    assert move(gallery, single.parent, new).pictures == 1
    assert (gallery.item("mine").path, gallery.item("mine").captions) == (new / "000.png", ("a caption by hand",))
