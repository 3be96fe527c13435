"""One tiny cascade, trained through the command line once, and a gallery made with it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner, Result

from crossgraph.cli import app
from crossgraph.encoders import names

DATA = "scenes:40:1"
TINY = (
    "images.size=64",
    "images.cells=[2]",
    "training.epochs=1",
    "training.batch_size=8",
    "texts.min_count=1",
    "model.width=16",
    "model.word_width=16",
)


def with_settings(settings: Sequence[str]) -> list[str]:
    """`--set` before each setting."""
    return [word for setting in settings for word in ("--set", setting)]


def call(*words: object) -> Result:
    """Run `crossgraph` with these words; anything but a clean exit is raised."""
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


@dataclass(frozen=True)
class Trained:
    """Where the runs, their gallery and the pictures are."""

    dual_encoder: Path
    kidrr: Path
    gallery: Path
    images: Path


@pytest.fixture(scope="session")
def cache(session_cache: Path) -> Path:
    """Where what is drawn and read is kept."""
    return session_cache


@pytest.fixture(scope="session")
def trained(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A dual encoder, KIDRR with it as shortlist, and a gallery of all pictures."""
    root = tmp_path_factory.mktemp("trained")
    found = Trained(root / "dual", root / "kidrr", root / "gallery", cache / "scenes-40-1" / "images")
    train = ("train", "--data", DATA, *with_settings(TINY))
    for words in (
        (*train, "--method", "dual_encoder", "--out", found.dual_encoder, "--set", "model.heads=2"),
        (*train, "--method", "kidrr", "--out", found.kidrr, "--shortlist", found.dual_encoder),
        ("index", DATA, "--gallery", found.gallery, "--model", found.kidrr),
    ):
        result = call(*words)
        assert result.exit_code == 0, result.stderr
    return found


@pytest.fixture(scope="session")
def cascade(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random codes, the dual encoder, KIDRR."""
    out = tmp_path_factory.mktemp("cascade") / "cascade"
    words = ("--codes", "random:16", "--dense", trained.dual_encoder, "--rerank", trained.kidrr)
    assert call("cascade", "build", *words, "--out", out).exit_code == 0
    return out


@pytest.fixture(scope="session")
def packed(cascade: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, packed, in a folder as a package has it: what stands in for the default model."""
    out = tmp_path_factory.mktemp("package") / "stand_in" / "cascade"
    done = call("cascade", "pack", cascade, "--out", out)
    assert done.exit_code == 0, done.stderr
    return out


@pytest.fixture
def default_model(packed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the model `default`, which the packed cascade is for one test."""
    return install_as_default(packed.parent, monkeypatch)


def install_as_default(package: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have `default` mean the folder `cascade` of `package`, which need not be there; that folder."""
    module = ModuleType("stand_in")
    module.__file__ = str(package / "__init__.py")
    monkeypatch.setitem(sys.modules, "stand_in", module)
    monkeypatch.setattr(names, "MODELS", {"default": "stand_in:cascade"})
    return package / "cascade"
