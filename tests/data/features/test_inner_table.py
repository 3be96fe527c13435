"""Pictures from cached inner maps: the same as from pixels, where nothing is cropped."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossgraph.data.batches import Crop
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.features.image_features import TURNS, extract_image_features
from crossgraph.data.features.inner_table import InnerTable
from crossgraph.data.features.pixel_table import PixelTable
from crossgraph.encoders.backbone import Backbone
from crossgraph.encoders.backbone_encoder import backbone_fingerprint
from crossgraph.encoders.catalogue import build_backbone
from crossgraph.encoders.inner_maps import InnerMapEncoder
from crossgraph.errors import ConfigError, ModelError

CELLS = (2,)
BLOCK = 8


def network() -> Backbone:
    backbone = build_backbone("efficientnet-lite0", size=96)
    backbone.freeze_below(BLOCK)
    return backbone


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return draw_scenes(tmp_path_factory.mktemp("scenes") / "scenes", 6).image_paths


@pytest.fixture(scope="module")
def table(paths: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> InnerTable:
    backbone = network()
    cache = FeatureCache(tmp_path_factory.mktemp("cache"))
    inner, skipped = extract_image_features(paths, InnerMapEncoder(backbone), cache)
    assert not skipped
    return InnerTable(inner, backbone, CELLS)


def test_rows_are_those_of_the_pixels(table: InnerTable, paths: tuple[Path, ...]) -> None:
    with torch.inference_mode():
        found = table.rows([3, 0])
        whole = build_backbone("efficientnet-lite0", size=96).eval()  # neither folded nor frozen
        expected = PixelTable(paths, whole, CELLS).rows([3, 0])
    torch.testing.assert_close(found.parts, expected.parts, atol=2e-2, rtol=2e-2)
    torch.testing.assert_close(found.whole, expected.whole, atol=2e-2, rtol=2e-2)
    assert torch.equal(found.boxes, expected.boxes)


def test_maps_are_cut_and_mirrored_as_they_say(table: InnerTable) -> None:
    plain = table.maps([1, 2])
    side = plain.shape[2]
    assert side == 6
    assert torch.equal(table.maps([1, 2], mirrored=[True, False])[0], plain[0].flip(2))
    assert torch.equal(table.maps([1, 2], mirrored=[True, False])[1], plain[1])
    corner = table.maps([1, 2], crop=Crop(4, 0.0, 0.999))
    assert torch.equal(corner, plain[:, :, :4, 2:])
    assert torch.equal(table.maps([1], crop=Crop(9, 0.5, 0.5)), plain[:1])
    assert table.rows([1, 2], crop=Crop(4, 0.0, 0.0)).parts.shape == (2, 4, 1280)


def test_maps_of_turned_pictures_are_those_of_turned_pixels(
    table: InnerTable, paths: tuple[Path, ...], tmp_path: Path
) -> None:
    cache, reader = FeatureCache(tmp_path), InnerMapEncoder(table.backbone)
    stores = tuple(extract_image_features(paths[:4], reader, cache, view=view)[0].store for view in TURNS[1:])
    turning = replace(table, turned=stores)
    with torch.inference_mode():
        found = turning.rows([0, 5, 3, 1], turns=[1, 0, 3, 2], mirrored=[False, False, False, True])
        whole = build_backbone("efficientnet-lite0", size=96).eval()
        expected = PixelTable(paths, whole, CELLS).rows([0, 5, 3], turns=[1, 0, 3])
    torch.testing.assert_close(found.whole[:3], expected.whole, atol=2e-2, rtol=2e-2)
    upright, half = turning.maps([1]), turning.maps([1], turns=[2])
    assert not torch.allclose(upright, half, atol=0.1)
    assert torch.equal(turning.maps([1], turns=[2], mirrored=[True]), half.flip(3))


def test_gradients_reach_what_is_trained_and_nothing_else(table: InnerTable) -> None:
    table.backbone.train()
    table.rows([0, 1]).whole.sum().backward()
    frozen = table.backbone.frozen_names()
    for name, parameter in table.backbone.named_parameters():
        assert parameter.requires_grad is not name.startswith(frozen)
        assert (parameter.grad is None) is name.startswith(frozen)
    table.backbone.zero_grad()


def test_the_state_is_what_is_trained_and_fits_another_that_is_frozen_alike(table: InnerTable) -> None:
    state = table.backbone.state_dict()
    trained = {name for name, value in table.backbone.named_parameters() if value.requires_grad}
    assert state.keys() == trained
    other = network()
    with torch.no_grad():
        for parameter in other.parameters():
            if parameter.requires_grad:
                parameter.add_(1)
    assert backbone_fingerprint(other, cells=CELLS) != backbone_fingerprint(table.backbone, cells=CELLS)
    other.load_state_dict(state)
    assert backbone_fingerprint(other, cells=CELLS) == backbone_fingerprint(table.backbone, cells=CELLS)
    with pytest.raises(RuntimeError, match="Missing key"):
        other.load_state_dict(dict(list(state.items())[1:]))


def test_layers_hold_every_trained_parameter_once(table: InnerTable) -> None:
    layers = table.backbone.layers()
    assert len(layers) == 16 - BLOCK + 1
    listed = [id(parameter) for layer in layers for parameter in layer]
    assert sorted(listed) == sorted(id(value) for value in table.backbone.parameters() if value.requires_grad)


def test_classes_are_the_verdict_of_the_network_as_it_came(table: InnerTable, paths: tuple[Path, ...]) -> None:
    names = table.backbone.class_names()
    assert len(names) == 1000
    assert names[1] == "goldfish"
    found = table.classes([0, 5])
    assert found.shape == (2, 1000)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(2))
    whole = build_backbone("efficientnet-lite0", size=96).eval()
    with torch.inference_mode():
        expected = whole.classify(PixelTable(paths, whole, CELLS).rows([0, 5]).whole)
    torch.testing.assert_close(found, expected, atol=1e-2, rtol=5e-2)


def test_a_block_that_is_not_there_and_maps_without_a_block_are_refused() -> None:
    backbone = build_backbone("efficientnet-lite0", size=96)
    with pytest.raises(ConfigError, match="blocks are 0 to 15"):
        backbone.freeze_below(16)
    with pytest.raises(ModelError, match="frozen below a block"):
        InnerMapEncoder(backbone)


def test_maps_of_another_block_are_other_features(table: InnerTable) -> None:
    other = build_backbone("efficientnet-lite0", size=96)
    other.freeze_below(BLOCK + 1)
    assert InnerMapEncoder(other).fingerprint != InnerMapEncoder(table.backbone).fingerprint
    assert InnerMapEncoder(network()).fingerprint == InnerMapEncoder(table.backbone).fingerprint
    assert replace(table, cells=(1,)).rows([0]).parts.shape == (1, 1, 1280)


def test_features_as_they_came_stand_beside_those_that_are_trained(table: InnerTable, paths: tuple[Path, ...]) -> None:
    backbone = build_backbone("efficientnet-lite0", size=96)
    backbone.freeze_below(BLOCK, beside=True)
    with torch.no_grad():
        for parameter in backbone.parameters():
            if parameter.requires_grad:
                parameter.mul_(0.9)
    both = InnerTable(table.inner, backbone, CELLS)
    with torch.inference_mode():
        found, plain = both.rows([0, 3]), table.rows([0, 3])
    assert found.parts.shape == (2, 4, 2560)
    torch.testing.assert_close(found.parts[..., 1280:], plain.parts)
    torch.testing.assert_close(found.whole[:, 1280:], plain.whole)
    assert not torch.allclose(found.parts[..., :1280], plain.parts, atol=0.1)
    assert InnerMapEncoder(backbone).fingerprint == table_encoder_fingerprint()
    assert backbone.state_dict().keys() == table.backbone.state_dict().keys()
    assert backbone_fingerprint(backbone, cells=CELLS) != backbone_fingerprint(table.backbone, cells=CELLS)
    torch.testing.assert_close(both.classes([0]), table.classes([0]))
    both.rows([0, 1]).whole.sum().backward()
    assert all((parameter.grad is not None) is parameter.requires_grad for parameter in backbone.parameters())


def table_encoder_fingerprint() -> str:
    return InnerMapEncoder(network()).fingerprint
