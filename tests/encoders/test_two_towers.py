"""Two-tower models of every family give what transformers gives for the same pictures and texts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer, PreTrainedTokenizerFast

from crossgraph.encoders.catalogue import build_backbone, build_image_encoder, build_text_encoder
from crossgraph.encoders.image import WHOLE
from crossgraph.encoders.pixels import Preparation
from crossgraph.encoders.pretrained import logits_of
from crossgraph.encoders.text import TextEncoder
from crossgraph.errors import ModelError
from tests.encoders.two_tower_models import FAMILIES, JOINT, SIDE, save_clip, save_naflex, save_siglip

SHAPES = ((50, 30), (31, 90), (20, 20), (32, 32), (400, 40), (64, 64))
SENTENCES = ["A red Dog runs.", "two dogs, the ball!", "a", "一只狗在跑", "", "a dog " * 60]


@pytest.fixture(scope="module", params=list(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: save(tmp_path_factory.mktemp(name)) for name, save in FAMILIES.items()}


@pytest.fixture(scope="module")
def folder(family: str, folders: dict[str, Path]) -> Path:
    return folders[family]


@pytest.fixture(scope="module")
def texts(folder: Path) -> TextEncoder:
    return build_text_encoder({"kind": "transformer", "name": str(folder)})


def pictures() -> list[Image.Image]:
    """Noise of odd shapes, in large blocks that resizing keeps apart."""
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (1 + height // 7, 1 + width // 7, 3), dtype=np.uint8)).resize(
            (width, height)
        )
        for width, height in SHAPES
    ]


def wholes(features: Sequence[Any]) -> NDArray[np.float32]:
    return np.stack([one.whole.astype(np.float32) for one in features])


def tokens_of(folder: Path, family: str, sentences: Sequence[str]) -> dict[str, torch.Tensor]:
    """Sentences as a family was trained on them: SigLIP padded to 64 without a mask, SigLIP 2 in lower case."""
    if family == "siglip":  # its class needs a package that is not there
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    else:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    read = [sentence.lower() for sentence in sentences] if family == "siglip2" else list(sentences)
    if family in ("siglip", "siglip2"):
        return dict(tokenizer(read, padding="max_length", max_length=64, truncation=True, return_tensors="pt"))
    return dict(tokenizer(read, padding=True, truncation=True, return_tensors="pt", return_token_type_ids=False))


def test_pictures_have_the_vectors_that_transformers_gives_them(folder: Path) -> None:
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    with torch.inference_mode():
        inputs = processor(pictures(), return_tensors="pt")
        expected = AutoModel.from_pretrained(folder).eval().get_image_features(**inputs).pooler_output.numpy()
    encoder = build_image_encoder(str(folder))
    found = wholes(encoder.encode(pictures()))
    assert np.allclose(found, expected, rtol=2e-3, atol=5e-3)
    assert np.abs(expected - expected[:1]).max(axis=1)[1:].min() > 0.1
    assert encoder.joint
    assert encoder.whole_width == JOINT


def test_texts_have_the_vectors_that_transformers_gives_them(folder: Path, family: str, texts: TextEncoder) -> None:
    with torch.inference_mode():
        network = AutoModel.from_pretrained(folder).eval()
        expected = network.get_text_features(**tokens_of(folder, family, SENTENCES)).pooler_output.numpy()
    assert np.allclose(wholes(texts.encode(SENTENCES)), expected, rtol=2e-3, atol=5e-3)
    assert np.abs(expected - expected[:1]).max(axis=1)[1:].min() > 0.1
    assert texts.whole_width == JOINT


def test_scores_are_the_models_own_logits(folder: Path, family: str, texts: TextEncoder) -> None:
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    with torch.inference_mode():
        network = AutoModel.from_pretrained(folder).eval()
        inputs = {**tokens_of(folder, family, SENTENCES), **processor(pictures(), return_tensors="pt")}
        expected = network(**inputs).logits_per_image.numpy()
    sides = (wholes(build_image_encoder(str(folder)).encode(pictures())), wholes(texts.encode(SENTENCES)))
    left, right = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides)
    assert texts.logits is not None
    scale, bias = texts.logits
    assert scale == pytest.approx(1.0 if family == "align" else np.exp(1.2))
    assert bias == (-1.5 if family.startswith("siglip") else 0)
    assert np.allclose(scale * left @ right.T + bias, expected, atol=1e-2)


def test_a_text_alone_is_the_text_in_company(texts: TextEncoder) -> None:
    together = texts.encode(SENTENCES)
    for sentence, crowd in zip(SENTENCES, together, strict=True):
        (alone,) = texts.encode([sentence])
        assert alone.words == crowd.words
        assert np.allclose(wholes([alone]), wholes([crowd]), atol=5e-3)
        assert alone.states is not None
        assert crowd.states is not None
        assert np.allclose(alone.states.astype(np.float32), crowd.states.astype(np.float32), atol=5e-3)


def test_words_have_states_and_pictures_have_parts(folder: Path, texts: TextEncoder) -> None:
    read = texts.encode(["A red Dog runs."])[0]
    assert read.words == ("a", "red", "dog", "runs")
    assert read.states is not None
    assert read.states.shape == (4, texts.state_width)
    assert np.abs(read.states[0].astype(np.float32) - read.states[2].astype(np.float32)).max() > 0.1
    encoder = build_image_encoder(str(folder), cells=(2, 1))
    assert all(one.parts.shape == (5, encoder.part_width) for one in encoder.encode(pictures()))


@pytest.mark.parametrize("name", ["siglip", "siglip2"])
def test_siglip_reads_what_its_padding_says(name: str, folders: dict[str, Path]) -> None:
    network = AutoModel.from_pretrained(folders[name]).eval()
    tokens = tokens_of(folders[name], name, ["a red dog"])
    assert tokens["input_ids"].shape == (1, 64)
    real = int((tokens["input_ids"] != tokens["input_ids"][0, -1]).sum()) + 1
    with torch.inference_mode():
        short = network.get_text_features(input_ids=tokens["input_ids"][:, :real]).pooler_output.numpy()
        padded = network.get_text_features(input_ids=tokens["input_ids"]).pooler_output.numpy()
    found = wholes(build_text_encoder({"kind": "transformer", "name": str(folders[name])}).encode(["A RED dog"]))
    assert np.abs(short - padded).max() > 0.1
    assert np.allclose(found, padded, atol=5e-3)


def test_a_text_is_read_to_its_last_sign_and_as_far_as_tokens_go(folders: dict[str, Path]) -> None:
    encoder = build_text_encoder({"kind": "transformer", "name": str(folders["clip"]), "max_words": 2})
    plain, loud = encoder.encode(["a red dog runs", "a red dog runs!"])
    assert plain.words == loud.words == ("a", "red", "dog", "runs")
    assert np.abs(wholes([plain]) - wholes([loud])).max() > 0.1
    long = encoder.understanding("dog " * 60)
    assert (len(long.words), len(long.left_out)) == (38, 22)  # 40 tokens less the first and the last
    assert build_text_encoder(encoder.describe()).fingerprint == encoder.fingerprint
    as_far = build_text_encoder({"kind": "transformer", "name": str(folders["clip"])})
    assert as_far.fingerprint == encoder.fingerprint  # max_words decides nothing


def test_boxes_under_a_centre_crop_are_of_the_whole_picture(folders: dict[str, Path]) -> None:
    encoder = build_image_encoder(str(folders["clip"]), cells=(2,))
    wide, tall, square = encoder.encode([Image.new("RGB", size) for size in ((400, 100), (100, 200), (70, 70))])
    assert wide.boxes.tolist() == pytest.approx(
        np.array([[0.375, 0, 0.5, 0.5], [0.5, 0, 0.625, 0.5], [0.375, 0.5, 0.5, 1], [0.5, 0.5, 0.625, 1]])
    )
    assert tall.boxes[0].tolist() == [0, 0.25, 0.5, 0.5]
    assert square.boxes[0].tolist() == [0, 0, 0.5, 0.5]
    align = build_image_encoder(str(folders["align"]), cells=(1,)).encode([Image.new("RGB", (90, 30))])[0]
    assert align.boxes.tolist() == pytest.approx(np.array([[0.1, 0.1, 0.9, 0.9]]))  # 32 of 40 in the middle
    siglip = build_image_encoder(str(folders["siglip"]), cells=(1,)).encode([Image.new("RGB", (90, 30))])[0]
    assert siglip.boxes.tolist() == [[0, 0, 1, 1]]


def test_what_lies_outside_the_boxes_is_not_seen(folders: dict[str, Path]) -> None:
    encoder = build_image_encoder(str(folders["clip"]), cells=(2,))
    picture = pictures()[4]
    margins = picture.copy()
    boxes = encoder.encode([picture])[0].boxes
    left, right = (round(edge * picture.width) for edge in (boxes[:, 0].min(), boxes[:, 2].max()))
    margins.paste((255, 0, 0), (0, 0, left - 20, picture.height))
    margins.paste((0, 255, 0), (right + 20, 0, picture.width, picture.height))
    inside = picture.copy()
    inside.paste((255, 0, 0), (left, 0, left + 9, 20))
    plain, outside, changed = encoder.encode([picture, margins, inside])
    assert np.array_equal(plain.whole, outside.whole)
    assert not np.array_equal(plain.whole, changed.whole)


def test_supplied_regions_are_read_where_they_are_in_the_crop(folders: dict[str, Path]) -> None:
    encoder = build_image_encoder(str(folders["clip"]), cells=(2,))
    picture = pictures()[0]
    by_grid = encoder.encode([picture])[0]
    by_region = encoder.encode_regions([picture], [by_grid.boxes])[0]
    assert np.array_equal(by_region.boxes, by_grid.boxes)
    assert np.allclose(by_region.parts.astype(np.float32), by_grid.parts.astype(np.float32), atol=1e-2)
    (outside,) = encoder.encode_regions([picture], [np.array([[0, 0, 0.05, 1]], np.float32)])
    assert np.isfinite(outside.parts).all()


def test_prepared_pictures_are_encoded_as_unprepared_ones(folder: Path) -> None:
    encoder = build_image_encoder(str(folder), cells=(2,))
    for picture in pictures():
        prepared = encoder.prepare(picture)
        assert prepared.size == (SIDE, SIDE)
        plain, again = encoder.encode([picture, encoder.prepare(prepared)])
        assert np.allclose(plain.whole.astype(np.float32), again.whole.astype(np.float32), atol=5e-3)
        assert np.array_equal(plain.boxes, again.boxes)
        (mirrored,) = encoder.encode([ImageOps.mirror(prepared)])
        assert np.array_equal(mirrored.boxes, plain.boxes)


def test_a_picture_as_large_as_the_square_is_cut_where_the_square_is_cut_from_a_larger_one() -> None:
    preparation = Preparation(32, (0.0,) * 3, (1.0,) * 3, cropped_from=40, keeps_shape=True)
    other = Preparation(32, (1.0,) * 3, (1.0,) * 3, cropped_from=40, keeps_shape=True)
    picture = Image.new("RGB", (32, 32))
    square = preparation.square(picture)
    assert picture.info == {}
    assert preparation.window(picture) == WHOLE
    assert preparation.window(square) == pytest.approx((0.1, 0.1, 0.9, 0.9))
    assert preparation.square(square) is square
    assert other.window(square) == WHOLE  # what another network cut is a picture like any


def test_a_network_in_training_knows_where_its_pixels_are(folders: dict[str, Path]) -> None:
    backbone = build_backbone(str(folders["clip"]))
    squares = [backbone.preparation.square(picture) for picture in pictures()[:2]]
    windows = [backbone.preparation.window(square) for square in squares]
    batch = backbone.image_batch(backbone.preparation.pixels(squares), cells=(2,), windows=windows)
    expected = build_image_encoder(str(folders["clip"]), cells=(2,)).encode(pictures()[:2])
    assert np.array_equal(batch.boxes.numpy(), np.stack([one.boxes for one in expected]))


def test_weights_in_half_precision_are_read(folder: Path, tmp_path: Path) -> None:
    half = shutil.copytree(folder, tmp_path / "half")
    AutoModel.from_pretrained(folder, dtype=torch.float16).save_pretrained(half)
    assert json.loads((half / "config.json").read_text())["dtype"] == "float16"
    for build in (build_image_encoder, lambda name: build_text_encoder({"kind": "transformer", "name": name})):
        items: Any = pictures() if build is build_image_encoder else SENTENCES
        full, rounded = (wholes(build(str(place)).encode(items)) for place in (folder, half))
        assert np.allclose(full, rounded, atol=0.1, rtol=0.05)


def test_fingerprints_change_with_what_a_processor_does_and_only_then(tmp_path: Path) -> None:
    folder = save_clip(tmp_path / "clip")
    before = build_image_encoder(str(folder)).fingerprint
    file = folder / "preprocessor_config.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "written_by": "another version"}))
    assert build_image_encoder(str(folder)).fingerprint == before
    others: list[dict[str, object]] = [
        {"resample": 2},
        {"size": {"shortest_edge": 40}},
        {"size": {"height": 40, "width": 40}},
    ]
    found = []
    for change in others:
        file.write_text(json.dumps({**told, **change}))
        found.append(build_image_encoder(str(folder)).fingerprint)
    assert len({before, *found}) == 4


def test_siglips_tokenizer_is_read_from_its_file_and_asked_for_where_it_has_none(tmp_path: Path) -> None:
    folder = save_siglip(tmp_path / "siglip")
    described = build_text_encoder({"kind": "transformer", "name": str(folder)}).describe()
    shutil.move(folder, tmp_path / "moved")
    moved = build_text_encoder({**described, "name": str(tmp_path / "moved")})
    assert moved.fingerprint == described["fingerprint"]
    (tmp_path / "moved" / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="tokenizer"):
        build_text_encoder({"kind": "transformer", "name": str(tmp_path / "moved")})


def test_pictures_of_any_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="choose a model of fixed resolution"):
        build_image_encoder(str(save_naflex(tmp_path)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"do_center_crop": False}, "squares of one size"),
        ({"crop_size": {"height": 48, "width": 48}}, "squares of one size"),
        ({"size": {"height": 40, "width": 48}, "crop_size": {"height": 32, "width": 32}}, "does more than"),
        ({"crop_size": {"height": 32, "width": 24}}, "does more than"),
    ],
)
def test_a_processor_that_does_something_else_is_refused(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    folder = save_clip(tmp_path)
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ModelError, match=message):
        build_image_encoder(str(folder))


def test_a_model_without_learned_logits_has_cosines(folders: dict[str, Path]) -> None:
    assert logits_of(torch.nn.Linear(2, 2)) == (1.0, 0.0)
