"""A search by sentence answers as with the whole model, without torch, until something asks for more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from crossgraph import verbs
from crossgraph.cli import app
from crossgraph.data.feature_cache import CACHE_VARIABLE
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
import sys
from crossgraph.cli import main

try:
    main()
finally:
    heavy = {"torch.nn", "transformers.models", "spacy.tokens", "rich.progress"} & set(sys.modules)
    assert not heavy, f"a quick search imports {heavy}"
"""


def quick_of(gallery: Path) -> QuickModel:
    model = verbs.open_to_search(gallery).model
    assert isinstance(model, QuickModel)
    return model


@pytest.mark.parametrize(
    ("query", "mode", "more"),
    [
        ("a red circle", "fast", ()),
        ("a red circle", "balanced", ()),
        ("a red circle", "balanced", ("--where", "width >= 1", "--like", "0")),
        ("a red circle", "fast", ("--captions",)),
        ("ein roter Kreis", "balanced", ()),
        ("2:a red circle + item:0 - a square", "fast", ()),
    ],
)
def test_the_command_imports_no_torch_and_answers_as_the_whole_model(
    gallery: Path, query: str, mode: str, more: tuple[str, ...]
) -> None:
    whole = verbs.open_gallery(gallery)
    liked = whole.snapshot().items["id"][0].as_py()
    words = [liked if word == "0" else word for word in more]
    query = query.replace("item:0", f"item:{liked}")
    command = [sys.executable, "-c", WITHOUT_TORCH, "search", query, "--gallery", str(gallery), "--mode", mode]
    done = subprocess.run([*command, "--json", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["results"]
    asked = ["search", query, "--gallery", str(gallery), "--mode", mode, "--json", *words]
    slow = CliRunner().invoke(app, [*asked, "--model", "default"])
    expected = json.loads(slow.stdout)["results"]
    assert len(found) >= 10
    assert [row["id"] for row in found] == [row["id"] for row in expected]
    assert np.allclose([row["score"] for row in found], [row["score"] for row in expected], atol=2e-3)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_vectors_codes_and_what_is_read_are_those_of_the_whole_model(gallery: Path, sentence: str) -> None:
    model = quick_of(gallery)
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


def test_what_refuses_torch_can_refuse(gallery: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, "search", "a red circle", "--gallery", str(gallery)]
    done = subprocess.run([*command, "--mode", "best"], capture_output=True, text=True, check=False)
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
