"""Folders that move: a gallery is told, or finds out, where its pictures, its run and the run's encoders lie now."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.training.tiny_models import save_bert, save_vit

from .conftest import DATA, Trained, call, with_settings

MOVED = {
    "encoders/vit": "a/eye",
    "encoders/bert": "b/tongue",
    "runs/dual": "c/best",
    "gallery": "d/index",
    "photos": "e/pictures",
}
"""Everything to a place of its own, under another name."""


def done_saying(message: str, *words: object) -> str:
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
    assert "would be moved" in done_saying("10 pictures", *told, "--dry-run")
    assert "10 pictures moved, 0 with other content, 0 missing" in done_saying("-> ", *told)
    old, now = str(library / "photos"), str(new / "pictures")
    assert answers(new / "index") == [path.replace(old, now) for path in before]
    assert answers(new / "index", "--where", "rating = 5") == [path.replace(old, now) for path in rated]
    done_saying("0 added, 0 updated, 0 moved, 0 removed, 10 unchanged, 0 skipped", "sync", new / "index")
    assert call("gallery", "verify", new / "index", "--rehash").exit_code == 0


def test_a_gallery_that_moved_together_with_its_run_finds_it(library: Path, tmp_path: Path) -> None:
    new = library.rename(tmp_path / "renamed")
    assert len(answers(new / "gallery")) == 10
    told = json.loads(done_saying("", "gallery", "move", new / "gallery", library, new, "--json"))
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
    done_saying("0 pictures encoded", "gallery", "migrate", gallery, "--model", again)
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
    done_saying("10 unchanged", "sync", gallery, "--dry-run", "--model", moved)
    assert (gallery / "gallery.json").read_bytes() == before


def test_a_library_renamed_as_a_whole_is_synced_by_naming_its_new_place(library: Path) -> None:
    gallery, old = library / "gallery", library / "photos"
    rated = answers(gallery, "--where", "rating = 5")
    new = old.rename(library / "renamed")
    refused = call("sync", gallery)
    assert (refused.exit_code, f"crossgraph gallery move {gallery} {old} NEW" in refused.stderr) == (2, True)
    done_saying("0 added, 0 updated, 10 moved, 0 removed, 0 unchanged", "sync", gallery, new)
    assert answers(gallery, "--where", "rating = 5") == [path.replace(str(old), str(new)) for path in rated]
    done_saying("10 unchanged", "sync", gallery)


def test_what_is_missing_at_the_new_place_is_named(library: Path, tmp_path: Path) -> None:
    gallery, old = library / "gallery", library / "photos"
    new = old.rename(library / "renamed")
    gone = sorted(new.iterdir())[0]
    gone.unlink()
    told = ("gallery", "move", gallery, old, new)
    refused = call(*told)
    assert (refused.exit_code, "--allow-missing moves the rest" in refused.stderr) == (2, True)
    planned = call(*told, "--dry-run")
    assert f"{gone}: is not there" in planned.stderr
    assert "would be refused: 0 with other content, 1 missing; --allow-missing moves 9 pictures." in planned.stdout
    assert planned.exit_code == 2
    assert json.loads(call(*told, "--dry-run", "--json").stdout)["refused"] is True
    would = call(*told, "--dry-run", "--allow-missing")
    assert (would.exit_code, "9 pictures would be moved" in would.stdout) == (0, True)
    nowhere = call("gallery", "move", gallery, old, tmp_path / "nowhere", "--dry-run")
    assert (nowhere.exit_code, "NEW the right place?" in nowhere.stdout) == (2, True)
    done_saying("9 pictures moved, 0 with other content, 1 missing", *told, "--allow-missing")
    done_saying("1 removed", "sync", gallery, old, "--allow-empty")
    assert "OLD NEW; got 1" in call("gallery", "move", gallery, old).stderr


@pytest.fixture
def home(cache: Path, trained: Trained, tmp_path: Path) -> Path:
    """A run that was trained on encoders in folders of their own, with its gallery and its pictures."""
    home = tmp_path / "home"
    save_vit(home / "encoders" / "vit")
    save_bert(home / "encoders" / "bert")
    settings = (
        f"images.encoder={home / 'encoders' / 'vit'}",
        f"texts.encoder={home / 'encoders' / 'bert'}",
        *("images.cells=[2]", "training.epochs=1", "training.batch_size=8", "model.width=16", "model.heads=2"),
    )
    train = ("train", "--data", DATA, "--method", "dual_encoder", "--out", home / "runs" / "dual")
    done_saying("", *train, *with_settings(settings))
    (home / "photos").mkdir()
    for path in sorted(trained.images.iterdir())[:6]:
        shutil.copy(path, home / "photos")
    done_saying("6 added", "sync", home / "gallery", home / "photos", "--model", home / "runs" / "dual")
    (home / "notes.csv").write_text(f"path,rating\n{sorted((home / 'photos').iterdir())[1]},5\n")
    done_saying("1 pictures annotated", "gallery", "annotate", home / "gallery", home / "notes.csv")
    return home


def test_encoders_run_gallery_and_pictures_are_all_moved_and_renamed_and_one_command_is_enough(
    home: Path, tmp_path: Path
) -> None:
    before = answers(home / "gallery")
    new = {name: tmp_path / place for name, place in MOVED.items()}
    for name, place in new.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        (home / name).rename(place)
    shutil.rmtree(home)
    moves = [word for name, place in new.items() if name != "gallery" for word in (home / name, place)]
    told = done_saying("6 pictures moved", "gallery", "move", new["gallery"], *moves)
    assert "names the new place of its encoders" in told
    old, now = str(home / "photos"), str(new["photos"])
    assert answers(new["gallery"]) == [path.replace(old, now) for path in before]
    assert len(answers(new["gallery"], "--where", "rating = 5")) == 1
    done_saying("0 added, 0 updated, 0 moved, 0 removed, 6 unchanged, 0 skipped", "sync", new["gallery"])
    assert call("gallery", "verify", new["gallery"], "--rehash").exit_code == 0
    shutil.copy(next(new["photos"].iterdir()), tmp_path / "new.png")
    (tmp_path / "new.png").write_bytes((tmp_path / "new.png").read_bytes() + b"\0")
    done_saying("1 added", "gallery", "add", new["gallery"], tmp_path / "new.png")  # encoded by the moved encoder
