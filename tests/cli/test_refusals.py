"""Mistakes get one clear message on stderr and exit code 2, without a traceback."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from crossgraph.cli import app
from tests.cli.conftest import DATA, TINY, Trained, call, with_settings


def refusal(*words: object) -> str:
    """The message with which a command is refused."""
    result = call(*words)
    assert result.exit_code == 2, result.output
    assert not result.stdout
    assert "Traceback" not in result.stderr
    return result.stderr


def test_an_unknown_method_gets_the_nearest_name(tmp_path: Path) -> None:
    assert "Did you mean 'kidrr'?" in refusal("train", "--data", DATA, "--method", "kidr", "--out", tmp_path / "run")
    assert "Did you mean 'kidrr'?" in refusal("methods", "show", "kidr")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training.epoch=3", "Did you mean 'training.epochs'?"),
        ("model.widht=8", "Did you mean 'model.width'?"),
        ("training.epochs=0", "training.epochs"),
        ("training.epochs", "section.key=value"),
    ],
)
def test_a_wrong_setting_is_named_before_any_work(cache: Path, tmp_path: Path, setting: str, message: str) -> None:
    run = tmp_path / "run"
    assert message in refusal("train", "--data", DATA, "--method", "kidrr", "--out", run, "--set", setting)
    assert not run.exists()


def test_training_needs_a_method(tmp_path: Path) -> None:
    assert "--method" in refusal("train", "--data", DATA, "--out", tmp_path / "run")


def test_a_run_is_not_written_over(trained: Trained) -> None:
    message = refusal("train", "--data", DATA, "--method", "kidrr", "--out", trained.kidrr)
    assert "--resume" in message


def test_resuming_with_other_settings_is_refused(trained: Trained) -> None:
    words = ("train", "--resume", "--data", DATA, "--method", "dual_encoder", "--out", trained.dual_encoder)
    message = refusal(*words, *with_settings(TINY), "--set", "model.heads=2", "--set", "training.epochs=2")
    assert "other settings" in message.splitlines()[-1]


def test_changes_alone_are_laid_over_the_settings_of_a_resumed_run(trained: Trained) -> None:
    words = ("train", "--resume", "--data", DATA, "--out", trained.dual_encoder, "--set", "training.clip=7.0")
    message = refusal(*words).splitlines()[-1]
    assert "other settings or other data (training.clip 2.0, now 7.0); resume with the same ones" in message


COMPUTING = (
    ("demo",),
    ("train", "--data", "none", "--method", "kidrr", "--out", "run"),
    ("pretrained", "folder", "--out", "run"),
    ("evaluate", "--data", "none", "--model", "run"),
    ("ablate", "--data", "none", "--method", "kidrr", "--out", "runs"),
    ("cascade", "build", "--out", "cascade"),
    ("calibrate", "run"),
    ("pretrained", "folder", "--out", "run"),
    ("teach", "run", "--captions", "captions.jsonl", "--data", "folder", "--out", "taught"),
    ("ensemble", "one", "other", "--out", "run"),
    ("query-bank", "run", "--data", "none", "--out", "bank"),
    ("index", "folder", "--gallery", "gallery"),
    ("serve", "--gallery", "gallery"),
    ("sync", "gallery"),
    ("gallery", "migrate", "gallery", "--model", "run"),
    ("gallery", "add", "gallery", "picture.jpg"),
    ("search", "query", "--gallery", "gallery"),
    ("explain", "sentence", "picture.jpg", "--model", "run", "--out", "why.png"),
)


@pytest.mark.parametrize("words", COMPUTING, ids=lambda words: " ".join(words[:2]))
def test_every_verb_that_computes_refuses_a_device_that_is_not_there_before_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    message = refusal(*words, "--device", "cuda")
    assert message.startswith("error: device 'cuda' needs ")
    assert len(message.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
    assert "Did you mean 'cuda'?" in refusal(*words, "--device", "gpu")


def test_every_verb_with_a_device_is_among_those_that_are_tested() -> None:
    assert {" ".join(path) for path in verbs_with("--device")} == {
        " ".join(words[: 2 if words[0] in ("cascade", "gallery") else 1]) for words in COMPUTING
    }


def verbs_with(option: str) -> list[tuple[str, ...]]:
    """Every verb that has this option, as the words that name it."""
    found: list[tuple[str, ...]] = []
    waiting: list[tuple[tuple[str, ...], Any]] = [((), get_command(app))]
    while waiting:
        path, command = waiting.pop()
        waiting += [((*path, name), one) for name, one in getattr(command, "commands", {}).items()]
        found += [path for parameter in command.params if option in parameter.opts]
    return found


def test_resuming_nothing_is_refused(tmp_path: Path) -> None:
    assert "no run to resume" in refusal(
        "train", "--resume", "--data", DATA, "--method", "kidrr", "--out", tmp_path / "run"
    )


@pytest.mark.parametrize("verb", [("data", "check"), ("index", "--gallery", "g", "--model", "r")])
def test_a_missing_folder_is_named(tmp_path: Path, verb: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "nowhere" in refusal(*verb, "nowhere") or verb[0] == "index"


def test_what_is_no_run_is_named(cache: Path, tmp_path: Path) -> None:
    assert f"{tmp_path} is not a trained run" in refusal("evaluate", "--model", tmp_path, "--data", DATA)


def test_an_unknown_split_gets_the_known_ones(trained: Trained) -> None:
    message = refusal("evaluate", "--model", trained.dual_encoder, "--data", DATA, "--split", "dev")
    assert "train, val, test" in message


def test_two_stages_need_a_method_that_reranks_and_blend_needs_two_stages(trained: Trained) -> None:
    words = ("evaluate", "--model", trained.dual_encoder, "--data", DATA)
    assert "nothing to re-rank with" in refusal(*words, "--two-stage", 3)
    assert "--two-stage" in refusal(*words, "--blend", 0.5)


@pytest.mark.parametrize("blend", ["nan", "inf", "-1"])
def test_a_blend_is_a_finite_number_of_0_or_more(trained: Trained, tmp_path: Path, blend: str) -> None:
    message = f"finite number of 0 or more; got {float(blend)}"
    words = ("evaluate", "--model", trained.kidrr, "--data", DATA, "--two-stage", 3)
    assert message in " ".join(refusal(*words, "--blend", blend).split())
    build = ("cascade", "build", "--out", tmp_path / "cascade", "--rerank", trained.kidrr)
    assert message in " ".join(refusal(*build, "--blend", blend).split())
    assert not (tmp_path / "cascade").exists()


def test_a_precision_of_pairs_is_for_methods_that_multiply_pairs(trained: Trained) -> None:
    words = ("evaluate", "--model", trained.dual_encoder, "--data", DATA, "--pair-precision")
    assert "does not score picture by picture" in refusal(*words, "bfloat16")
    assert "Did you mean 'bfloat16'?" in refusal(*words, "bfloat61")
    assert "--pair-precision" in refusal(*words, "bfloat16", "--protocol", "train-database")


def test_what_is_no_gallery_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path} is not a gallery" in refusal("search", "a ball", "--gallery", tmp_path)


def test_a_folder_without_pictures_is_not_served(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "list.txt").write_text("nothing of note")
    message = refusal("serve", tmp_path / "pictures", "--gallery", tmp_path / "gallery")
    assert str(tmp_path / "pictures") in message
    assert "no pictures" in message
    assert not (tmp_path / "gallery").exists()


def test_a_gallery_refuses_another_model(trained: Trained) -> None:
    message = refusal("search", "a ball", "--gallery", trained.gallery, "--model", trained.dual_encoder)
    assert "cannot be compared" in message


def test_an_unreadable_picture_is_named_with_its_reason(trained: Trained, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff but no more")
    assert f"{broken}: " in refusal("search", "--image", broken, "--gallery", trained.gallery)
    words = ("explain", "a ball", broken, "--model", trained.kidrr, "--out", tmp_path / "overlay.png")
    assert f"{broken}: " in refusal(*words)


def test_a_drawing_needs_a_picture_ending(trained: Trained, tmp_path: Path) -> None:
    image = trained.images / "00000.jpg"
    words = ("explain", "a ball", image, "--model", trained.kidrr, "--out", tmp_path / "overlay")
    assert ".png" in refusal(*words)


@pytest.mark.parametrize("query", [(), ("a ball", "--item", "x"), ("--image", "x.jpg", "--item", "x")])
def test_exactly_one_query_is_asked_for(trained: Trained, query: tuple[str, ...]) -> None:
    assert "exactly one query" in refusal("search", *query, "--gallery", trained.gallery)


def test_an_unknown_item_and_an_empty_sentence_are_refused(trained: Trained) -> None:
    assert "nothing.jpg" in refusal("search", "--item", "nothing.jpg", "--gallery", trained.gallery)
    assert "empty" in refusal("search", " ", "--gallery", trained.gallery)


def test_a_folder_that_cannot_be_written_is_named(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = ("explain", "a ball", trained.images / "00000.jpg", "--model", trained.kidrr)
    assert str(tmp_path / "file") in refusal(*words, "--out", tmp_path / "file" / "overlay.png")


@pytest.mark.parametrize("words", [("serach",), ("search", "--galery", "g"), ("methods", "shwo")])
def test_an_unknown_command_or_option_is_refused(words: tuple[str, ...]) -> None:
    assert "No such" in refusal(*words)


@pytest.mark.parametrize("verb", ["index", "search", "sync"])
def test_a_gallery_at_an_address_of_another_kind_is_refused_and_leaves_no_folder(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("gs://b/g", ".") if verb == "sync" else (".", "--gallery", "gs://b/g")
    assert "'gs://b/g' is neither a folder nor an address that is known" in refusal(verb, *words)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_the_user_may_be_named_by_its_sign(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copytree(trained.images, tmp_path / "photos", ignore=shutil.ignore_patterns("000[1-9]*"))
    assert call("cascade", "build", "--dense", trained.dual_encoder, "--out", "~/made").exit_code == 0
    assert call("index", "~/photos", "--gallery", "~/gallery", "--model", "~/made").exit_code == 0
    assert call("sync", "~/gallery", "~/photos").exit_code == 0
    assert list((tmp_path / "here").iterdir()) == []
    assert (tmp_path / "made" / "cascade.json").is_file()
    assert (tmp_path / "gallery" / "gallery.json").is_file()


def commands(command: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every command by the words that name it."""
    found = {path: command}
    for name, below in getattr(command, "commands", {}).items():
        found |= commands(below, (*path, name))
    return found


EVERY = commands(get_command(app))


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_help_shows_what_stands_in_brackets(path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Brackets around a word are markup for what prints help, and would be eaten."""
    monkeypatch.setenv("COLUMNS", "2000")
    shown = " ".join(call(*path, "--help").stdout.split())
    command = EVERY[path]
    texts = [command.help or "", *(getattr(one, "help", None) or "" for one in command.params)]
    for text in texts:
        for piece in re.findall(r"\S*\[\S*", text.replace("\\[", "[")):
            assert piece in shown
