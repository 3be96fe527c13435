"""Pictures through a network that can be trained give the features that the frozen one is cached with."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw, ImageOps

from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.features.image_features import extract_image_features
from crossgraph.data.features.pixel_table import BLOCK, PixelTable
from crossgraph.encoders.catalogue import build_backbone, build_image_encoder
from crossgraph.types import ImageBatch

CELLS = (2, 1)


def draw(folder: Path, number: int) -> tuple[Path, ...]:
    """Pictures of different shapes with something at one side."""
    folder.mkdir()
    for index in range(number):
        image = Image.new("RGB", (60 + index, 50), (40 * index % 256, 90, 200))
        ImageDraw.Draw(image).ellipse((2, 5 + index % 9, 25, 40), fill=(250, 30 * index % 256, 10))
        image.save(folder / f"{index:02}.png")
    return tuple(sorted(folder.iterdir()))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> PixelTable:
    paths = draw(tmp_path_factory.mktemp("pictures") / "of", 5)
    return PixelTable(paths, build_backbone("efficientnet-lite0", size=64), CELLS)


def cached(table: PixelTable, folder: Path, indices: Sequence[int], *, view: str = "plain") -> ImageBatch:
    encoder = build_image_encoder("efficientnet-lite0", size=64, cells=CELLS)
    found, skipped = extract_image_features(table.paths, encoder, FeatureCache(folder), view=view)
    assert skipped == []
    return found.rows(indices)


def assert_near(one: ImageBatch, other: ImageBatch) -> None:
    assert torch.equal(one.mask, other.mask)
    assert torch.equal(one.boxes, other.boxes)
    for field in ("parts", "whole"):
        torch.testing.assert_close(getattr(one, field), getattr(other, field), atol=2e-2, rtol=1e-2)


def test_features_from_pixels_are_those_of_the_cache(table: PixelTable, tmp_path: Path) -> None:
    table.backbone.train()  # its statistics are frozen
    found = table.rows([3, 0, 3])
    assert found.parts.requires_grad
    assert_near(
        ImageBatch(found.parts.detach(), found.mask, found.boxes, found.whole.detach()),
        cached(table, tmp_path, [3, 0, 3]),
    )


def test_only_the_pictures_that_are_marked_are_mirrored(table: PixelTable, tmp_path: Path) -> None:
    with torch.inference_mode():
        found = table.rows([1, 2], mirrored=[False, True])
    assert_near(
        ImageBatch(found.parts[:1], found.mask[:1], found.boxes[:1], found.whole[:1]), cached(table, tmp_path, [1])
    )
    assert_near(
        ImageBatch(found.parts[1:], found.mask[1:], found.boxes[1:], found.whole[1:]),
        cached(table, tmp_path, [2], view="mirror"),
    )
    pixels = table.pixels([2], mirrored=[True])
    image = ImageOps.mirror(Image.open(table.paths[2]))
    assert (pixels - table.backbone.preparation.pixels([image])).abs().max() <= 2 / 128  # resampled the other way round


def test_pictures_are_turned_counter_clockwise_before_they_are_mirrored(table: PixelTable, tmp_path: Path) -> None:
    with torch.inference_mode():
        found = table.rows([1, 2], turns=[0, 3])
    for row, view in enumerate(("plain", "turn3")):
        one = ImageBatch(*(getattr(found, name)[[row]] for name in ("parts", "mask", "boxes", "whole")))
        assert_near(one, cached(table, tmp_path, [row + 1], view=view))
    square = table.pixels([2])
    assert torch.equal(table.pixels([2], turns=[1]), square.rot90(1, (2, 3)))
    assert torch.equal(table.pixels([2], turns=[1], mirrored=[True]), square.rot90(1, (2, 3)).flip(3))


def test_gradients_reach_every_weight_of_the_network(table: PixelTable) -> None:
    batch = table.rows([0, 1])
    (batch.parts.square().mean() + batch.whole.mean()).backward()
    for name, parameter in table.backbone.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    grads = [parameter.grad for parameter in table.backbone.parameters() if parameter.grad is not None]
    assert sum(bool(grad.any()) for grad in grads) > 100
    table.backbone.zero_grad()


def test_training_leaves_the_statistics_alone_unless_they_are_let_go(table: PixelTable) -> None:
    backbone = build_backbone("efficientnet-lite0", size=64).train()
    pixels = table.pixels([0, 1])
    before = {name: value.clone() for name, value in backbone.named_buffers()}
    backbone.tokens(pixels)
    assert all(torch.equal(value, before[name]) for name, value in backbone.named_buffers())
    backbone.frozen_statistics = False
    backbone.train().tokens(pixels)
    assert not any(torch.equal(value, before[name]) for name, value in backbone.named_buffers())


def test_no_pictures_make_no_rows(table: PixelTable) -> None:
    with torch.inference_mode():
        assert table.rows([]).parts.shape == (0, 5, 1280)


def test_long_readings_without_gradients_are_the_same_in_blocks(table: PixelTable) -> None:
    indices = [number % 5 for number in range(BLOCK + 3)]
    with torch.inference_mode():
        found, some = table.rows(indices), table.rows(indices[-3:])
    assert len(found) == BLOCK + 3
    torch.testing.assert_close(found.whole[-3:], some.whole, atol=1e-4, rtol=1e-4)
