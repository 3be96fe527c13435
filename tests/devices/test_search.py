"""Encoders, galleries and networks in training on a device that is not the processor give what they give on it."""

from __future__ import annotations

from copy import copy, deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crossgraph.config import RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.encoders.catalogue import build_image_encoder
from crossgraph.encoders.image import Boxes, ImageFeatures
from crossgraph.encoders.text import TextFeatures
from crossgraph.encoders.transformer_text import TransformerTextEncoder
from crossgraph.gallery.explanations.code_match import explain_pair
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.stages.cascade_model import CascadeModel, build_cascade
from crossgraph.training.checkpoint import WEIGHTS
from crossgraph.verbs import evaluate, load_model, train
from tests.training.fake_dataset import MODELS
from tests.training.fake_encoder import encode_by_colour
from tests.training.tiny_models import save_bert, save_vit

SENTENCE = "a red circle above a blue square"


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Few, since every operation on a pretended device takes its time."""
    return draw_scenes(tmp_path_factory.mktemp("scenes") / "scenes", 20)


def settings(method: str, **images: object) -> RunConfig:
    return RunConfig.model_validate(
        {
            "method": method,
            "images": images,
            "texts": {"min_count": 1},
            "training": {"epochs": 1, "batch_size": 4},
            "model": MODELS[method],
        }
    )


@pytest.fixture
def _colours(monkeypatch: pytest.MonkeyPatch) -> None:
    encode_by_colour(monkeypatch)


@pytest.mark.usefixtures("_colours")
def test_a_gallery_made_and_searched_on_a_device_answers_as_on_the_processor(
    device: str, scenes: Corpus, tmp_path: Path
) -> None:
    cache = FeatureCache(tmp_path / "cache")
    for method in ("dual_encoder", "kidrr", "scahn"):
        train(scenes, settings(method), tmp_path / method, cache=cache)
    build_cascade(
        tmp_path / "cascade",
        cache=cache,
        codes=str(tmp_path / "scahn"),
        dense=tmp_path / "dual_encoder",
        rerank=tmp_path / "kidrr",
        blend=0.5,
        device=device,
    )
    answers = []
    for place in ("cpu", device):
        model = CascadeModel(tmp_path / "cascade", cache=cache, device=place)
        gallery = Gallery.create(tmp_path / f"gallery-{place}", model)
        gallery.index(scenes.image_paths[0].parent)
        found = gallery.search(SENTENCE)
        alike = gallery.search(scenes.image_paths[0])
        explained = explain_pair(model, SENTENCE, scenes.image_paths[0])
        answers.append(
            [
                *([(result.path, round(result.score, 3)) for result in each.results] for each in (found, alike)),
                round(explained.score, 3),
            ]
        )
    assert answers[0] == answers[1]
    assert answers[0][0]


@pytest.mark.usefixtures("_colours")
def test_a_run_is_evaluated_on_a_device_as_on_the_processor(device: str, scenes: Corpus, tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "cache")
    train(scenes, settings("kidrr"), tmp_path / "run", cache=cache)
    reports = [
        evaluate(load_model(tmp_path / "run", cache=cache, device=place), scenes, split="val", two_stage_k=k)
        for k in (None, 2)
        for place in ("cpu", device)
    ]
    assert reports[0].strict.mean == pytest.approx(reports[1].strict.mean)
    assert reports[2].strict.mean == pytest.approx(reports[3].strict.mean)


def assert_alike(one: ImageFeatures | TextFeatures, other: ImageFeatures | TextFeatures) -> None:
    for here, there in zip(vars(one).values(), vars(other).values(), strict=True):
        if isinstance(here, np.ndarray):
            assert np.allclose(here.astype(np.float32), there.astype(np.float32), atol=1e-2)
        else:
            assert here == there


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> TransformerTextEncoder:
    """Loaded on the processor, before any GPU is pretended."""
    return TransformerTextEncoder(str(save_bert(tmp_path_factory.mktemp("bert"))))


def test_sentences_are_read_on_a_device_as_on_the_processor(bert: TransformerTextEncoder, device: str) -> None:
    there = copy(bert)
    there.network, there.device = deepcopy(bert.network).to(device), torch.device(device)
    assert_alike(bert.encode([SENTENCE])[0], there.encode([SENTENCE])[0])


@pytest.mark.parametrize("boxes", [None, np.array([[0.1, 0.1, 0.6, 0.5]], dtype=np.float32)], ids=["cells", "regions"])
def test_pictures_are_read_on_a_device_as_on_the_processor(boxes: Boxes | None, device: str) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 48, 3), dtype=np.uint8))
    here, there = (build_image_encoder("efficientnet-lite0", cells=(2,), device=place) for place in ("cpu", device))
    assert here.fingerprint == there.fingerprint
    one, other = (
        encoder.encode([picture]) if boxes is None else encoder.encode_regions([picture], [boxes])
        for encoder in (here, there)
    )
    assert_alike(one[0], other[0])


def test_a_network_is_trained_on_a_device(device: str, scenes: Corpus, tmp_path: Path) -> None:
    save_vit(tmp_path / "vit")
    cache = FeatureCache(tmp_path / "cache")
    tuned = settings("dual_encoder", encoder=str(tmp_path / "vit"), cells=[2], trainable=True)
    model = train(scenes, tuned, tmp_path / "run", cache=cache, device=device)
    again = load_model(tmp_path / "run", cache=cache)
    assert (tmp_path / "run" / WEIGHTS).exists()
    there, here = (one.encode_image_files(scenes.image_paths[:2]).encoded.embedding for one in (model, again))
    assert torch.allclose(there.cpu(), here, atol=1e-2)
