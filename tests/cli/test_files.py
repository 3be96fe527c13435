"""Files with odd names and odd folders at the command line, and what is told about them, followed to its end."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from crossgraph.cli.output import shown, shown_lines
from tests.cli.conftest import DATA, TINY, Trained, call, with_settings
from tests.cli.test_refusals import refusal

HOSTILE = "\x1b[2J\x07\u202egpj\n.jpg"


@pytest.fixture
def photos(trained: Trained, tmp_path: Path) -> Path:
    """Two pictures, of which one has a hostile name, a RAW file, a broken picture, and what is no picture."""
    folder = tmp_path / "photos"
    folder.mkdir()
    first, second = sorted(trained.images.iterdir())[:2]
    shutil.copy(first, folder / "a.png")
    shutil.copy(second, folder / HOSTILE)
    (folder / "raw.dng").write_bytes(b"II*\0")
    (folder / os.fsdecode(b"\xff\x1b[31m.jpg")).write_bytes(b"broken")
    (folder / "film.mp4").write_bytes(b"film")
    (folder / "@eaDir").mkdir()
    shutil.copy(first, folder / "@eaDir" / "thumb.png")
    return folder


SUM = "read 2, skipped 2, of no interest 1 (.mp4 1), left out 1 (@eaDir 1)"


def is_safe(text: str) -> bool:
    return not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)


def test_what_a_name_would_do_to_a_terminal_is_written_as_escapes() -> None:
    assert shown(HOSTILE) == r"\x1b[2J\x07\u202egpj\n.jpg"
    assert shown(os.fsdecode(b"\xff.jpg")) == r"\xff.jpg"
    assert shown("Grüße 猫 \N{ZERO WIDTH JOINER}\u202f.jpg") == "Grüße 猫 \N{ZERO WIDTH JOINER}\u202f.jpg"
    assert shown_lines("a\n\rb") == "a\n\\rb"


def test_check_index_and_sync_count_every_file_and_print_no_raw_names(
    trained: Trained, photos: Path, tmp_path: Path
) -> None:
    gallery = tmp_path / "gallery"
    for words in (
        ("data", "check", photos),
        ("index", photos, "--gallery", gallery, "--model", trained.dual_encoder),
        ("sync", gallery),
        ("sync", gallery, "--dry-run"),
        ("gallery", "stats", gallery, "--skipped"),
        ("search", "a ball", "--gallery", gallery),
    ):
        result = call(*words)
        assert is_safe(result.stdout), result.stdout
        assert is_safe(result.stderr), result.stderr
        assert words[0] in ("gallery", "search") or SUM in result.stdout
        assert words[0] == "search" or "raw.dng: a camera's RAW file" in result.stderr
    told = json.loads(call("sync", gallery, "--json").stdout)
    assert (told["read"], len(told["skipped"])) == (2, 2)
    assert told["files"] == {"texts": 0, "uninteresting": {".mp4": 1}, "left_out": {"@eaDir": 1}}
    assert json.loads(call("data", "check", photos, "--json").stdout)["files"] == told["files"]


def test_paths_can_be_parted_by_nul(trained: Trained, photos: Path, tmp_path: Path) -> None:
    gallery = tmp_path / "gallery"
    call("index", photos, "--gallery", gallery, "--model", trained.dual_encoder)
    expected = {str(photos / "a.png"), str(photos / HOSTILE)}
    for words in (
        ("search", "a ball", "--gallery", gallery, "--paths", "--print0"),
        ("gallery", "export", gallery, "--format", "paths", "--print0"),
    ):
        parts = call(*words).stdout.split("\0")
        assert (set(parts[:-1]), parts[-1]) == (expected, "")
    call("gallery", "export", gallery, "--out", tmp_path / "list", "--print0")
    assert set((tmp_path / "list").read_text().split("\0")[:-1]) == expected
    assert "--paths" in refusal("search", "a ball", "--gallery", gallery, "--print0")
    assert "--format paths" in refusal("gallery", "export", gallery, "--format", "csv", "--print0")


def test_patterns_are_left_out_by_check_index_and_sync(trained: Trained, photos: Path, tmp_path: Path) -> None:
    gallery = tmp_path / "gallery"
    without = "left out 2 (@eaDir 1, --exclude 1)"
    assert without in call("data", "check", photos, "--exclude", "a.*").stdout
    words = ("index", photos, "--gallery", gallery, "--model", trained.dual_encoder, "--exclude", "a.*")
    assert without in call(*words).stdout
    assert without in call("sync", gallery).stdout
    assert SUM in call("sync", gallery, "--exclude", "").stdout


def test_a_picture_above_the_limit_names_the_setting_which_then_helps(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSGRAPH_MAX_PIXELS", "1")  # so that what the option sets is undone
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(next(trained.images.iterdir()), folder / "a.png")
    result = call("data", "check", folder)
    assert result.exit_code == 1
    assert "--max-pixels" in result.stderr
    assert call("data", "check", folder, "--max-pixels", 10**6).exit_code == 0


def test_a_failed_first_sync_leaves_no_gallery_and_its_advice_works(trained: Trained, photos: Path) -> None:
    gallery = photos.parent / "gallery"
    words = ("--model", trained.dual_encoder)
    message = refusal("sync", gallery, photos.parent / "photo", *words)
    assert not gallery.exists()
    meant = re.search(r"Did you mean (.*)\?", message)
    assert meant is not None
    assert call("sync", gallery, meant[1], *words).exit_code == 0


def test_a_folder_that_is_not_there_is_called_that_and_the_near_one_works(photos: Path) -> None:
    message = refusal("data", "check", photos.parent / "photoss")
    assert "no such folder or file" in message
    assert "unknown corpus" not in message
    meant = re.search(r"Did you mean (.*?)\?", message)
    assert meant is not None
    assert SUM in call("data", "check", meant[1]).stdout


def test_an_empty_text_is_no_folder_and_the_dot_is_this_one(
    trained: Trained, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    gallery = tmp_path / "gallery"
    for words in (
        ("data", "check", ""),
        ("index", "", "--gallery", gallery, "--model", trained.dual_encoder),
        ("sync", gallery, "", "--model", trained.dual_encoder),
        ("train", "--data", " ", "--method", "dual_encoder", "--out", tmp_path / "run"),
        ("evaluate", "--data", "", "--model", trained.dual_encoder),
    ):
        assert ". is this folder" in refusal(*words)
    assert SUM in call("data", "check", ".").stdout


def test_a_run_cannot_be_a_file_and_a_new_folder_works(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    words = (
        "train",
        "--data",
        DATA,
        "--method",
        "dual_encoder",
        *with_settings(TINY),
        "--set",
        "model.heads=2",
        "--out",
    )
    assert "give one that is new" in refusal(*words, tmp_path / "run")
    assert (tmp_path / "run").read_text() == "mine"
    assert call(*words, tmp_path / "new").exit_code == 0


def test_a_sub_folder_that_is_empty_is_told_and_the_advice_removes(
    trained: Trained, photos: Path, tmp_path: Path
) -> None:
    (photos / "disk").mkdir()
    shutil.copy(sorted(trained.images.iterdir())[2], photos / "disk" / "c.png")
    gallery = tmp_path / "gallery"
    call("sync", gallery, photos, "--model", trained.dual_encoder)
    (photos / "disk" / "c.png").unlink()
    assert "sync with --allow-empty" in call("sync", gallery).stderr
    assert "1 removed" in call("sync", gallery, photos, "--allow-empty").stdout


def test_options_that_exclude_each_other_say_so(trained: Trained) -> None:
    words = ("evaluate", "--data", DATA, "--model", trained.dual_encoder, "--split", "val")
    assert "one of --json and --markdown" in refusal(*words, "--json", "--markdown")


def test_an_offset_past_the_end_says_so(trained: Trained) -> None:
    words = ("search", "a ball", "--gallery", trained.gallery, "--unfold")
    result = call(*words, "--offset", 4000)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "smaller --offset" in result.stderr
    assert call(*words, "--offset", 2).stdout


@pytest.mark.parametrize("sentence", ["", "  "])
def test_an_empty_sentence_is_not_explained(trained: Trained, tmp_path: Path, sentence: str) -> None:
    image = next(trained.images.iterdir())
    message = refusal("explain", sentence, image, "--model", trained.kidrr, "--out", tmp_path / "why.png")
    assert "the sentence is empty" in message
