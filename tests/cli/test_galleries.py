"""Verbs that look after a gallery, on copies of the trained one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Trained, call


@pytest.fixture
def gallery(trained: Trained, tmp_path: Path) -> Path:
    """A gallery of ten pictures that follows its folder."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in sorted(trained.images.iterdir())[:10]:
        shutil.copy(path, folder)
    done = call("sync", tmp_path / "gallery", folder, "--model", trained.kidrr, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["added"] == 10
    return tmp_path / "gallery"


def test_a_dry_run_of_a_new_gallery_says_what_would_be_and_leaves_nothing(trained: Trained, tmp_path: Path) -> None:
    planned = call("sync", tmp_path / "gallery", trained.images, "--model", trained.kidrr, "--dry-run")
    assert planned.exit_code == 0, planned.stderr
    assert f"would be {len(list(trained.images.iterdir()))} added" in planned.stdout
    assert not (tmp_path / "gallery").exists()


def test_a_folder_is_followed_and_its_gallery_looked_after(gallery: Path, trained: Trained, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    first, second, third = sorted(folder.iterdir())[:3]
    first.unlink()
    second.rename(folder / "moved.png")
    (folder / "bad.jpg").write_text("no picture")
    planned = call("sync", gallery, "--dry-run")
    assert f"move    {second} -> {folder / 'moved.png'}" in planned.stdout
    assert "would be 0 added, 0 updated, 1 moved, 1 removed, 8 unchanged, 1 skipped" in planned.stdout
    assert "bad.jpg: not a picture" in planned.stderr
    changes = json.loads(call("sync", gallery, "--json").stdout)["changes"]
    assert [change["kind"] for change in changes] == ["move", "remove"]
    told = call("gallery", "stats", gallery, "--skipped")
    assert "kidrr" in told.stdout
    assert "bad.jpg: not a picture" in told.stderr
    assert json.loads(call("gallery", "stats", gallery, "--json").stdout)["rows"] == 9

    notes = tmp_path / "notes.csv"
    notes.write_text(f"path,kind,year\n{third},Airport,1999\n")
    assert "kind (text), year (number)" in call("gallery", "annotate", gallery, notes).stdout
    words = ("a red ball", "--gallery", gallery, "--where", "kind = 'Airport' and date > '2024-01-01'")
    assert [row["path"] for row in json.loads(call("search", *words, "--json").stdout)["results"]] == [str(third)]
    exported = call("gallery", "export", gallery, "--where", "year < 2000")
    assert exported.stdout == f"{third}\n"
    wrong = call("search", "a ball", "--gallery", gallery, "--where", "kidn = 'Airport'")
    assert (wrong.exit_code, "Did you mean 'kind'" in wrong.stderr) == (2, True)

    assert "1 removed" in call("gallery", "remove", gallery, "--where", "year < 2000").stdout
    added = call("gallery", "add", gallery, third, "--id", "third", "--caption", "a thing", "--json")
    assert json.loads(added.stdout)["added"] == 1
    assert call("gallery", "optimize", gallery).exit_code == 0
    assert call("gallery", "verify", gallery).exit_code == 0
    (folder / "moved.png").unlink()
    broken = call("gallery", "verify", gallery)
    assert (broken.exit_code, "moved.png: its file is gone" in broken.stderr) == (1, True)


def test_a_gallery_is_given_to_another_model(gallery: Path, trained: Trained) -> None:
    refused = call("search", "a ball", "--gallery", gallery, "--model", trained.dual_encoder)
    assert refused.exit_code == 2
    assert f"crossgraph gallery migrate {gallery} --model RUN" in refused.stderr
    done = call("gallery", "migrate", gallery, "--model", trained.dual_encoder)
    assert "10 pictures encoded" in done.stdout, done.stderr
    assert len(json.loads(call("search", "a ball", "--gallery", gallery, "--json").stdout)["results"]) == 10
    assert call("gallery", "verify", gallery).exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("gallery", "remove", "GALLERY"), "name the pictures to remove"),
        (("gallery", "add", "GALLERY", "a.png", "b.png", "--id", "x"), "--id names one picture"),
        (("gallery", "export", "GALLERY", "--format", "xml"), "unknown format"),
        (("gallery", "optimize", "GALLERY", "--keep", "-1"), "at least 0 minutes"),
        (("sync", "GALLERY", "--watch", "0"), "seconds above 0"),
        (("sync", "GALLERY", "nowhere"), "nowhere: no such folder or file"),
        (("sync", "elsewhere", "x"), "is not a gallery yet"),
        (("sync", "GALLERY", "--forget", "nowhere"), "remembers no folders"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_message(trained: Trained, words: tuple[str, ...], message: str) -> None:
    done = call(*(trained.gallery if word == "GALLERY" else word for word in words))
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("error:") == 1


def moved_with(message: str, *words: object) -> str:
    done = call(*words)
    assert done.exit_code == 0, done.stderr
    assert message in done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def library(trained: Trained, tmp_path: Path) -> Path:
    """A folder with a run, its gallery and its ten pictures, one with a note."""
    root = tmp_path / "library"
    shutil.copytree(trained.kidrr, root / "runs" / "kidrr")
    (root / "photos").mkdir()
    for path in sorted(trained.images.iterdir())[:10]:
        shutil.copy(path, root / "photos")
    done = call("sync", root / "gallery", root / "photos", "--model", root / "runs" / "kidrr")
    assert done.exit_code == 0, done.stderr
    notes = tmp_path / "notes.csv"
    notes.write_text(f"path,rating\n{sorted((root / 'photos').iterdir())[1]},5\n")
    assert call("gallery", "annotate", root / "gallery", notes).exit_code == 0
    return root


def answers(gallery: Path, *words: object) -> list[str]:
    found = call("search", "a red ball", "--gallery", gallery, "--json", *words)
    assert found.exit_code == 0, found.stderr
    return [row["path"] for row in json.loads(found.stdout)["results"]]


def test_a_run_its_gallery_and_its_pictures_move_together_and_one_command_tells_the_gallery(
    library: Path, tmp_path: Path
) -> None:
    before, rated = answers(library / "gallery"), answers(library / "gallery", "--where", "rating = 5")
    new = library.rename(tmp_path / "renamed")
    (new / "gallery").rename(new / "index")
    (new / "runs" / "kidrr").rename(new / "runs" / "best")
    (new / "photos").rename(new / "pictures")
    moves = (library / "photos", new / "pictures", library / "runs" / "kidrr", f"{new / 'runs' / 'best'}/")
    told = ("gallery", "move", new / "index", *moves)
    assert "would be moved" in moved_with("10 pictures", *told, "--dry-run")
    assert "10 pictures moved, 0 with other content, 0 missing" in moved_with("-> ", *told)
    old, now = str(library / "photos"), str(new / "pictures")
    assert answers(new / "index") == [path.replace(old, now) for path in before]
    assert answers(new / "index", "--where", "rating = 5") == [path.replace(old, now) for path in rated]
    moved_with("0 added, 0 updated, 0 moved, 0 removed, 10 unchanged, 0 skipped", "sync", new / "index")
    assert call("gallery", "verify", new / "index", "--rehash").exit_code == 0


def test_a_gallery_that_moved_together_with_its_run_finds_it(library: Path, tmp_path: Path) -> None:
    new = library.rename(tmp_path / "renamed")
    assert len(answers(new / "gallery")) == 10
    told = json.loads(moved_with("", "gallery", "move", new / "gallery", library, new, "--json"))
    assert (told["pictures"], told["run"]) == (10, [str(library / "runs" / "kidrr"), str(new / "runs" / "kidrr")])


def test_a_run_that_moved_is_named_once(library: Path, trained: Trained, tmp_path: Path) -> None:
    run, gallery = (library / "runs").rename(tmp_path / "models") / "kidrr", library / "gallery"
    lost = call("search", "a red ball", "--gallery", gallery)
    assert lost.exit_code == 2
    assert "--model RUN" in lost.stderr
    assert f"crossgraph gallery move {gallery} OLD NEW" in lost.stderr
    assert "was encoded by" in call("search", "x", "--gallery", gallery, "--model", trained.dual_encoder).stderr
    assert len(answers(gallery, "--model", run)) == 10
    assert len(answers(gallery)) == 10
    again = run.rename(tmp_path / "again")
    moved_with("0 pictures encoded", "gallery", "migrate", gallery, "--model", again)
    assert json.loads(call("gallery", "stats", gallery, "--json").stdout)["run"] == str(again)
    refused = call("gallery", "migrate", gallery, "--model", again)
    assert (refused.exit_code, "already" in refused.stderr) == (2, True)
    shutil.copytree(again, tmp_path / "copy")
    assert len(answers(gallery, "--model", tmp_path / "copy")) == 10  # not remembered: the run is where it was
    assert json.loads(call("gallery", "stats", gallery, "--json").stdout)["run"] == str(again)


def test_a_dry_run_with_a_model_remembers_nothing(library: Path, tmp_path: Path) -> None:
    run, gallery = library / "runs" / "kidrr", library / "gallery"
    moved = run.rename(tmp_path / "moved")
    before = (gallery / "gallery.json").read_bytes()
    moved_with("10 unchanged", "sync", gallery, "--dry-run", "--model", moved)
    assert (gallery / "gallery.json").read_bytes() == before


def test_a_library_renamed_as_a_whole_is_synced_by_naming_its_new_place(library: Path) -> None:
    gallery, old = library / "gallery", library / "photos"
    rated = answers(gallery, "--where", "rating = 5")
    new = old.rename(library / "renamed")
    refused = call("sync", gallery)
    assert (refused.exit_code, f"crossgraph gallery move {gallery} {old} NEW" in refused.stderr) == (2, True)
    moved_with("0 added, 0 updated, 10 moved, 0 removed, 0 unchanged", "sync", gallery, new)
    assert answers(gallery, "--where", "rating = 5") == [path.replace(str(old), str(new)) for path in rated]
    moved_with("10 unchanged", "sync", gallery)


def test_what_is_missing_at_the_new_place_is_named(library: Path) -> None:
    gallery, old = library / "gallery", library / "photos"
    new = old.rename(library / "renamed")
    gone = sorted(new.iterdir())[0]
    gone.unlink()
    told = ("gallery", "move", gallery, old, new)
    refused = call(*told)
    assert (refused.exit_code, "--allow-missing moves the rest" in refused.stderr) == (2, True)
    assert f"{gone}: is not there" in call(*told, "--dry-run").stderr
    moved_with("9 pictures moved, 0 with other content, 1 missing", *told, "--allow-missing")
    moved_with("1 removed", "sync", gallery, old, "--allow-empty")
    assert "OLD NEW; got 1" in call("gallery", "move", gallery, old).stderr
