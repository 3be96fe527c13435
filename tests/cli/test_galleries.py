"""Verbs that look after a gallery, on copies of the trained one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

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


def test_a_cell_that_makes_numbers_text_and_notes_of_edited_pictures_are_named(gallery: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    first, second, third = sorted(folder.iterdir())[:3]
    notes = tmp_path / "notes.csv"
    notes.write_text(f"path,stars,who\n{first},5,Ann\n{second},3,7\n{third},abc,Ben\n")
    done = call("gallery", "annotate", gallery, notes)
    assert done.exit_code == 0
    said = f"stars holds text because 1 of its 3 values are no number: 'abc' of {third.name}."
    assert done.stderr == f"note: {said}\n"
    wrong = call("search", "a ball", "--gallery", gallery, "--where", "stars > 3")
    assert said in " ".join(wrong.stderr.split())
    Image.new("RGB", (9, 9)).save(first)
    synced = call("sync", gallery)
    assert "note: notes of 1 pictures stay with their names though the contents changed" in synced.stderr
    assert "1 updated" in synced.stdout


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
    notes.write_text(f"path,kind,year\n{third},Airport,1999\nnothing.png,Port,2000\n{third},one, two,3\n")
    partly = call("gallery", "annotate", gallery, notes)
    assert (partly.exit_code, "1 pictures annotated" in partly.stdout) == (1, True)
    assert "2 of 3 rows were left out" in partly.stderr
    assert "line 3: no picture of the gallery has the id or path 'nothing.png'" in partly.stderr
    assert "line 4: it has 4 cells, and the header 3" in partly.stderr
    told = json.loads(call("gallery", "annotate", gallery, notes, "--json").stdout)
    assert [row["line"] for row in told["left_out"]] == [3, 4]
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


def test_a_sync_says_which_pictures_lose_their_labels_and_why(trained: Trained, tmp_path: Path) -> None:
    folder, gallery = tmp_path / "classes", tmp_path / "gallery"
    for number, path in enumerate(sorted(trained.images.iterdir())[:4]):
        (folder / ("cat", "dog")[number % 2]).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / ("cat", "dog")[number % 2])
    assert call("sync", gallery, folder, "--model", trained.dual_encoder).exit_code == 0
    (folder / "cat" / "sub").mkdir()
    shutil.copy(max(trained.images.iterdir()), folder / "cat" / "sub")
    planned = call("sync", gallery, "--dry-run")
    assert "(labels)" in planned.stdout
    because = f"{folder} is no longer read as class folders because of {folder}/cat/sub"
    assert f"4 pictures would lose their labels: {because}" in planned.stderr
    told = json.loads(call("sync", gallery, "--dry-run", "--json").stdout)
    assert [(one["source"], one["count"]) for one in told["labels_lost"]] == [(str(folder), 4)]
    assert {tuple(one["differs"]) for one in told["changes"] if one["kind"] == "change"} == {("labels",)}
    assert "4 pictures lost their labels" in call("sync", gallery).stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("gallery", "remove", "GALLERY"), "name the pictures to remove"),
        (("gallery", "add", "GALLERY", "a.png", "b.png", "--id", "x"), "--id names one picture"),
        (("gallery", "export", "GALLERY", "--format", "xml"), "unknown format"),
        (("gallery", "optimize", "GALLERY", "--keep", "-1"), "at least 0 minutes"),
        (("sync", "GALLERY", "--watch", "0"), "seconds above 0"),
        (("sync", "GALLERY", "--watch", "nan"), "seconds above 0"),
        (("sync", "GALLERY", "--watch", "inf"), "seconds above 0, at most a year's"),
        (("sync", "GALLERY", "--watch", "1e300"), "seconds above 0, at most a year's"),
        (("gallery", "optimize", "GALLERY", "--keep", "nan"), "at least 0 minutes"),
        (("gallery", "optimize", "GALLERY", "--keep", "1e300"), "at most a year's"),
        (("gallery", "export", "GALLERY", "--out", "nowhere.xls"), "an export ends in .csv"),
        (("sync", "GALLERY", "--forget", "x", "--rehash", "--watch", "3"), "goes without --rehash and --watch"),
        (("sync", "GALLERY", "PICTURES", "--forget", "x", "--allow-empty"), "without FOLDERS and --allow-empty"),
        (("sync", "GALLERY", "nowhere"), "nowhere: no such folder or file"),
        (("sync", "elsewhere"), "there is nothing at elsewhere. Make a gallery there with `crossgraph index FOLDER"),
        (("search", "a", "--gallery", "elsewhere"), "there is nothing at elsewhere"),
        (("sync", "PICTURES", "nowhere"), "the gallery is named first: crossgraph sync GALLERY"),
        (("gallery", "annotate", "notes.csv"), "/gallery notes.csv`"),
        (("gallery", "add", "a.jpg"), "/gallery a.jpg`"),
        (("index", "nosuch", "--gallery", "GALLERY"), "nosuch: no such folder or file. Give a folder of pictures"),
        (("sync", "GALLERY", "--forget", "nowhere"), "remembers no folders"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_message(trained: Trained, words: tuple[str, ...], message: str) -> None:
    places = {"GALLERY": trained.gallery, "PICTURES": trained.images}
    done = call(*(places.get(word, word) for word in words))
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("error:") == 1


def test_rows_and_texts_that_were_not_used_are_listed_by_index_and_sync(trained: Trained, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (32, 32), (80 * number, 40, 90)).save(folder / f"{number}.png")
    (folder / "captions.csv").write_text("image,caption\n0.png,a dark square\n9.png,a lost one\n1.png,a square\n")
    (folder / "notes.csv").write_text("image,caption\n2.png,another table\n")
    gallery = tmp_path / "gallery"
    done = call("index", folder, "--gallery", gallery, "--model", trained.dual_encoder)
    assert done.exit_code == 0
    assert "1 rows of caption files were skipped" in done.stderr
    assert "captions.csv, line 3: '9.png'" in done.stderr
    told = json.loads(call("sync", gallery, "--json").stdout)
    assert [(row["path"], row["where"]) for row in told["skipped_rows"]] == [(str(folder / "captions.csv"), "line 3")]
    assert [one["path"] for one in told["unused"]] == [str(folder / "notes.csv")]
    assert str(folder / "notes.csv") in done.stderr


def test_a_folder_is_forgotten_but_for_a_dry_run(gallery: Path, tmp_path: Path) -> None:
    folder = str(tmp_path / "photos")

    def sources() -> list[str]:
        told = json.loads(call("gallery", "stats", gallery, "--json").stdout)
        assert told["gallery"] == str(gallery)
        return list(told["sources"])

    done = call("sync", gallery, "--forget", folder, "--dry-run")
    assert done.stdout == f"{gallery} would look at {folder} no longer; its pictures would stay.\n"
    assert sources() == [folder]
    wrong = call("sync", gallery, "--forget", folder + "x", "--dry-run")
    assert (wrong.exit_code, "Did you mean" in wrong.stderr) == (2, True)
    done = call("sync", gallery, "--forget", folder, "--json")
    assert json.loads(done.stdout) == {"gallery": str(gallery), "dry_run": False, "forgotten": folder}
    assert sources() == []


def test_only_what_fits_is_removed_of_what_is_named(gallery: Path, tmp_path: Path) -> None:
    first, second, third = sorted((tmp_path / "photos").iterdir())[:3]
    done = call("gallery", "remove", gallery, first.name, second, "--where", f"name != '{first.name}'")
    assert done.stdout == f"{gallery}: 1 removed\n"
    assert done.stderr == f"note: {first.name} does not fit --where, and stays\n"
    told = json.loads(call("gallery", "remove", gallery, first, "--where", "width < 0", "--json").stdout)
    assert (told["removed"], told["unfit"]) == ([], [str(first)])
    gone = call("gallery", "remove", gallery, third, "nosuch.png", "--where", "width > 0")
    assert (gone.exit_code, "nosuch.png" in gone.stderr) == (2, True)
    left = call("gallery", "export", gallery).stdout.splitlines()
    assert (str(first) in left, str(second) in left, str(third) in left) == (True, False, True)
    assert "9 removed" in call("gallery", "remove", gallery, "--where", "width > 0").stdout


def test_adding_lists_what_is_skipped_and_leaves_out_empty_texts(gallery: Path, tmp_path: Path) -> None:
    picture = tmp_path / "good.png"
    Image.new("RGB", (40, 40), (9, 90, 200)).save(picture)
    words = ("--caption", "", "--caption", "a blue one", "--label", " ")
    done = call("gallery", "add", gallery, tmp_path / "nosuch.png", picture, *words)
    assert (done.exit_code, "1 added" in done.stdout, "nosuch.png" in done.stderr) == (1, True, True)
    exported = call("gallery", "export", gallery, "--format", "jsonl", "--where", "name = 'good.png'").stdout
    told = json.loads(exported)
    assert (told["caption"], told["label"]) == (["a blue one"], [])
