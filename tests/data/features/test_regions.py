"""Regions that a detector supplied: found by file name, pooled by overlap, cached apart from the grid's."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.features.image_features import extract_image_features
from crossgraph.data.features.regions import SuppliedRegions, mirrored_boxes
from crossgraph.data.graphs.graph_files import write_graphs
from crossgraph.encoders.catalogue import build_image_encoder
from crossgraph.encoders.image import ImageEncoder
from crossgraph.errors import ConfigError, DataError
from crossgraph.graphs.scene_graph import Box, GraphObject, SceneGraph

DOG, CAT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.25, 1.0, 0.75)


@pytest.fixture(scope="module")
def encoder() -> ImageEncoder:
    return build_image_encoder(size=64, cells=(2,))


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = []
    for name in ("a/one.png", "b/one.png", "two.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
        paths.append(path)
    return paths


def supplied(folder: Path, boxes: dict[str, tuple[Box, ...]]) -> SuppliedRegions:
    file = folder / "regions.jsonl"
    graphs = {key: SceneGraph(tuple(GraphObject("thing", box=box) for box in own), ()) for key, own in boxes.items()}
    write_graphs(file, graphs, kind="image")
    return SuppliedRegions(file)


def test_a_picture_has_the_boxes_of_the_longest_end_of_its_path(tmp_path: Path) -> None:
    regions = supplied(tmp_path, {"one.png": (DOG,), "b/one.png": (DOG, CAT)})
    assert regions(Path("/x/a/one.png")).tolist() == [list(DOG)]
    assert regions(Path("/x/b/one.png")).tolist() == [list(DOG), list(CAT)]
    assert regions(Path("b/one.png")).tolist() == [list(DOG), list(CAT)]
    assert regions(Path("/x/done.png")) is None


def test_a_file_without_boxes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no object with a box"):
        supplied(tmp_path, {"one.png": ()})


def test_parts_are_the_supplied_regions_and_cells_elsewhere(
    tmp_path: Path, images: list[Path], encoder: ImageEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "boxes_of", supplied(tmp_path, {"b/one.png": (DOG, CAT, (0.0, 0.0, 1.0, 1.0))}))
    table, skipped = extract_image_features(images, encoder, FeatureCache(tmp_path / "cache"))
    batch = table.rows([0, 1, 2])
    assert skipped == []
    assert batch.mask.sum(dim=1).tolist() == [4, 3, 4]
    assert batch.boxes[1, :3].tolist() == [list(DOG), list(CAT), [0, 0, 1, 1]]
    # the region that is the whole picture is the mean of the map, which is the whole vector
    assert torch.allclose(batch.parts[1, 2], batch.whole[1], atol=2e-2)
    cells = encoder.encode([Image.open(images[1])])[0].parts
    assert np.allclose(batch.parts[1, 0], (cells[0] + cells[2]) / 2, atol=2e-2)


def test_regions_of_the_mirrored_picture_are_mirrored(
    tmp_path: Path, images: list[Path], encoder: ImageEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert np.allclose(mirrored_boxes(np.array([DOG, CAT], np.float32)), [[0.5, 0, 1, 1], [0, 0.25, 0.5, 0.75]])
    monkeypatch.setattr(encoder, "boxes_of", supplied(tmp_path, {"two.png": (DOG,)}))
    table, _ = extract_image_features(images[2:], encoder, FeatureCache(tmp_path / "cache"), view="mirror")
    assert table.rows([0]).boxes.tolist() == [[[0.5, 0.0, 1.0, 1.0]]]


def test_other_boxes_are_other_features_and_the_grid_keeps_its_own(
    tmp_path: Path, images: list[Path], encoder: ImageEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = FeatureCache(tmp_path / "cache")
    seen = []
    for boxes in (None, (DOG,), (CAT,), None):
        regions = None if boxes is None else supplied(tmp_path, {"two.png": boxes})
        monkeypatch.setattr(encoder, "boxes_of", regions)
        table, _ = extract_image_features(images[2:], encoder, cache)
        seen.append(table.rows([0]).parts)
    assert torch.equal(seen[0], seen[3])
    assert seen[0].shape[1] == 4
    assert not torch.equal(seen[1], seen[2])


def test_an_encoder_that_cannot_pool_regions_says_so(encoder: ImageEncoder) -> None:
    with pytest.raises(ConfigError, match=r"leave out images\.regions"):
        ImageEncoder.encode_regions(encoder, [], [])
