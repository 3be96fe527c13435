"""What messages advise is done, word for word, and what was refused then works."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import DATA, TINY, Trained, call, with_settings

SMALL = with_settings((*TINY, "model.heads=2"))


def refusal(*words: object) -> str:
    """The message with which a command is refused."""
    result = call(*words)
    assert result.exit_code == 2, result.output
    return result.stderr


def follow(message: str, **places: object) -> None:
    """Run the command that a message gives between backquotes, with what stands for FOLDER and RUN put in."""
    found = re.search("`crossgraph (.*?)`", message)
    assert found is not None, message
    done = call(*(places.get(word, word) for word in shlex.split(found[1])))
    assert done.exit_code == 0, done.stderr


def works(*words: object) -> str:
    """What a command prints."""
    result = call(*words)
    assert result.exit_code == 0, result.stderr
    return result.stdout


@pytest.fixture
def photos(trained: Trained, tmp_path: Path) -> Path:
    """Ten captioned pictures without splits."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, image in enumerate(sorted(trained.images.glob("*.jpg"))[:10]):
        shutil.copyfile(image, folder / image.name)
        (folder / image.name).with_suffix(".txt").write_text(f"scene {number} of ten")
    return folder


def test_a_gallery_that_is_not_there_is_made_as_the_message_says(
    trained: Trained, photos: Path, tmp_path: Path
) -> None:
    search = ("search", "a ball", "--gallery", tmp_path / "gallery", "--paths")
    follow(refusal(*search), FOLDER=photos, RUN=trained.dual_encoder)
    assert len(works(*search).splitlines()) == 10


def test_queries_side_by_side_are_asked_as_the_message_says(trained: Trained) -> None:
    image, more = trained.images / "00000.jpg", ("--gallery", trained.gallery, "--paths")
    for words in (("a dog", "--image", image), ("a", "dog", "--item", image), ("--image", image, "--item", image)):
        found = re.search("`crossgraph (.*?)`", refusal("search", *words, *more))
        assert found is not None
        assert len(works(*shlex.split(found[1]), *more).splitlines()) >= 9


def test_a_cascade_that_is_not_there_is_built_as_the_message_says(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "cascade").mkdir()
    message = refusal("cascade", "show", tmp_path / "cascade")
    (tmp_path / "cascade").rmdir()
    follow(message, RUN=trained.dual_encoder)
    assert "dual_encoder" in works("cascade", "show", tmp_path / "cascade")


def test_a_cache_that_cannot_be_written_is_put_elsewhere_as_the_message_says(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    train = ("train", "--data", photos, "--method", "dual_encoder", *SMALL, "--out", tmp_path / "run")
    for words in (train, ("data", "check", "scenes:4")):
        monkeypatch.setenv("CROSSGRAPH_CACHE", str(tmp_path / "file" / "cache"))
        message = refusal(*words)
        variable = re.search("[A-Z]+_[A-Z]+", message)
        assert variable is not None, message
        monkeypatch.setenv(variable[0], str(tmp_path / "cache"))
        works(*words)


def test_a_split_that_is_not_there_is_replaced_by_one_that_the_message_names(
    trained: Trained, photos: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    works("train", "--data", photos, "--method", "dual_encoder", *SMALL, "--out", run)
    evaluate = ("evaluate", "--model", run, "--data")
    message = refusal(*evaluate, photos, "--split", "test")
    assert "train and val are drawn, and all is everything" in message
    for split in ("train", "val", "all"):
        works(*evaluate, photos, "--split", split)
    message = refusal(*evaluate, DATA, "--split", "dev")
    for split in message.rpartition("it has ")[2].strip(". \n").split(", "):
        works(*evaluate, DATA, "--split", split)


def test_a_setting_that_selects_wrongly_is_changed_as_the_message_says(photos: Path, tmp_path: Path) -> None:
    words = ("train", "--data", photos, "--method", "dual_encoder", *SMALL, "--out", tmp_path / "run", "--set")
    for split in ("test", "train", "all"):
        assert "Leave the setting out: val selects" in refusal(*words, f"training.validation_split={split}")
    message = refusal(*words, "training.validation_split=dev")
    advised = re.search(r"\((training\.validation_slice=\S+)\)", message)
    assert advised is not None, message
    works(*words, advised[1].replace("0.1", "0.3"))  # a tenth of so few is too few: the next message says so
    assert "both parts need at least two" in refusal(*words[:-3], "--out", tmp_path / "other", "--set", advised[1])
    works(*words[:-3], "--out", tmp_path / "third")


def test_too_few_pictures_are_enough_when_more_are_given_as_the_message_says(photos: Path, tmp_path: Path) -> None:
    for image in sorted(photos.glob("*.jpg"))[3:]:
        image.rename(tmp_path / image.name)
    words = ("train", "--data", photos, "--method", "dual_encoder", *SMALL, "--out", tmp_path / "run")
    assert "Give more pictures with captions" in refusal(*words)
    for image in tmp_path.glob("*.jpg"):
        image.rename(photos / image.name)
    works(*words)
