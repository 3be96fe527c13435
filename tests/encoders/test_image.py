"""Image encoders: grids of parts, EfficientNet-Lite with its real weights, tiny Hugging Face models."""

import builtins
import copy
import importlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    ResNetConfig,
    ResNetModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
    ViTModel,
)

from crossgraph.encoders.catalogue import build_image_encoder
from crossgraph.encoders.efficientnet import fuse_batch_norms, load_efficientnet, without_copies
from crossgraph.encoders.grid import grid_boxes, pool_grid, pool_regions
from crossgraph.encoders.image import ImageEncoder, squash
from crossgraph.encoders.transformer_image import split_tokens
from crossgraph.errors import ConfigError, MissingExtraError, ModelError

TINY = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}


def drawn_images(number: int) -> list[Image.Image]:
    """Pictures of different sizes, each with a disc somewhere else."""
    images = []
    for index in range(number):
        image = Image.new("RGB", (60 + 10 * index, 50), (30 * index, 90, 200))
        ImageDraw.Draw(image).ellipse((5 + 8 * index, 5, 35 + 8 * index, 40), fill=(250, 40 * index, 10))
        images.append(image)
    return images


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(np.float32) - other.astype(np.float32)).max())


@pytest.fixture(scope="module")
def lite0() -> ImageEncoder:
    return build_image_encoder("efficientnet-lite0", size=96, cells=(2, 1))


@pytest.fixture(scope="module")
def vit_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(0)
    ViTModel(ViTConfig(**TINY, image_size=32, patch_size=8)).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    vision = {**TINY, "image_size": 32, "patch_size": 8}
    text = {**TINY, "vocab_size": 100, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def test_a_grid_is_pooled_cell_by_cell_row_by_row() -> None:
    grid = torch.arange(16.0).reshape(1, 1, 4, 4)
    parts = pool_grid(grid, (2, 1))
    assert parts.tolist() == [[[2.5], [4.5], [10.5], [12.5], [7.5]]]


def test_pooling_equals_a_slow_loop_when_cells_do_not_divide_the_map() -> None:
    grid = torch.randn(2, 3, 7, 7, generator=torch.Generator().manual_seed(0))
    expected = [
        grid[
            :, :, math.floor(r * 7 / 5) : math.ceil((r + 1) * 7 / 5), math.floor(c * 7 / 5) : math.ceil((c + 1) * 7 / 5)
        ].mean(dim=(2, 3))
        for r in range(5)
        for c in range(5)
    ]
    torch.testing.assert_close(pool_grid(grid, (5,)), torch.stack(expected, dim=1))


def test_boxes_tile_the_picture_in_the_order_of_the_cells() -> None:
    boxes = grid_boxes((2, 1))
    expected = [[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.5, 0.5, 1, 1], [0, 0, 1, 1]]
    assert boxes.tolist() == expected
    sizes = grid_boxes((5,))[:, 2:] - grid_boxes((5,))[:, :2]
    assert sizes.prod(axis=1).sum() == pytest.approx(1.0)


def test_squashing_keeps_the_corners_of_a_wide_picture() -> None:
    image = Image.new("P", (300, 100))
    assert squash(image, 64).size == (64, 64)
    assert squash(image, 64).mode == "RGB"


def test_efficientnet_gives_parts_boxes_and_whole_of_each_picture(lite0: ImageEncoder) -> None:
    features = lite0.encode(drawn_images(4))
    assert len(features) == 4
    for one in features:
        assert one.parts.shape == (5, lite0.part_width)
        assert one.boxes.shape == (5, 4)
        assert one.whole.shape == (lite0.whole_width,)
        assert np.isfinite(one.parts).all()
        assert difference(one.parts[4], one.whole) < 2e-2  # the 1 x 1 grid is the global average
    assert difference(features[0].whole, features[1].whole) > 0.1
    assert lite0.encode([]) == []


def test_efficientnet_features_do_not_depend_on_batch_companions_and_repeat_exactly(lite0: ImageEncoder) -> None:
    images = drawn_images(3)
    together = lite0.encode(images)
    for image, one in zip(images, together, strict=True):
        alone = lite0.encode([image])[0]
        assert difference(alone.parts, one.parts) < 1e-2
    again = lite0.encode(images)
    assert all((one.parts == other.parts).all() for one, other in zip(together, again, strict=True))


def test_efficientnet_takes_prepared_and_unprepared_pictures_alike(lite0: ImageEncoder) -> None:
    image = drawn_images(1)[0]
    plain, prepared = lite0.encode([image])[0], lite0.encode([lite0.prepare(image)])[0]
    assert (plain.parts == prepared.parts).all()


@pytest.mark.parametrize(("name", "size"), [("efficientnet-lite0", 100), ("efficientnet-lite2", 65)])
def test_a_fused_network_equals_the_unfused_one(name: str, size: int) -> None:
    pixels = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        expected = load_efficientnet(name, size=size).extract_features(pixels)
        fused = fuse_batch_norms(load_efficientnet(name, size=size)).extract_features(pixels)
    torch.testing.assert_close(fused, expected, atol=1e-3, rtol=1e-3)


def test_a_network_without_copies_equals_the_one_with_them_to_the_bit() -> None:
    plain = fuse_batch_norms(load_efficientnet("efficientnet-lite0", size=96))
    pixels = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found, gradients = [], []
    for network in (plain, without_copies(copy.deepcopy(plain))):
        grid = network.extract_features(pixels)
        (grid * torch.arange(grid.numel()).reshape(grid.shape).sin()).sum().backward()
        found.append(grid)
        gradients.append([parameter.grad for parameter in network.parameters() if parameter.grad is not None])
    assert torch.equal(*found)
    assert all(map(torch.equal, *gradients))
    assert gradients[0]


def test_loading_efficientnet_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    build_image_encoder("efficientnet-lite0", size=64)
    assert capsys.readouterr() == ("", "")


def test_the_fingerprint_changes_with_name_settings_and_weights(
    lite0: ImageEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = build_image_encoder("efficientnet-lite0", size=96, cells=[2, 1])
    assert same.fingerprint == lite0.fingerprint
    other_size = build_image_encoder("efficientnet-lite0", size=128, cells=(2, 1))
    other_cells = build_image_encoder("efficientnet-lite0", size=96, cells=(2,))
    other_name = build_image_encoder("efficientnet-lite1", size=96, cells=(2, 1))
    load = torch.load

    def load_changed(*arguments: Any, **settings: Any) -> dict[str, torch.Tensor]:
        weights: dict[str, torch.Tensor] = load(*arguments, **settings)
        weights["_conv_head.weight"][0] += 1
        return weights

    monkeypatch.setattr(torch, "load", load_changed)
    other_weights = build_image_encoder("efficientnet-lite0", size=96, cells=(2, 1))
    encoders = [lite0, other_size, other_cells, other_name, other_weights]
    assert len({encoder.fingerprint for encoder in encoders}) == 5


def test_weights_that_are_not_installed_are_named_with_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r"pip install 'crossgraph\[lite2\]'"):
        load_efficientnet("efficientnet-lite2", size=64)


@pytest.mark.parametrize("model", ["vit", "clip"])
def test_a_hugging_face_model_gives_pooled_patches(model: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(f"{model}_folder")
    encoder = build_image_encoder(str(folder), cells=(4, 2))
    features = encoder.encode(drawn_images(3))
    whole = {"vit": 32, "clip": 16}[model]  # CLIP's whole lies in the space that it shares with texts
    assert (encoder.part_width, encoder.whole_width) == (32, whole)
    assert all(one.parts.shape == (20, 32) and one.whole.shape == (whole,) for one in features)
    quarter = features[0].parts[[0, 1, 4, 5]].astype(np.float32).mean(axis=0)
    assert difference(quarter, features[0].parts[16]) < 1e-2
    alone = encoder.encode(drawn_images(3)[2:])[0]
    assert difference(alone.parts, features[2].parts) < 1e-2


def test_the_patches_are_those_of_the_model_itself(vit_folder: Path) -> None:
    image = drawn_images(1)[0]
    pixels = np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC), dtype=np.float32)
    inputs = torch.from_numpy((pixels / 255 - 0.5) / 0.5).permute(2, 0, 1)[None]
    with torch.inference_mode():
        output = ViTModel.from_pretrained(vit_folder).eval()(pixel_values=inputs)
    seen = build_image_encoder(str(vit_folder), cells=(4,)).encode([image])[0]
    assert difference(seen.parts, output.last_hidden_state[0, 1:].numpy()) < 1e-2
    assert difference(seen.whole, output.pooler_output[0].numpy()) < 1e-2


def test_a_processor_that_crops_sees_the_whole_picture_unless_a_space_with_texts_hangs_on_it(
    vit_folder: Path, clip_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(vit_folder, tmp_path, dirs_exist_ok=True)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    clip = build_image_encoder(str(clip_folder), cells=(4,))
    encoder = build_image_encoder(str(tmp_path), cells=(4,))
    wide = Image.new("RGB", (120, 40), "white")
    changed = wide.copy()
    changed.paste((255, 0, 0), (0, 0, 20, 40))  # a crop to the centre would not see this
    assert difference(encoder.encode([wide])[0].parts, encoder.encode([changed])[0].parts) > 1e-2
    assert difference(clip.encode([wide])[0].parts, clip.encode([changed])[0].parts) == 0


def test_a_checkpoint_without_pooler_gives_its_cls_token_and_a_stable_fingerprint(tmp_path: Path) -> None:
    ViTForImageClassification(ViTConfig(**TINY, image_size=32, patch_size=8)).save_pretrained(tmp_path)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    one, other = build_image_encoder(str(tmp_path)), build_image_encoder(str(tmp_path))
    assert one.fingerprint == other.fingerprint
    image = drawn_images(1)
    assert (one.encode(image)[0].whole == other.encode(image)[0].whole).all()


def test_a_convolutional_hugging_face_model_gives_its_feature_map(tmp_path: Path) -> None:
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    ResNetModel(config).save_pretrained(tmp_path)
    ViTImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(tmp_path)
    encoder = build_image_encoder(str(tmp_path), cells=(2,))
    assert encoder.encode(drawn_images(1))[0].parts.shape == (4, 16)
    assert encoder.whole_width == 16


def test_a_models_fingerprint_changes_with_its_weights_and_not_with_its_place(
    vit_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = build_image_encoder(str(vit_folder))
    shutil.copytree(vit_folder, tmp_path / "another name")
    monkeypatch.chdir(tmp_path)
    moved = build_image_encoder("./another name/")
    assert (moved.name, moved.fingerprint) == (encoder.name, encoder.fingerprint)
    ViTModel(ViTConfig(**TINY, image_size=32, patch_size=8)).save_pretrained("another name")
    assert build_image_encoder("another name").fingerprint != encoder.fingerprint


def test_the_same_weights_in_another_container_keep_their_fingerprint(vit_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(vit_folder, tmp_path / "vit")
    (tmp_path / "vit" / "model.safetensors").unlink()
    torch.save(ViTModel.from_pretrained(vit_folder).state_dict(), tmp_path / "vit" / "pytorch_model.bin")
    expected = build_image_encoder(str(vit_folder)).fingerprint
    assert build_image_encoder(str(tmp_path / "vit")).fingerprint == expected


def test_what_a_library_writes_about_a_processor_is_no_part_of_the_fingerprint(
    vit_folder: Path, tmp_path: Path
) -> None:
    expected = build_image_encoder(str(vit_folder)).fingerprint
    file = shutil.copytree(vit_folder, tmp_path / "vit") / "preprocessor_config.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "written_by_version": "9.9", "do_convert_annotations": None}))
    assert build_image_encoder(str(file.parent)).fingerprint == expected
    file.write_text(json.dumps({**told, "image_mean": [0.4, 0.5, 0.5]}))
    assert build_image_encoder(str(file.parent)).fingerprint != expected


def test_tokens_beyond_the_square_are_dropped_from_the_front() -> None:
    hidden = torch.arange(7.0)[None, :, None]  # 1 CLS + 2 registers + 2 x 2 patches
    grid, whole = split_tokens(hidden)
    assert grid.tolist() == [[[[3.0, 4.0], [5.0, 6.0]]]]
    assert whole.tolist() == [[0.0]]
    _, average = split_tokens(hidden[:, 3:])
    assert average.tolist() == [[4.5]]


def test_an_unknown_encoder_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'efficientnet-lite0'"):
        build_image_encoder("eficientnet-lite0")
    with pytest.raises(ConfigError, match="no folder"):
        build_image_encoder("./no/such/folder")


@pytest.mark.parametrize("wrong", [{"size": 8}, {"cells": ()}, {"cells": (5, 0)}])
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        build_image_encoder("efficientnet-lite0", **wrong)


def test_a_size_the_model_cannot_read_is_refused(vit_folder: Path) -> None:
    with pytest.raises(ConfigError, match="64 x 64 pixels"):
        build_image_encoder(str(vit_folder), size=64)


def test_a_hub_model_that_cannot_be_had_offline_is_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="download it on another machine"):
        build_image_encoder("hf:nobody-at-all/no-such-model")


def test_a_folder_without_a_usable_model_is_refused(tmp_path: Path, vit_folder: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        build_image_encoder(str(tmp_path))
    for file in vit_folder.iterdir():
        content = file.read_bytes()
        (tmp_path / file.name).write_bytes(content[:-50] if file.suffix == ".safetensors" else content)
    with pytest.raises(ModelError, match="cannot be loaded"):
        build_image_encoder(str(tmp_path))


def test_a_text_model_is_refused_as_image_encoder(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    BertModel(BertConfig(**TINY, vocab_size=20)).save_pretrained(tmp_path)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="choose a vision model"):
        build_image_encoder(str(tmp_path))


def test_encoders_never_import_torchvision(monkeypatch: pytest.MonkeyPatch, vit_folder: Path) -> None:
    real_import = builtins.__import__

    def guarded(name: str, *arguments: Any, **settings: Any) -> object:
        assert name.split(".")[0] != "torchvision"
        return real_import(name, *arguments, **settings)

    monkeypatch.setattr(builtins, "__import__", guarded)
    build_image_encoder(str(vit_folder)).encode(drawn_images(1))


def test_regions_that_are_cells_of_a_grid_equal_that_grid() -> None:
    torch.manual_seed(0)
    grid = torch.randn(3, 6, 6)
    for side in (1, 2, 3, 6):
        expected = pool_grid(grid[None], (side,))[0]
        assert torch.allclose(pool_regions(grid, torch.from_numpy(grid_boxes((side,)))), expected, atol=1e-5)


def test_a_region_counts_cells_by_how_much_it_covers_and_a_point_is_read_where_it_is() -> None:
    grid = torch.tensor([[[1.0, 5.0], [9.0, 13.0]]])
    boxes = torch.tensor([[0.25, 0.0, 1.0, 0.5], [0.75, 0.75, 0.75, 0.75], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.5, 0.5]])
    expected = [(0.5 * 1 + 1 * 5) / 1.5, 13.0, 13.0, 1.0]
    assert pool_regions(grid, boxes)[:, 0].tolist() == pytest.approx(expected, abs=1e-4)
