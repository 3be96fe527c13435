"""A frozen network that another encoder runs beside its own is not run again, and its features are the same."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.features.image_features import extract_image_features
from crossgraph.encoders.backbone_encoder import BackboneEncoder
from crossgraph.encoders.efficientnet import EfficientNetBackbone

CELLS = (2,)


def frozen(size: int = 64) -> BackboneEncoder:
    return BackboneEncoder(EfficientNetBackbone("efficientnet-lite0", size=size), cells=CELLS)


def trained(*, beside: bool = True, cells: tuple[int, ...] = CELLS) -> BackboneEncoder:
    backbone = EfficientNetBackbone("efficientnet-lite0", size=64)
    backbone.freeze_below(13, beside=beside)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in backbone.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.01)
    return BackboneEncoder(backbone, cells=cells)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Some pictures, of which one comes twice and one is none."""
    random = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for path in paths[:3]:
        Image.fromarray(random.integers(0, 256, (80, 90, 3), np.uint8)).save(path)
    paths[3].write_bytes(paths[0].read_bytes())
    paths[4].write_bytes(b"nothing")
    return paths


def test_features_are_those_of_the_network_alone_which_is_not_run(
    pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, cache = frozen(), trained(), FeatureCache(tmp_path / "shared")
    alone, left_out = extract_image_features(pictures, one, FeatureCache(tmp_path / "alone"))
    assert one.look_within(other)
    monkeypatch.setattr(one, "encode", None)
    table, skipped = extract_image_features(pictures, one, cache)
    assert (table.kept, table.paths, table.keys) == (alone.kept, alone.paths, alone.keys)
    assert skipped == left_out
    found, expected = table.rows([0, 1, 2, 3]), alone.rows([0, 1, 2, 3])
    for name in ("parts", "mask", "boxes", "whole"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name
    monkeypatch.setattr(other, "encode", lambda images: pytest.fail("read again") if images else [])
    wide, _ = extract_image_features(pictures, other, cache)
    assert not torch.equal(wide.rows([0]).parts[..., : one.part_width], table.rows([0]).parts), "the other was trained"


def test_a_network_is_taken_out_of_no_other_than_its_own() -> None:
    for one, other in (
        (frozen(), trained(beside=False)),
        (frozen(), trained(cells=(3,))),
        (frozen(size=96), trained()),
        (frozen(), frozen()),
        (trained(), trained()),
    ):
        assert not one.look_within(other)
        assert one.within is None
