"""What each verb may load: whoever asks for little does not wait for torch, nor a search for what training needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import DATA, TINY, Trained, call, with_settings

pytestmark = pytest.mark.slow

PICTURES = "efficientnet_lite_pytorch"
WATCHED = {
    *("numpy", "PIL", "pyarrow", "lance", "lancedb", "torch", "transformers", "sentence_transformers", PICTURES),
    *("sklearn", "scipy", "spacy", "faiss", "matplotlib", "h5py", "jinja2"),
}
TABLES = {"numpy", "PIL", "pyarrow", "lance"}
PARSER = {"spacy", "h5py", "jinja2"}  # spaCy loads the other two

BUDGET: dict[str, set[str]] = {
    "--help": set(),
    "methods list": {"numpy"},
    "data check DATA": {"numpy", "PIL"},
    "gallery stats GALLERY": TABLES,
    "methods show kidrr": {"numpy", "torch"},
    "doctor": {"numpy", "PIL", "torch"},
    "graph SENTENCE": {"numpy", "PIL", "torch", *PARSER},
    "search SENTENCE --gallery GALLERY": {*TABLES, "torch"},
    "search SENTENCE --gallery MINILM": {*TABLES, "torch"},
    "search --image IMAGE --gallery GALLERY": {*TABLES, "torch", PICTURES},
    "evaluate --model RUN --data DATA --split test": {"numpy", "PIL", "torch", PICTURES},
    "train --method dual_encoder --data DATA --out NEW": {"numpy", "PIL", "torch", PICTURES},
}
"""What may be loaded of what is watched. Whatever a verb has no need of any more is taken out."""


def one_after_the_other() -> list[list[str]]:
    """The verbs in rows, each for one process: what a verb may load, the next may load too.

    So each is held to its own budget, and no process has to begin anew for it.
    """
    rows: list[list[str]] = []
    for words in sorted(BUDGET, key=lambda words: len(BUDGET[words])):
        fitting = [row for row in rows if BUDGET[row[-1]] <= BUDGET[words]]
        if fitting:
            fitting[-1].append(words)
        else:
            rows.append([words])
    return rows


@pytest.mark.parametrize("row", one_after_the_other(), ids=lambda row: row[-1])
def test_a_verb_loads_no_more_than_it_needs(trained: Trained, by_minilm: Path, tmp_path: Path, row: list[str]) -> None:
    given = {
        "MINILM": str(by_minilm),
        "DATA": DATA,
        "GALLERY": str(trained.gallery),
        "RUN": str(trained.dual_encoder),
        "IMAGE": str(next(trained.images.iterdir())),
        "NEW": str(tmp_path / "run"),
        "SENTENCE": "a red ball",
    }
    more = {"train": with_settings([*TINY, "model.heads=2"])}
    typed = [[*(given.get(word, word) for word in words.split()), *more.get(words.split()[0], [])] for words in row]
    loaded = dict(zip(row, loaded_by(typed), strict=True))
    assert {words: found - BUDGET[words] for words, found in loaded.items() if not found <= BUDGET[words]} == {}


def test_every_verb_is_run_in_some_process() -> None:
    assert sorted(words for row in one_after_the_other() for words in row) == sorted(BUDGET)


@pytest.fixture(scope="module")
def by_minilm(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of a run that reads sentences with MiniLM and trained its image network."""
    folder = tmp_path_factory.mktemp("minilm")
    more = ("texts.encoder=minilm", "images.trainable=true", "model.heads=2")
    words = ("train", "--data", DATA, "--method", "dual_encoder", "--out", folder / "run")
    for called in (
        (*words, *with_settings([*TINY, *more])),
        ("index", trained.images, "--gallery", folder / "gallery", "--model", folder / "run"),
    ):
        done = call(*called)
        assert done.exit_code == 0, done.stderr
    return folder / "gallery"


PROGRAM = f"""
import json, sys
from crossgraph.cli import main

for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    code = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    print("loaded:", json.dumps([code, *({WATCHED!r} & set(sys.modules))]), file=sys.stderr)
"""


def loaded_by(row: list[list[str]]) -> list[set[str]]:
    """What of the watched modules a new process has loaded when each of the commands is done."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, json.dumps(row)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line[8:]) for line in done.stderr.splitlines() if line.startswith("loaded: ")]
    assert [code for code, *_ in told] == [0] * len(row), done.stderr
    return [set(found) for _, *found in told]
