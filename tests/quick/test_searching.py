"""A search by sentence answers as with the whole model, without torch, until something asks for more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from crossgraph import verbs
from crossgraph.cli import app
from crossgraph.data.feature_cache import CACHE_VARIABLE
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.stages.model import encode_texts_for_stages
from crossgraph.gallery.stages.modes import MODES
from crossgraph.quick.model import QuickModel

SENTENCES = [
    "a red circle above a blue square",
    "two dogs",
    "",
    "!!",
    "xyzzy the 🔴 plugh",
    "ein Hund läuft durch den tiefen Schnee",
    "Straßenbahnhaltestelle",
    "两只狗在雪地里奔跑",
    "собака",
]

WITHOUT_TORCH = """
import json, sys
from crossgraph.cli import main

for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, ended.code
heavy = {"torch.nn", "transformers.models", "spacy.tokens", "rich.progress"} & set(sys.modules)
assert not heavy, f"a quick search imports {heavy}"
"""
QUERIES: list[tuple[str, str, tuple[str, ...]]] = [
    ("a red circle", "fast", ()),
    ("a red circle", "balanced", ()),
    ("a red circle", "balanced", ("--where", "width >= 1", "--like", "0")),
    ("a red circle", "fast", ("--captions",)),
    ("ein roter Kreis", "balanced", ()),
    ("2:a red circle + item:0 - a square", "fast", ()),
]
"""What is asked, how carefully, and what more is said; 0 stands for a picture of the gallery."""


@pytest.fixture(scope="module")
def model(indexed: Path) -> Iterator[QuickModel]:
    """The model of the gallery, as a search opens it; its whole is loaded once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(indexed / "cache"))
        opened = verbs.open_to_search(indexed / "gallery").model
        assert isinstance(opened, QuickModel)
        yield opened


@pytest.fixture(scope="module")
def asked(indexed: Path) -> list[list[str]]:
    """A command for each query."""
    gallery = indexed / "gallery"
    liked = Gallery.open(gallery).snapshot().items["id"][0].as_py()
    commands = []
    for query, mode, more in QUERIES:
        query, words = query.replace("item:0", f"item:{liked}"), [liked if word == "0" else word for word in more]
        commands.append(["search", query, "--gallery", str(gallery), "--mode", mode, "--json", *words])
    return commands


@pytest.fixture(scope="module")
def found_without_torch(asked: list[list[str]], indexed: Path) -> list[list[dict[str, Any]]]:
    """What one new process answers to all of them, having imported no torch."""
    done = run_without_torch(asked, indexed / "cache")
    assert done.returncode == 0, done.stderr
    answers: list[list[dict[str, Any]]] = []
    start = 0
    while start < len(done.stdout.rstrip()):
        answer, start = json.JSONDecoder().raw_decode(done.stdout, start)
        answers.append(answer["results"])
        start += len(done.stdout[start:]) - len(done.stdout[start:].lstrip())
    assert len(answers) == len(asked)
    return answers


def run_without_torch(commands: list[list[str]], cache: Path) -> subprocess.CompletedProcess[str]:
    """A new process that carries them out, and complains if it imported torch for it."""
    told = [sys.executable, "-c", WITHOUT_TORCH, json.dumps(commands)]
    environment = {**os.environ, CACHE_VARIABLE: str(cache)}
    return subprocess.run(told, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize(
    "place", range(len(QUERIES)), ids=[" ".join((mode, query, *more)) for query, mode, more in QUERIES]
)
def test_the_command_imports_no_torch_and_answers_as_the_whole_model(
    gallery: Path, asked: list[list[str]], found_without_torch: list[list[dict[str, Any]]], place: int
) -> None:
    found = found_without_torch[place]
    slow = CliRunner().invoke(app, [*asked[place], "--model", "default"])
    expected = json.loads(slow.stdout)["results"]
    assert len(found) >= 10
    assert [row["id"] for row in found] == [row["id"] for row in expected]
    assert np.allclose([row["score"] for row in found], [row["score"] for row in expected], atol=2e-3)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_vectors_codes_and_what_is_read_are_those_of_the_whole_model(model: QuickModel, sentence: str) -> None:
    quick = encode_texts_for_stages(model, [sentence], fine=False)
    assert quick.fine is None
    whole = encode_texts_for_stages(model.whole, [sentence])
    assert quick.codes is not None
    assert whole.codes is not None
    assert np.abs(quick.vectors - whole.vectors).max() <= 1e-3
    assert float(quick.vectors[0] @ whole.vectors[0]) >= 0.99999
    assert int(np.bitwise_count(quick.codes ^ whole.codes).sum()) <= 2
    assert model.understanding(sentence) == model.whole.understanding(sentence)


def test_every_mode_answers_as_the_whole_model_does(gallery: Path) -> None:
    quick, whole = verbs.open_to_search(gallery), verbs.open_gallery(gallery)
    for mode in MODES:
        options = SearchOptions(k=12, mode=mode)
        for sentence in ("a red circle above a blue square", "ein roter Kreis", "a circle"):
            found, expected = quick.search(sentence, options), whole.search(sentence, options)
            assert [row.id for row in found.results] == [row.id for row in expected.results]
            assert (found.stage, found.verdict, found.notes) == (expected.stage, expected.verdict, expected.notes)


def test_what_refuses_torch_can_refuse(indexed: Path) -> None:
    command = ["search", "a red circle", "--gallery", str(indexed / "gallery"), "--mode", "best"]
    done = run_without_torch([command], indexed / "cache")
    assert done.stdout, "it answers all the same"
    assert "a quick search imports" in done.stderr


def test_a_model_that_was_never_checked_is_loaded_whole_once(
    gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert not isinstance(verbs.open_to_search(gallery).model, QuickModel)
    assert isinstance(verbs.open_to_search(gallery).model, QuickModel)
    noted = json.loads((tmp_path / "verified.json").read_text(encoding="utf-8"))
    (files,) = noted.values()
    assert {Path(file).name for file, _, _ in files} >= {"weights.safetensors", "model.safetensors", "manifest.json"}
    files[0][2] += 1  # as if it had been written since
    (tmp_path / "verified.json").write_text(json.dumps(noted), encoding="utf-8")
    assert not isinstance(verbs.open_to_search(gallery).model, QuickModel)


def test_a_model_that_is_named_is_loaded_whole(gallery: Path) -> None:
    assert not isinstance(verbs.open_to_search(gallery, model="default").model, QuickModel)


def test_a_search_needs_no_cache_folder_that_can_be_written(
    gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    assert verbs.open_to_search(gallery).search("a red circle", SearchOptions(mode="fast")).results
    assert os.path.isfile(tmp_path / "file")
