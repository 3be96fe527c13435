"""Every function that takes a device refuses an unknown or missing one before it does any work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from crossgraph.config import RunConfig
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.encoders.catalogue import build_image_encoder, build_text_encoder
from crossgraph.errors import ConfigError
from crossgraph.gallery.stages.cascade_model import CascadeModel
from crossgraph.verbs.models import load_model
from crossgraph.verbs.training import train


def train_anything(folder: Path, device: str) -> object:
    return train(draw_scenes(folder / "scenes", 12), RunConfig(), folder / "run", device=device)


ENTRIES: dict[str, Callable[[Path, str], object]] = {
    "train": train_anything,
    "load a run": lambda folder, device: load_model(folder, device=device),
    "load a cascade": lambda folder, device: CascadeModel(folder, cache=FeatureCache(folder), device=device),
    "image encoder": lambda _, device: build_image_encoder(device=device),
    "text encoder": lambda _, device: build_text_encoder({"kind": "transformer", "name": "minilm"}, device=device),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_device_that_is_not_here_is_refused(entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: False)
    with pytest.raises(ConfigError, match="Did you mean 'cuda'"):
        ENTRIES[entry](tmp_path, "gpu")
    with pytest.raises(ConfigError, match="needs CUDA, and the torch installed here"):
        ENTRIES[entry](tmp_path, "cuda")
    assert not (tmp_path / "run").exists()
