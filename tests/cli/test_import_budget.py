"""What each verb may load: whoever asks for little does not wait for torch, nor a search for what training needs."""

from __future__ import annotations

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


@pytest.mark.parametrize("words", BUDGET)
def test_a_verb_loads_no_more_than_it_needs(trained: Trained, by_minilm: Path, tmp_path: Path, words: str) -> None:
    given = {
        "MINILM": str(by_minilm),
        "DATA": DATA,
        "GALLERY": str(trained.gallery),
        "RUN": str(trained.dual_encoder),
        "IMAGE": str(next(trained.images.iterdir())),
        "NEW": str(tmp_path / "run"),
        "SENTENCE": "a red ball",
    }
    typed = [given.get(word, word) for word in words.split()]
    if typed[0] == "train":
        typed += with_settings([*TINY, "model.heads=2"])
    assert loaded_by(typed) <= BUDGET[words]


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


def loaded_by(words: list[str]) -> set[str]:
    """What of the watched modules a new process has loaded when the command is done."""
    program = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print('loaded:', *(set(sys.modules) & {WATCHED!r}), file=sys.stderr))\n"
        "from crossgraph.cli import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].removeprefix("loaded:").split())
