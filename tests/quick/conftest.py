"""A gallery of a few drawn scenes by the model that comes with crossgraph."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossgraph import verbs
from crossgraph.data.drawn.scenes import open_named_scenes
from crossgraph.data.feature_cache import CACHE_VARIABLE


@pytest.fixture(scope="session")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds a `gallery` of twelve scenes, and the `cache` that it was indexed with."""
    folder = tmp_path_factory.mktemp("quick")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(folder / "cache"))
        verbs.index(open_named_scenes("scenes:12"), folder / "gallery")
    return folder


@pytest.fixture
def gallery(indexed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The gallery, with its cache."""
    monkeypatch.setenv(CACHE_VARIABLE, str(indexed / "cache"))
    return indexed / "gallery"
